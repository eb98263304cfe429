"""Backbones that turn images into a map of features, (B, 3, H, W) -> (B, d, h, w)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mlcnc.errors import ConfigError
from mlcnc.models.blocks import Blocks, count_at_stride

Weights = Literal["none", "imagenet"]
Frozen = Literal["nothing", "stem_and_norms", "all"]
Interpolation = Literal["bilinear", "bicubic"]
Colour = tuple[float, float, float]

FROZEN_STRIDE = 4
"""Pixels a position of the maps of stem and first stage of a ResNet, which DB's rule freezes."""


class Backbone(nn.Module):
    """A stack of layers, the number of channels it ends in, and how its images are normalised.

    Args:
        layers: maps (B, 3, H, W) to (B, out_channels, h, w).
        out_channels: channels of the resulting map.
        mean, std: of the three colours in [0, 1], with which the images of pre-trained weights were
            normalised; None leaves it to the data set. The layers do not normalise.
        size: side of the images in pixels that suits it.
        interpolation: by which photographs were brought to that size for the pre-trained weights.
        blocks: what the layers are made of, in order; None where that is not known, and then nothing but all
            of it can be frozen.
    """

    def __init__(
        self,
        layers: nn.Module,
        out_channels: int,
        mean: Colour | None = None,
        std: Colour | None = None,
        size: int = 224,
        interpolation: Interpolation = "bilinear",
        blocks: Blocks | None = None,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.out_channels = out_channels
        self.mean = mean
        self.std = std
        self.size = size
        self.interpolation = interpolation
        self.blocks = blocks
        self.frozen: Frozen = "nothing"
        self.trained_blocks = 0
        self._still: list[nn.Module] = []

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map."""
        feature_map: Tensor = self.layers(images)  # (B, d, h, w)
        return feature_map

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what is trained; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self._still:
            module.training = False
        return self

    def freeze(self, frozen: Frozen, trained_blocks: int = 0) -> Self:
        """Freeze a part of it, once: its parameters take no gradient and it stays in evaluation mode.

        Args:
            frozen: ``nothing``; ``stem_and_norms``, the blocks whose maps have at most 4 pixels a position
                (of a ResNet: stem and first stage; of a ViT: what makes tokens of the image), and the running
                statistics of all batch norms, while scale and shift of later ones train; or ``all``.
            trained_blocks: with ``all``, so many last blocks train all the same, batch norms included.

        Source: stem_and_norms is what stays still in DB's trainer, wutong16/DistributionBalancedLoss.

        Raises:
            ConfigError: the blocks are too few or not known, or are asked for without ``all``.
        """
        if trained_blocks and frozen != "all":
            raise ConfigError(
                f"model.trained_blocks must be 0 where model.frozen is {frozen}, got {trained_blocks}; it says "
                "what of a backbone is trained that is frozen otherwise (model.frozen all)"
            )
        if frozen == "nothing":
            return self
        known = self.blocks is not None and (self.blocks.compose or frozen == "all")
        if not known and (trained_blocks or frozen == "stem_and_norms"):
            raise ConfigError(
                f"the {'last blocks' if trained_blocks else 'stem'} of this backbone cannot be told from the "
                "rest; use model.frozen nothing, or all with model.trained_blocks 0"
            )
        modules = () if self.blocks is None else self.blocks.modules
        if trained_blocks > len(modules):
            raise ConfigError(
                f"model.trained_blocks must be at most {len(modules)}, the blocks of this backbone, "
                f"got {trained_blocks}"
            )
        self.frozen, self.trained_blocks = frozen, trained_blocks
        if frozen == "all":
            moving = _all_of(modules[len(modules) - trained_blocks :])
            self._still = [module for module in self.layers.modules() if module not in moving]
            fixed = [parameter for module in self._still for parameter in module.parameters(recurse=False)]
        else:
            stem = _all_of(self._stem())
            self._still = [
                module for module in self.layers.modules() if module in stem or isinstance(module, _BatchNorm)
            ]
            fixed = [parameter for module in stem for parameter in module.parameters(recurse=False)]
        for parameter in fixed:
            parameter.requires_grad_(False)
        return self.train(self.training)

    def part(self, layers: nn.Module, out_channels: int) -> Backbone:
        """Return a backbone of some of its layers; what stays still in the whole stays still there.

        Args:
            layers: that share modules with it.
            out_channels: channels of their map.
        """
        part = Backbone(layers, out_channels, self.mean, self.std, self.size, self.interpolation)
        inside = set(layers.modules())
        part._still = [module for module in self._still if module in inside]
        return part.train(self.training)

    def _stem(self) -> tuple[nn.Module, ...]:
        if self.blocks is None:
            return ()
        self.layers.eval()
        modules = self.blocks.modules
        return modules[: count_at_stride(modules, self.blocks.layout, self.size, FROZEN_STRIDE)]


def cut(backbone: Backbone) -> tuple[Backbone, Backbone]:
    """Return the frozen part and what is trained after it; both share the weights of the whole.

    Args:
        backbone: with ``frozen`` all.

    Returns:
        A backbone without gradients, whose maps can be kept, and the last ``trained_blocks`` blocks, or an
        identity where there are none; the second of the first gives what the whole gives, bit for bit. Of a
        backbone of tokens the kept map is (B, d, L, 1), L the tokens with their prefix.

    Raises:
        ConfigError: something else than all is frozen, or its blocks are not one after the other.
    """
    if backbone.frozen != "all":
        raise ConfigError(f"model.frozen must be all for maps that are kept, got {backbone.frozen}")
    if not backbone.trained_blocks:
        return backbone, backbone.part(nn.Identity(), backbone.out_channels)
    if backbone.blocks is None or not backbone.blocks.compose:
        raise ConfigError(
            "this backbone cannot be cut before its last blocks, which see more than the map before them; "
            "set model.cache_maps false, or model.trained_blocks 0"
        )
    index = len(backbone.blocks.modules) - backbone.trained_blocks
    some = next(backbone.parameters())
    with torch.no_grad():
        images = torch.zeros(1, 3, backbone.size, backbone.size, dtype=some.dtype, device=some.device)
        first, rest = backbone.blocks.cut(index, images)
        channels = first(images).shape[1]
    return backbone.part(first, channels).freeze("all"), backbone.part(rest, backbone.out_channels)


@torch.no_grad()
def map_size(backbone: Backbone, input_shape: Sequence[int]) -> tuple[int, int]:
    """Return (h, w) of the map of one input, found by computing one in evaluation mode.

    Args:
        backbone: whose mode is restored afterwards.
        input_shape: of one image, or of one kept map where the backbone is what follows a frozen part.
    """
    was_training = backbone.training
    some = next(backbone.parameters(), torch.empty(0))
    feature_map = backbone.eval()(torch.zeros(1, *input_shape, dtype=some.dtype, device=some.device))
    backbone.train(was_training)
    return feature_map.shape[2], feature_map.shape[3]


def _all_of(modules: Iterable[nn.Module]) -> set[nn.Module]:
    return {inner for module in modules for inner in module.modules()}
