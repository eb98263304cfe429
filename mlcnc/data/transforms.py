"""Images to tensors, and random changes to whole batches at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MEAN = 0.5
STD = 0.25


def to_float(images: Tensor) -> Tensor:
    """Return (B, 3, H, W) float32, roughly of mean 0 and variance 1, from (B, H, W, 3) uint8."""
    scaled = images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
    return scaled.sub_(MEAN).div_(STD)


class BatchAugmentation:
    """Random mirror, shift, brightness, contrast and colour, each image by itself.

    Args:
        flip: mirror left to right with probability 1/2.
        shift: largest shift in pixels, edges repeated.
        jitter: brightness, contrast and channel gains change by at most this share.
    """

    def __init__(self, *, flip: bool, shift: int, jitter: float) -> None:
        self.flip = flip
        self.shift = shift
        self.jitter = jitter

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed images of the same shape (B, 3, H, W); the input is left alone.

        Args:
            images: (B, 3, H, W) on the CPU, where the generator is.
            generator: of all random numbers; its state alone decides the changes.
        """
        size = len(images)
        if self.flip:
            mirrored = torch.rand(size, generator=generator) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        if self.shift:
            images = self._shifted(images, generator)
        if self.jitter:
            gains = 1.0 + self.jitter * (2.0 * torch.rand(size, 3, 1, 1, generator=generator) - 1.0)
            offset = self.jitter * (2.0 * torch.rand(size, 1, 1, 1, generator=generator) - 1.0) / STD
            images = images * gains + 0.5 * offset
        return images

    def _shifted(self, images: Tensor, generator: torch.Generator) -> Tensor:
        size, _, height, width = images.shape
        reach = self.shift
        padded = functional.pad(images, (reach,) * 4, mode="replicate")
        offsets = torch.randint(0, 2 * reach + 1, (2, size), generator=generator)
        rows = offsets[0][:, None] + torch.arange(height)  # (B, H)
        columns = offsets[1][:, None] + torch.arange(width)  # (B, W)
        batch = torch.arange(size)[:, None, None]
        picked = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]  # (B, H, W, 3)
        return picked.permute(0, 3, 1, 2)
