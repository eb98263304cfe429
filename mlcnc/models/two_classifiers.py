"""URS's network: two branches of a backbone, each with a linear layer of its own."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcnc.models.backbone import Backbone
from mlcnc.models.branches import Branches, pooled
from mlcnc.precision import without_autocast


class BranchOutput(NamedTuple):
    """Logits (B, C) of a branch, and the features (B, d) that its linear layer reads."""

    logits: Tensor
    image_features: Tensor


class TwoClassifiers(nn.Module):
    """Two branches of a backbone, each pooled and classified by itself.

    Args:
        backbone: gives maps (B, d, h, w).
        num_classes: C.
        branch_blocks: last blocks of the backbone that each branch has for itself.
    """

    def __init__(self, backbone: Backbone, num_classes: int, branch_blocks: int) -> None:
        super().__init__()
        self.branches = Branches(backbone, branch_blocks)
        self.first_classifier = nn.Linear(backbone.out_channels, num_classes)
        self.second_classifier = nn.Linear(backbone.out_channels, num_classes)

    def forward(self, images: Tensor) -> tuple[BranchOutput, BranchOutput]:
        """Return what each branch makes of the same images."""
        shared, parts = self.branches.trunk(images), self.branches
        first = _classified(self.first_classifier, pooled(parts.first, shared))
        return first, _classified(self.second_classifier, pooled(parts.second, shared))


def _classified(classifier: nn.Linear, image_features: Tensor) -> BranchOutput:
    # bfloat16 would leave images with equal scores, which no ranking tells apart
    with without_autocast(image_features):
        return BranchOutput(classifier(image_features), image_features)


def logit_of_mean_probability(logits: Tensor, other_logits: Tensor) -> Tensor:
    """Return the logit of (sigma(h) + sigma(g)) / 2, exact where both probabilities round to 0 or 1.

    Args:
        logits, other_logits: h and g, of one shape, float.

    Example:
        >>> logit_of_mean_probability(torch.tensor([0.0, 300.0]), torch.tensor([0.0, 300.0])).tolist()
        [0.0, 300.0]
    """
    present = torch.logaddexp(functional.logsigmoid(logits), functional.logsigmoid(other_logits))
    absent = torch.logaddexp(functional.logsigmoid(-logits), functional.logsigmoid(-other_logits))
    return present - absent
