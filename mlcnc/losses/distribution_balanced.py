"""DB and DB-Focal: weights against the co-occurrence of labels, and tolerance towards negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from mlcnc.losses.arguments import (
    require_balance,
    require_class_counts,
    require_focusing,
    require_logits_and_labels,
    require_of_classes,
)
from mlcnc.losses.focusing import focal_sum
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32


def distribution_balanced_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    class_rarities: Tensor,
    log_odds: Tensor,
    weight_floor: float = 0.1,
    weight_steepness: float = 10.0,
    weight_midpoint: float = 0.3,
    negative_scale: float = 5.0,
    shift_scale: float = 0.05,
    focal_gamma: float = 0.0,
    focal_scale: float = 1.0,
) -> Tensor:
    """Return (1/BC) sum w_ic [ y b(h', 1) + (1 - y) b(lambda h', 0) / lambda ], h' = h - nu_c.

    ``b`` is the binary cross-entropy, w_ic = a + sigma(b (r_ic - mu)) with r_ic = (1/n_c) / sum_j y_ij / n_j,
    and nu_c = (kappa/lambda) log(N/n_c - 1). DB-Focal puts s (1 - p_t)^gamma in front of every entry, p_t of
    the transformed logit.

    Args:
        logits: (B, C) float, raw; they are not changed.
        targets: (B, C), 0 or 1.
        class_rarities: (C,), 1/n_c.
        log_odds: (C,), log(N/n_c - 1); both from :func:`distribution_balanced_statistics`, once a training set.
        weight_floor: a, at least 0.
        weight_steepness: b > 0.
        weight_midpoint: mu.
        negative_scale: lambda > 0; with 1, and kappa 0, the loss is R-BCE: weights alone.
        shift_scale: kappa, at least 0.
        focal_gamma: gamma, at least 0; 2 for DB-Focal.
        focal_scale: s > 0; 2 for DB-Focal.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Wu et al. (ECCV 2020), wutong16/DistributionBalancedLoss. The paper's nu is not divided by
        lambda, its code's is, and so is this one. Defaults are those of VOC-LT; COCO-LT has mu 0.2 and
        lambda 2.

    Departures: logits are not shifted in place. A class that every image has counts as though one lacked it.
    """
    require_logits_and_labels(logits, targets)
    require_of_classes(logits, class_rarities=class_rarities, log_odds=log_odds)
    require_balance(weight_floor, weight_steepness, weight_midpoint, negative_scale, shift_scale)
    require_focusing(focal_gamma, focal_scale)
    values = at_least_float32(logits)
    labels = targets.to(values.dtype)
    rarities = class_rarities.to(values.dtype)  # (C,)
    weight = rebalanced_weights(labels, rarities, weight_floor, weight_steepness, weight_midpoint)  # (B, C)
    shift = log_odds.to(values.dtype) * (shift_scale / negative_scale)  # (C,)
    weight.mul_(focal_scale / max(logits.numel(), 1))
    return with_gradient(
        values, *tolerant_sum(values.detach(), labels, weight, shift, negative_scale, focal_gamma)
    )


def distribution_balanced_statistics(*, class_counts: Tensor, num_images: Tensor) -> dict[str, Tensor]:
    """Return what the loss takes of a training set, ``class_rarities`` (C,) and ``log_odds`` (C,), float64.

    Args:
        class_counts: (C,) training images a class before any resampling, n_c, at least 1 and at most N.
        num_images: (), N.

    Raises:
        ValueError: a shape does not fit, a class has no image, or one has more than there are.
    """
    require_class_counts(class_counts, num_images=num_images)
    return {
        "class_rarities": class_counts.double().reciprocal(),
        "log_odds": absence_log_odds(class_counts, num_images),
    }


def rebalanced_weights(
    targets: Tensor, class_rarities: Tensor, floor: float, steepness: float, midpoint: float
) -> Tensor:
    """Return w_ic = a + sigma(b (r_ic - mu)), (B, C), with r_ic = (1/n_c) / sum_j y_ij / n_j.

    ``r`` compares how often the class alone would draw the image with how often all its classes do. An
    image without labels has r infinite, and so the weight a + 1 for every class.

    Args:
        targets: (B, C) float, 0 or 1.
        class_rarities: (C,), 1/n_c, of the dtype of the targets.
        floor, steepness, midpoint: a, b > 0 and mu.
    """
    drawn = (targets * class_rarities).sum(dim=1, keepdim=True)  # (B, 1)
    ratio = steepness * class_rarities / drawn  # (B, C), b r
    return ratio.sub_(steepness * midpoint).sigmoid_().add_(floor)


def absence_log_odds(class_counts: Tensor, num_images: Tensor) -> Tensor:
    """Return log(N/n_c - 1), (C,) float64, by multiples of which logits are lowered.

    Args:
        class_counts: (C,), n_c, at least 1 and at most N.
        num_images: (), N.

    Departures: a class that every image has, -inf there, counts as though one image lacked it.
    """
    return ((num_images - class_counts).double().clamp(min=1.0) / class_counts).log()


def tolerant_sum(
    values: Tensor, labels: Tensor, weight: Tensor, shift: Tensor, negative_scale: float, gamma: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return sum w [ y f(h', 1) + (1 - y) f(lambda h', 0) / lambda ], h' = h - nu, and its gradient.

    f = (1 - p_t)^gamma b, with b the binary cross-entropy and p_t = exp(-b).

    Args:
        values: (B, C) float32 or float64, detached.
        labels: (B, C), 0 or 1, of the dtype of the values.
        weight: w, broadcasts to (B, C).
        shift: nu, (C,).
        negative_scale: lambda > 0.
        gamma: at least 0.

    Returns:
        A scalar, and its gradient (B, C) with respect to the values.
    """
    # 1 for positives
    scale = torch.rsub(labels, negative_scale, alpha=negative_scale - 1.0)  # (B, C)
    transformed = (values - shift) * scale  # (B, C)
    total, gradient = focal_sum(transformed, labels, gamma, weight / scale)
    return total, gradient.mul_(scale)
