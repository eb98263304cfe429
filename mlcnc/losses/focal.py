"""Focal loss: the binary cross-entropy with well classified entries turned down."""

from __future__ import annotations

from torch import Tensor

from mlcnc.losses.arguments import require_focusing, require_logits_and_labels
from mlcnc.losses.focusing import focal_sum
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32


def focal_loss(
    logits: Tensor, targets: Tensor, *, focal_gamma: float = 2.0, focal_scale: float = 2.0
) -> Tensor:
    """Return (1/BC) sum s (1 - p_t)^gamma b(h, y), b the binary cross-entropy and p_t = exp(-b).

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        focal_gamma: gamma, at least 0; 0 gives s times the binary cross-entropy.
        focal_scale: s > 0.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Lin et al. (ICCV 2017); wutong16/DistributionBalancedLoss for the scale. No alpha balances
        positives against negatives. The gradient flows through the power.
    """
    require_logits_and_labels(logits, targets)
    require_focusing(focal_gamma, focal_scale)
    values = at_least_float32(logits)
    weight = focal_scale / max(logits.numel(), 1)
    return with_gradient(values, *focal_sum(values.detach(), targets.to(values.dtype), focal_gamma, weight))
