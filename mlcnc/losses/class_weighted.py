"""RW: the mean binary cross-entropy with every class weighted by its rarity."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mlcnc.losses.arguments import require_class_counts, require_logits_and_labels, require_numbers
from mlcnc.precision import at_least_float32


def class_weighted_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: Tensor,
    num_images: Tensor,
    weight_power: float = 0.5,
) -> Tensor:
    """Return (1/BC) sum (N/n_c)^power b(h, y), b the binary cross-entropy.

    The weight of a class multiplies its positives and its negatives, and is not normalised.

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        class_counts: (C,) training images a class, n_c, at least 1 and at most N.
        num_images: (), N.
        weight_power: at least 0; 1/2 is the smooth form, 1 the inverse frequency, 0 plain training.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Wu et al. (ECCV 2020) for the square root, wutong16/DistributionBalancedLoss (ResampleLoss,
        sqrt_inv and inv).
    """
    require_logits_and_labels(logits, targets)
    require_class_counts(class_counts, logits.shape[1], num_images)
    require_numbers(at_least=0.0, weight_power=weight_power)
    values = at_least_float32(logits)
    weight = inverse_frequency_weights(class_counts.to(values.dtype), num_images, weight_power)  # (C,)
    total = functional.binary_cross_entropy_with_logits(
        values, targets.to(values.dtype), weight=weight, reduction="sum"
    )
    return total / max(logits.numel(), 1)


def inverse_frequency_weights(class_counts: Tensor, num_images: Tensor, power: float) -> Tensor:
    """Return (N/n_c)^power, (C,).

    Args:
        class_counts: (C,) float, n_c, at least 1.
        num_images: (), N.
        power: at least 0.
    """
    return (num_images / class_counts) ** power
