"""Cross-entropies of which every entry has a power in front, small where the entry is well classified.

``labels`` are 0 or 1 and of the dtype of ``values``. Gradients are written out: left to autograd, every power
is another pass over the batch, and its slope is infinite where a probability reaches 0 or 1. So ``values`` must
be detached, and much is done in place: at (64, 80) a step costs what its operations cost to start.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Normalisation = Literal["entry", "image", "none"]

LOWEST_PROBABILITY = 1e-8
"""Below it the asymmetric losses take no logarithm: a term is at most 18.4 times its weight."""


def focal_sum(values: Tensor, labels: Tensor, gamma: float, weight: Tensor | float) -> tuple[Tensor, Tensor]:
    """Return sum of weight (1 - p_t)^gamma b, b the binary cross-entropy and p_t = exp(-b), and its gradient.

    Args:
        values: (B, C) float32 or float64, detached.
        labels: (B, C), 0 or 1.
        gamma: at least 0.
        weight: a number, or broadcasts to (B, C).

    Returns:
        A scalar, and its gradient (B, C) with respect to the values.
    """
    probability = values.sigmoid()  # (B, C)
    slope = probability - labels  # (B, C), of b; its size is 1 - p_t
    entropy = functional.binary_cross_entropy_with_logits(values, labels, reduction="none")  # (B, C)
    if gamma > 0:
        front = slope.abs().pow_(gamma).mul_(weight)  # (B, C)
        slope.addcmul_(torch.rsub(labels, 1.0).sub_(probability), entropy, value=gamma)
        return entropy.mul_(front).sum(), slope.mul_(front)
    return entropy.mul_(weight).sum(), slope.mul_(weight)


def asymmetric_sum(
    values: Tensor,
    labels: Tensor,
    positive_exponent: float,
    negative_exponent: Tensor | float,
    *,
    margin: float,
    weight: Tensor | float,
    change: Tensor | None = None,
    stop_gradient: bool,
) -> tuple[Tensor, Tensor]:
    """Return sum of weight (1 - t)^exponent log max(t, 1e-8) and its gradient.

    t = min(1, (1 + change) (p_t + margin (1 - y))), with p_t the probability given to the true label.

    Args:
        values: (B, C) float32 or float64, detached.
        labels: y (B, C), 0 or 1.
        positive_exponent: at least 0.
        negative_exponent: above 0, so that no gradient flows from where t is cut at 1; broadcasts to (B, C).
        margin: at least 0 and below 1.
        weight: a number, or broadcasts to (B, C).
        change: (B, C), at least -1, and at most 0 for positives.
        stop_gradient: whether the power is a constant of the step.

    Returns:
        A scalar, and its gradient (B, C) with respect to the values.
    """
    negatives = torch.rsub(labels, 1.0)  # (B, C)
    sign = labels - negatives  # (B, C)
    # of the signed logit: 1 - p of a confident negative would be rounding alone
    probability = torch.mul(sign, values).sigmoid_()  # (B, C), p_t
    raised = torch.add(probability, negatives, alpha=margin)  # (B, C)
    if change is not None:
        raised.addcmul_(raised, change)
        sign.addcmul_(sign, change)
    reached = raised.clamp(LOWEST_PROBABILITY, 1.0)  # (B, C), t
    logarithm, left = reached.log(), torch.rsub(reached, 1.0)  # (B, C)
    exponent = negatives.mul_(negative_exponent)  # (B, C)
    if positive_exponent > 0:
        exponent.add_(labels, alpha=positive_exponent)
    front = left.pow(exponent).mul_(weight)  # (B, C)
    # dt/dh times the slope 1/t of the logarithm, which is 0 below the lowest probability
    moved = torch.addcmul(probability, probability, probability, value=-1).mul_(sign).mul_(front)  # (B, C)
    gradient = moved / torch.threshold(raised, LOWEST_PROBABILITY, math.inf)  # (B, C)
    if not stop_gradient:
        of_power = exponent.mul_(logarithm).div_(left.clamp_(min=torch.finfo(left.dtype).tiny))  # (B, C)
        gradient.sub_(of_power.mul_(moved))
    return logarithm.mul_(front).sum(), gradient


def share_of(shape: torch.Size, normalisation: Normalisation) -> float:
    """Return by what a sum over a batch of logits is multiplied.

    Args:
        shape: (B, C).
        normalisation: ``entry`` (1/BC), ``image`` (1/B) or ``none`` (1).

    Raises:
        ValueError: it is none of them.
    """
    if normalisation == "entry":
        return 1.0 / max(shape.numel(), 1)
    if normalisation == "image":
        return 1.0 / max(shape[0], 1)
    if normalisation == "none":
        return 1.0
    raise ValueError(f"normalisation must be 'entry', 'image' or 'none', got {normalisation!r}")
