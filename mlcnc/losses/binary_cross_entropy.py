"""The mean binary cross-entropy over images and classes, the loss of plain training (ERM)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mlcnc.losses.arguments import require_logits_and_labels
from mlcnc.precision import at_least_float32


def binary_cross_entropy_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return (1/BC) sum [ log(1 + exp(h)) - y h ].

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1; anything between is a soft label.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch. Images and classes without a
        positive count like all others.

    Raises:
        ValueError: a shape or dtype does not fit, or a label is not between 0 and 1.

    Source: the multi-label soft margin loss, as in wutong16/DistributionBalancedLoss.
    """
    require_logits_and_labels(logits, targets, soft=True)
    values = at_least_float32(logits)
    labels = targets.to(values.dtype)
    total = functional.binary_cross_entropy_with_logits(values, labels, reduction="sum")
    return total / max(logits.numel(), 1)
