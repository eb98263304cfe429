"""DB as it was written anew in the code of MLC-NC: one weight a class, whatever the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mlcnc.losses.arguments import (
    require_balance,
    require_class_counts,
    require_co_occurrence,
    require_logits_and_labels,
    require_of_classes,
)
from mlcnc.losses.distribution_balanced import absence_log_odds, tolerant_sum
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32


def class_wise_distribution_balanced_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    class_ratios: Tensor,
    log_odds: Tensor,
    weight_floor: float = 0.1,
    weight_steepness: float = 10.0,
    weight_midpoint: float = 0.2,
    negative_scale: float = 5.0,
    shift_scale: float = 0.05,
) -> Tensor:
    """Return (1/BC) sum w_c [ y b(h', 1) + (1 - y) b(lambda h', 0) / lambda ], h' = h - nu_c.

    ``b`` is the binary cross-entropy, w_c = a + sigma(b (r_c - mu)) with r_c = (1/n_c) / sum of 1/M_kc over the
    classes k that occur with c in M_kc > 0 images, and nu_c = kappa log(1/p_c - 1) with p_c = n_c / sum n.

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        class_ratios: (C,), r_c.
        log_odds: (C,), log(1/p_c - 1); both from :func:`class_wise_statistics`, once a training set.
        weight_floor: a, at least 0.
        weight_steepness: b > 0.
        weight_midpoint: mu.
        negative_scale: lambda > 0.
        shift_scale: kappa, at least 0.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: t1neo666/AAAI25_MLC-NC, DbLoss. The DB of Table 2 is taken to be this one, not that of Wu et al.

    Departures: the sum over classes is divided by C; theirs by 200, whatever the data set. With a single
        class, nu is that of a class which all but one image have.
    """
    require_logits_and_labels(logits, targets)
    require_of_classes(logits, class_ratios=class_ratios, log_odds=log_odds)
    require_balance(weight_floor, weight_steepness, weight_midpoint, negative_scale, shift_scale)
    values = at_least_float32(logits)
    ratios = class_ratios.to(values.dtype)  # (C,)
    weight = class_wise_weights(ratios, weight_floor, weight_steepness, weight_midpoint)  # (C,)
    shift = log_odds.to(values.dtype) * shift_scale  # (C,)
    weight.mul_(1.0 / max(logits.numel(), 1))
    return with_gradient(
        values, *tolerant_sum(values.detach(), targets.to(values.dtype), weight, shift, negative_scale)
    )


def class_wise_statistics(*, class_counts: Tensor, co_occurrence: Tensor) -> dict[str, Tensor]:
    """Return what the loss takes of a training set, ``class_ratios`` (C,) and ``log_odds`` (C,), float64.

    A class that never co-occurs has an infinite ratio.

    Args:
        class_counts: (C,) training images a class before any resampling, n_c, at least 1.
        co_occurrence: M, (C, C) training images that have both classes, at least 0; the diagonal is not read.

    Raises:
        ValueError: a shape does not fit, a class has no image, or a count is negative.
    """
    require_class_counts(class_counts)
    require_co_occurrence(co_occurrence, class_counts.numel())
    inverse = torch.threshold(co_occurrence.double(), 0.0, math.inf).fill_diagonal_(math.inf).reciprocal_()
    return {
        "class_ratios": (class_counts * inverse.sum(dim=0)).reciprocal(),
        "log_odds": absence_log_odds(class_counts, class_counts.sum()),
    }


def class_wise_weights(class_ratios: Tensor, floor: float, steepness: float, midpoint: float) -> Tensor:
    """Return w_c = a + sigma(b (r_c - mu)), (C,); a + 1 for a class that never co-occurs.

    Args:
        class_ratios: (C,), r_c.
        floor, steepness, midpoint: a, b > 0 and mu.
    """
    return (steepness * class_ratios).sub_(steepness * midpoint).sigmoid_().add_(floor)
