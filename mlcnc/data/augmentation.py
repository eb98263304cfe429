"""Random changes to images: seeded by the image's place in training, and the light ones of drawn scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlcnc.torchvision_guard import import_torchvision

v2 = import_torchvision("torchvision.transforms.v2")

Augmentation = Callable[[Any], Any]
"""Any transform of torchvision's v2: a PIL image or (3, H, W) uint8 in, the same or floats in [0, 1] out."""


def image_seed(seed: int, epoch: int, position: int, stream: int) -> int:
    """Return the seed of one image's random changes, 32 bits, all that torch's CPU generator takes.

    Args:
        seed: of the run.
        epoch: from 0.
        position: of the image in the order of the epoch.
        stream: number of the stream of batches, from 0.
    """
    return int(np.random.SeedSequence([seed, epoch, position, stream]).generate_state(1)[0])


def seeded(augmentation: Augmentation, image: Any, seed: int) -> Any:
    """Return the changed image; whatever the augmentation draws from torch follows from ``seed``.

    Torch's CPU state is left seeded: call this under ``torch.random.fork_rng(devices=[])``. Unlike
    ``torch.manual_seed`` this touches no other device.
    """
    torch.default_generator.manual_seed(seed)
    return augmentation(image)


class LightAugmentation(v2.Transform):  # type: ignore[name-defined, misc]  # it ships no types
    """Random mirror, shift, brightness, contrast and colour; stands alone or among other v2 transforms.

    Brightness and contrast are not clipped, so values may leave [0, 1].

    Args:
        flip: mirror left to right with probability 1/2.
        shift: largest shift in pixels, uniform, edges repeated.
        jitter: gains of the channels about mid-grey are 1 + jitter U(-1, 1) each, and 0.5 jitter U(-1, 1) is
            added to all three, on values in [0, 1].
    """

    NUM_DRAWS = 7
    """Of an image: mirror, two shifts, three gains, offset. All are drawn, whichever are in use."""

    def __init__(self, *, flip: bool, shift: int, jitter: float) -> None:
        super().__init__()
        self.flip = flip
        self.shift = shift
        self.jitter = jitter

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Return the random numbers of one image, from torch's global generator."""
        return {"draws": torch.rand(self.NUM_DRAWS)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        """Return one changed image (3, H, W) of a PIL image, of uint8, or of floats in [0, 1].

        float32 where colours change, else the dtype that came.
        """
        image = inpt if isinstance(inpt, Tensor) else v2.functional.pil_to_tensor(inpt)
        return self._changed(image[None], params["draws"][None])[0]

    def batch(self, images: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return changed images (B, 3, H, W), bit for bit those of ``seeded`` one by one, but quicker.

        The input is left alone, and so is torch's global random state.

        Args:
            images: (B, 3, H, W) uint8, or floats in [0, 1].
            seeds: B numbers of :func:`image_seed`.
        """
        generator = torch.Generator()
        draws = [torch.rand(self.NUM_DRAWS, generator=generator.manual_seed(seed)) for seed in seeds]
        return self._changed(images, torch.stack(draws))

    def _changed(self, images: Tensor, draws: Tensor) -> Tensor:
        if self.flip or self.shift:
            images = self._moved(images, draws)
        if self.jitter:
            spread = self.jitter * (2.0 * draws[:, 3:, None, None] - 1.0)  # (B, 4, 1, 1) of U(-jitter, jitter)
            grey_to_zero = in_unit_range(images) - 0.5
            images = grey_to_zero.mul_(1.0 + spread[:, :3]).add_(0.5 + 0.5 * spread[:, 3:])
        return images

    def _moved(self, images: Tensor, draws: Tensor) -> Tensor:
        """Return the images mirrored, then shifted: each pixel is fetched from where it was."""
        size, _, height, width = images.shape
        offsets = (draws[:, 1:3] * (2 * self.shift + 1)).long().clamp_(
            max=2 * self.shift
        ) - self.shift  # (B, 2)
        rows = (torch.arange(height) + offsets[:, :1]).clamp_(0, height - 1)  # (B, H)
        columns = (torch.arange(width) + offsets[:, 1:]).clamp_(0, width - 1)  # (B, W)
        if self.flip:
            columns = torch.where(draws[:, :1] < 0.5, width - 1 - columns, columns)
        batch = torch.arange(size)[:, None, None]
        picked = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]  # (B, H, W, 3)
        return picked.permute(0, 3, 1, 2)


def in_unit_range(images: Tensor) -> Tensor:
    """Return float32 images in [0, 1] of uint8 ones; floats are taken to be there already."""
    scaled = images.to(torch.float32)
    return scaled.div_(255.0) if images.dtype == torch.uint8 else scaled
