"""CB-Focal: the focal loss with every image weighted by the effective number of its classes' images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mlcnc.losses.arguments import (
    require_class_counts,
    require_focusing,
    require_logits_and_labels,
    require_numbers,
)
from mlcnc.losses.focusing import focal_sum
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32


def class_balanced_focal_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: Tensor,
    cb_beta: float = 0.9,
    focal_gamma: float = 2.0,
    focal_scale: float = 2.0,
) -> Tensor:
    """Return (1/BC) sum s W_i (1 - p_t)^gamma b(h, y), W_i the mean weight of the image's classes.

    The weight of a class is w_c = (1 - beta) / (1 - beta^n_c), and is not normalised.

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        class_counts: (C,) training images a class, n_c, at least 1.
        cb_beta: beta, above 0 and below 1.
        focal_gamma: gamma, at least 0.
        focal_scale: s > 0.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Cui et al. (CVPR 2019) for w_c; wutong16/DistributionBalancedLoss for the multi-label form
        (average_w).

    Departures: an image without labels, 0/0 there, has the mean weight of all classes. 1 - beta^n_c is
        taken as -expm1(n_c log beta), which does not cancel for a beta near 1.
    """
    require_logits_and_labels(logits, targets)
    require_class_counts(class_counts, logits.shape[1])
    require_focusing(focal_gamma, focal_scale)
    require_numbers(above=0.0, below=1.0, cb_beta=cb_beta)
    values = at_least_float32(logits)
    labels = targets.to(values.dtype)
    of_classes = inverse_effective_numbers(class_counts.to(values.dtype), cb_beta)  # (C,)
    num_positives = labels.sum(dim=1, keepdim=True)  # (B, 1)
    of_positives = (labels * of_classes).sum(dim=1, keepdim=True) / num_positives  # (B, 1)
    weight = torch.where(num_positives > 0, of_positives, of_classes.mean())  # (B, 1)
    weight.mul_(focal_scale / max(logits.numel(), 1))
    return with_gradient(values, *focal_sum(values.detach(), labels, focal_gamma, weight))


def inverse_effective_numbers(class_counts: Tensor, beta: float) -> Tensor:
    """Return w_c = (1 - beta) / (1 - beta^n_c), (C,), one over the effective number of images of a class.

    Args:
        class_counts: (C,) float, n_c, at least 1.
        beta: above 0 and below 1.
    """
    return (beta - 1.0) / torch.expm1(class_counts * math.log(beta))
