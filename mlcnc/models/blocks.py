"""The blocks of a backbone in their order: what is frozen, what is trained, and where it can be cut."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["NCHW", "NHWC", "NLC"]
"""Order of the axes between blocks: batch, channels, height, width; L is a list of tokens."""


@dataclass(frozen=True)
class Blocks:
    """What a backbone is made of, in order; a residual block, a transformer block or a convolution each.

    Args:
        modules: the blocks; the stem is the first, a final norm belongs to the last.
        layout: order of the axes between them.
        prefix_tokens: with ``NLC``, so many tokens before those of the image.
        compose: whether one after the other they are the backbone, so that it can be cut between them.
    """

    modules: tuple[nn.Module, ...]
    layout: Layout = "NCHW"
    prefix_tokens: int = 0
    compose: bool = True

    def cut(self, index: int, images: Tensor) -> tuple[nn.Sequential, nn.Sequential]:
        """Return the blocks before ``index``, and the others, which make the backbone's map of what those give.

        Between them lies a map (B, d, h, w); of a list of tokens it is (B, d, L, 1).

        Args:
            index: from 0.
            images: (B, 3, H, W) on which the layout at the cut is tried; in some networks it changes.
        """
        first, rest = self.modules[:index], self.modules[index:]
        values = nn.Sequential(*first).eval()(images)
        layout: Layout = "NLC" if values.ndim == 3 else "NCHW"
        if values.ndim == 4 and self.layout == "NHWC" and index:
            layout = "NHWC"
        last = FinalMap(self.layout, self.prefix_tokens)
        return nn.Sequential(*first, ToMap(layout)), nn.Sequential(FromMap(layout), *rest, last)


class ToMap(nn.Module):
    """What lies between blocks as (B, d, h, w), tokens as (B, d, L, 1)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, values: Tensor) -> Tensor:
        """Return the map."""
        if self.layout == "NLC":
            return values.transpose(1, 2)[..., None]  # (B, d, L, 1)
        return values.permute(0, 3, 1, 2) if self.layout == "NHWC" else values


class FromMap(nn.Module):
    """The inverse of :class:`ToMap`."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return it as it lies between blocks."""
        if self.layout == "NLC":
            return feature_map[..., 0].transpose(1, 2).contiguous()  # (B, L, d)
        return feature_map.permute(0, 2, 3, 1) if self.layout == "NHWC" else feature_map


class FinalMap(nn.Module):
    """The map (B, d, h, w) of what the last block gives: tokens of a square, without the prefix.

    Args:
        layout: of the last block.
        prefix_tokens: how many tokens stand before those of the image.
    """

    def __init__(self, layout: Layout, prefix_tokens: int = 0) -> None:
        super().__init__()
        self.layout = layout
        self.prefix_tokens = prefix_tokens

    def forward(self, values: Tensor) -> Tensor:
        """Return the map."""
        if self.layout == "NLC":
            values = values[:, self.prefix_tokens :]  # (B, h * w, d)
            side = math.isqrt(values.shape[1])
            return values.transpose(1, 2).reshape(len(values), -1, side, side)  # (B, d, h, w)
        return values.permute(0, 3, 1, 2) if self.layout == "NHWC" else values


def pieces(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield the modules in order, with sequences and lists taken apart."""
    for module in modules:
        if isinstance(module, nn.Sequential | nn.ModuleList):
            yield from pieces(module)
        else:
            yield module


def parts_of_stage(stage: nn.Module, values: Tensor) -> list[nn.Module]:
    """Return the blocks of a stage where in order they make of ``values`` what it makes, else itself.

    Args:
        stage: a module of any kind; those that are called a stage are taken apart.
        values: what it is given.
    """
    children = dict(stage.named_children())
    if not type(stage).__name__.endswith("Stage") or not children:
        return [stage]
    blocks = children.pop("blocks", None)
    parts = list(pieces(children.values() if blocks is None else [blocks]))
    if blocks is not None:
        # what makes the map smaller belongs to the block that sees it first
        parts[0] = nn.Sequential(*children.values(), parts[0])
    try:
        same = torch.equal(nn.Sequential(*parts)(values), stage(values))
    except Exception:  # it passes on more than the map
        same = False
    return parts if same else [stage]


def grouped(modules: Sequence[nn.Module]) -> tuple[nn.Module, ...]:
    """Return blocks of modules in order: a norm, an activation or a pooling goes with what is before it."""
    groups: list[list[nn.Module]] = []
    for module in modules:
        if groups and (_is_norm(module) or next(module.parameters(), None) is None):
            groups[-1].append(module)
        else:
            groups.append([module])
    return tuple(group[0] if len(group) == 1 else nn.Sequential(*group) for group in groups)


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) or "Norm" in type(module).__name__


def count_at_stride(modules: Sequence[nn.Module], layout: Layout, size: int, stride: int) -> int:
    """Return how many of the first blocks give maps of at most ``stride`` pixels a position, at least one.

    Args:
        modules: of the backbone, in order.
        layout: between them.
        size: side of the images, in pixels.
        stride: 4 is that of stem and first stage of a ResNet.
    """
    values, count = torch.zeros(1, 3, size, size), 0
    with torch.no_grad():
        for count, module in enumerate(modules):
            values = module(values)
            if layout == "NLC" or values.shape[3 if layout == "NCHW" else 2] * stride < size:
                return max(count, 1)
    return max(count, 1)
