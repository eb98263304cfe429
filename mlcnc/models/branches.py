"""A backbone that ends in two branches: one trunk, and its last blocks twice."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mlcnc.errors import ConfigError
from mlcnc.models.backbone import Backbone
from mlcnc.models.blocks import FromMap
from mlcnc.precision import at_least_float32, without_autocast


class Branches(nn.Module):
    """The trunk of a backbone, and two branches that both begin as its last blocks.

    The first branch is made of the backbone's own blocks, the second of copies of them; what stays still in the
    backbone stays still in both.

    Args:
        backbone: whose blocks are known. Of cached maps (B, d, h, w), what is trained after them is the branch
            and there is no trunk; without them the last blocks are, whichever of them are trained.
        num_blocks: so many last blocks are a branch.

    Raises:
        ConfigError: nothing of a branch would be trained, or its blocks are too few or cannot be told.
    """

    def __init__(self, backbone: Backbone, num_blocks: int) -> None:
        super().__init__()
        self.trunk: nn.Module
        if isinstance(next(iter(backbone.layers.children()), None), FromMap):
            self.trunk, self.first = nn.Identity(), backbone
        else:
            self.trunk, self.first = _cut(backbone, num_blocks)
        if not any(parameter.requires_grad for parameter in self.first.parameters()):
            raise ConfigError(
                "two branches of which nothing is trained would stay the same; set model.trained_blocks at "
                "least 1, or another model.frozen"
            )
        self.second = copy.deepcopy(self.first)
        self.out_channels = backbone.out_channels


def pooled(branch: nn.Module, shared: Tensor) -> Tensor:
    """Return the mean over the map of a branch (B, d), float32 at least.

    Args:
        branch: one of :class:`Branches`.
        shared: what the trunk gives.
    """
    feature_map: Tensor = branch(shared)  # (B, d, h, w)
    with without_autocast(feature_map):
        return at_least_float32(feature_map).mean(dim=(2, 3))  # (B, d)


def _cut(backbone: Backbone, num_blocks: int) -> tuple[nn.Module, Backbone]:
    blocks = backbone.blocks
    if not any(parameter.requires_grad for parameter in backbone.parameters()):
        return nn.Identity(), backbone  # refused, whatever its blocks are
    if blocks is None or not blocks.compose:
        raise ConfigError(
            "the last blocks of this backbone cannot be told from the rest, and each branch needs its own; "
            "choose another model.backbone, or another method"
        )
    if num_blocks > len(blocks.modules):
        raise ConfigError(
            f"method.branch_blocks must be at most {len(blocks.modules)}, the blocks of this backbone, "
            f"got {num_blocks}"
        )
    some = next(backbone.parameters())
    with torch.no_grad():
        images = torch.zeros(1, 3, backbone.size, backbone.size, dtype=some.dtype, device=some.device)
        trunk, branch = blocks.cut(len(blocks.modules) - num_blocks, images)
        channels = trunk(images).shape[1]
    return backbone.part(trunk, channels), backbone.part(branch, backbone.out_channels)
