"""The masked binary cross-entropy of PLM, and with what probability an entry is kept."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import (
    require_class_counts,
    require_labels,
    require_logits_and_labels,
    require_values,
)
from mlcnc.precision import at_least_float32


@torch.no_grad()
def keep_probability(
    targets: Tensor, ideal_ratio: Tensor, *, class_counts: Tensor, num_images: Tensor
) -> Tensor:
    """Return min(1, r*_c / r_c) where y = 1 and min(1, r_c / r*_c) where y = 0, with r_c = n_c / N.

    Of a class with more positives than its ideal ratio positives are left out, of the others negatives.

    Args:
        targets: (B, C), 0 or 1.
        ideal_ratio: r* (C,), above 0 and at most 1.
        class_counts: n_c (C,), at least 1 and at most N.
        num_images: N ().

    Returns:
        (B, C) in the dtype of ``ideal_ratio``, without a gradient.

    Raises:
        ValueError: a shape or a value does not fit.

    Source: Duarte et al. (CVPR-W 2021), as in mamo3gr/partial_label_masking.
    """
    require_shape("targets", targets.shape, ("B", "C"))
    require_shape("ideal_ratio", ideal_ratio.shape, targets.shape[1:], like="targets")
    require_labels(targets)
    require_class_counts(class_counts, targets.shape[1], num_images)
    require_values("ideal_ratio", ideal_ratio, above=0.0, at_most=1.0)
    surplus = ideal_ratio * num_images / class_counts  # (C,) r* / r
    surplus = surplus.to(ideal_ratio.dtype)
    positive, negative = surplus.clamp(max=1.0), surplus.reciprocal().clamp(max=1.0)  # (C,)
    return torch.where(targets > 0, positive, negative)  # (B, C)


def partial_label_masking_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return (1/BC) sum of mask * [ log(1 + exp(h)) - y h ].

    Args:
        logits: h (B, C) float, raw.
        targets: y (B, C), 0 or 1.
        mask: (B, C), 1 or True where an entry is kept, 0 where it is left out; anything between is a weight:
            the probability of keeping gives the expected loss.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch or one of which nothing is kept.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or the mask is not from 0 to 1.

    Source: Duarte et al. (CVPR-W 2021), as in mamo3gr/partial_label_masking: entries that are left out
        stay in the denominator.
    """
    require_logits_and_labels(logits, targets)
    require_shape("mask", mask.shape, logits.shape, like="logits")
    require_values("mask", mask, at_least=0.0, at_most=1.0)
    values = at_least_float32(logits)
    total = functional.binary_cross_entropy_with_logits(
        values, targets.to(values.dtype), mask.to(values.dtype), reduction="sum"
    )
    return total / max(logits.numel(), 1)
