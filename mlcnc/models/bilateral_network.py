"""BBN's network: two branches of a backbone, and one linear layer that reads both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlcnc.models.backbone import Backbone
from mlcnc.models.branches import Branches, pooled
from mlcnc.precision import without_autocast


class BilateralNetwork(nn.Module):
    """Two branches of a backbone, and one linear layer that reads their pooled features side by side.

    Args:
        backbone: gives maps (B, d, h, w).
        num_classes: C.
        branch_blocks: last blocks of the backbone that each branch has for itself.
    """

    def __init__(self, backbone: Backbone, num_classes: int, branch_blocks: int) -> None:
        super().__init__()
        self.branches = Branches(backbone, branch_blocks)
        self.classifier = nn.Linear(2 * backbone.out_channels, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Return what both branches make of the same images, side by side (B, 2d)."""
        shared = self.branches.trunk(images)
        return torch.cat([pooled(self.branches.first, shared), pooled(self.branches.second, shared)], dim=1)

    def first(self, images: Tensor) -> Tensor:
        """Return what the first branch makes of images (B, d)."""
        return pooled(self.branches.first, self.branches.trunk(images))

    def second(self, images: Tensor) -> Tensor:
        """Return what the second branch makes of images (B, d)."""
        return pooled(self.branches.second, self.branches.trunk(images))

    def logits(self, image_features: Tensor) -> Tensor:
        """Return logits (B, C) of features (B, 2d)."""
        # bfloat16 would leave images with equal scores, which no ranking tells apart
        with without_autocast(image_features):
            logits: Tensor = self.classifier(image_features)
        return logits
