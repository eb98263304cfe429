"""MFM, the multi-focal modifier: powers by label, class and co-occurrence with the image's labels."""

from __future__ import annotations

import torch
from torch import Tensor

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import (
    require_asymmetry,
    require_class_counts,
    require_co_occurrence,
    require_logits_and_labels,
    require_of_classes,
)
from mlcnc.losses.focusing import Normalisation, asymmetric_sum, share_of
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32, without_autocast

MORE_FOR_RELATED = 0.2
"""Negatives that co-occur with a label of the image are believed by so much more."""
LEAST_SUM = 1e-30
"""Of shares: their sums are 0 or far above it."""


def multi_focal_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    class_weights: Tensor,
    label_shares: Tensor,
    negative_gamma: float = 3.0,
    positive_gamma: float = 0.0,
    margin: float = 0.05,
    stop_gradient: bool = True,
    normalisation: Normalisation = "entry",
) -> Tensor:
    """Return -sum w_c [ y (1-P)^{g+} log max(P, e) + (1-y) (1-Q)^{g- + w_c} log max(Q, e) ].

    With p the sigmoid of a logit and e = 1e-8: P = p (1 - A), Q = min(1, 1 - p + m), and min(1, 1.2 Q) where
    A > 0. w_c = (1 - log(n_c / n_max))^(1/3). A of an image and a class: the columns of the co-occurrence are
    divided by their sums; the mean of the rows of the image's labels, divided by its own sum, is A.

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        class_weights: (C,), w_c.
        label_shares: (C, C), the co-occurrence with columns divided by their sums; both from
            :func:`multi_focal_statistics`, once a training set.
        negative_gamma: g-, at least 0.
        positive_gamma: g+, at least 0.
        margin: m, at least 0 and below 1.
        stop_gradient: whether the powers are constants of the step, as in COMIC; if not, the gradient
            flows through them too, as in MLC-NC.
        normalisation: divide the sum by images times classes (``entry``), by the images (``image``), or
            by nothing (``none``, paper), where it grows with the batch.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch. P stays below 1 - A: a positive that
        co-occurs with the image's other labels keeps a loss of at least -w_c A^{g+} log(1 - A).

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Zhang et al. (ICCV 2023), wannature/COMIC; the same loss in t1neo666/AAAI25_MLC-NC.

    Departures: the mean of entries is the default, theirs is the sum. Where A is 0/0 there, it is 0.
    """
    require_logits_and_labels(logits, targets)
    require_of_classes(logits, class_weights=class_weights)
    require_shape("label_shares", label_shares.shape, 2 * logits.shape[1:], like="logits")
    require_asymmetry(negative_gamma, positive_gamma, margin)
    values = at_least_float32(logits)
    labels = targets.to(values.dtype)
    weight = class_weights.to(values.dtype)  # (C,)
    affinity = label_affinity(labels, label_shares.to(values.dtype))  # (B, C)
    change = torch.lerp(affinity.sign().mul_(MORE_FOR_RELATED), affinity.neg_(), labels)  # (B, C), of P and Q
    total, gradient = asymmetric_sum(
        values.detach(),
        labels,
        positive_gamma,
        negative_gamma + weight,
        margin=margin,
        change=change,
        weight=-share_of(logits.shape, normalisation) * weight,
        stop_gradient=stop_gradient,
    )
    return with_gradient(values, total, gradient)


def multi_focal_statistics(*, class_counts: Tensor, co_occurrence: Tensor) -> dict[str, Tensor]:
    """Return what the loss takes of a training set, ``class_weights`` (C,) and ``label_shares`` (C, C).

    A class that never co-occurs has shares 0. Both are float64.

    Args:
        class_counts: (C,) training images a class, n_c, at least 1.
        co_occurrence: (C, C) training images that have both classes, at least 0; the diagonal is not read.

    Raises:
        ValueError: a shape does not fit, a class has no image, or a count is negative.
    """
    require_class_counts(class_counts)
    require_co_occurrence(co_occurrence, class_counts.numel())
    together = co_occurrence.to(torch.float64, copy=True).fill_diagonal_(0.0)  # (C, C)
    # sums of counts are 0 or at least 1
    shares = together / together.sum(dim=0).clamp(min=1.0)  # (C, C)
    return {"class_weights": head_to_tail_weights(class_counts.double()), "label_shares": shares}


def head_to_tail_weights(class_counts: Tensor) -> Tensor:
    """Return w_c = (1 - log(n_c / n_max))^(1/3), (C,): 1 for the largest class.

    Args:
        class_counts: (C,) float, n_c, at least 1.
    """
    return (1.0 - (class_counts / class_counts.max()).log()) ** (1 / 3)


def label_affinity(targets: Tensor, label_shares: Tensor) -> Tensor:
    """Return A (B, C), how much of the co-occurrence with an image's labels falls on every class.

    The rows of an image's labels are added and divided by their sum. An image without labels, or whose
    labels never co-occur, has A = 0.

    Args:
        targets: (B, C) float, 0 or 1.
        label_shares: (C, C), of the dtype of the targets.
    """
    with without_autocast(targets):
        affinity = targets @ label_shares  # (B, C)
    return affinity.div_(affinity.sum(dim=1, keepdim=True).clamp_(min=LEAST_SUM))
