"""L_TW, the two-way multi-label loss over samples and over classes (Eq. 11-13)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from mlcnc.losses.arguments import require_logits_and_labels, require_numbers
from mlcnc.losses.known_gradient import with_gradient
from mlcnc.precision import at_least_float32

Mean = Literal["present", "all"]


def two_way_loss(
    logits: Tensor, targets: Tensor, *, two_way_temperature: float = 4.0, two_way_mean: Mean = "present"
) -> Tensor:
    """Return the mean sample-wise plus the mean class-wise loss (Eq. 13).

    Each is softplus[ logsumexp over negatives of h + T logsumexp over positives of -h/T ], along the
    classes of a sample (Eq. 11) or the samples of a class (Eq. 12).

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        two_way_temperature: T > 0, on the positives.
        two_way_mean: what both sums are divided by: the rows with a positive in the batch (``present``,
            released code), or all of them (``all``, Eq. 13 to the letter: 1/M and 1/C).

    Returns:
        Scalar, float32 at least; 0 with a gradient where nothing is defined.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Eq. 11-13 of the paper, after Kobayashi (CVPR 2023), tk1980/TwoWayMultiLabelLoss.

    Departures: a row without a positive or without a negative contributes 0 to either sum. That is what
        Eq. 11-12 give: the empty sum is 0, its logarithm -inf, and softplus(-inf) = 0. ``all`` counts
        such rows, so a batch in which most classes are absent has a small class-wise mean; ``present``
        leaves those without a positive out, as the code does whose published values this reproduces.
        The -inf is exact here, where the released code adds -100 to masked logits, which leaks once
        logits are that large.
    """
    require_logits_and_labels(logits, targets)
    require_numbers(above=0.0, two_way_temperature=two_way_temperature)
    if two_way_mean not in get_args(Mean):
        raise ValueError(f"two_way_mean must be 'present' or 'all', got {two_way_mean!r}")
    values = at_least_float32(logits)
    if values.numel() == 0:
        return values.sum()
    labels = targets.to(values.dtype)
    # a finite mask far below any logit: exp underflows to exactly 0, and no inf - inf anywhere
    lowest = torch.finfo(values.dtype).min / 4
    constant = values.detach()  # (B, C): the gradient is written out
    negatives = torch.add(constant, labels, alpha=lowest)  # (B, C), h
    positives = (1.0 - labels).mul_(lowest).sub_(constant, alpha=1 / two_way_temperature)  # (B, C), -h/T
    scores = torch.stack([negatives, positives])  # (2, B, C)
    of_images, gradient = _one_way(scores, 1, lowest, two_way_temperature, two_way_mean)
    of_classes, class_gradient = _one_way(scores, 0, lowest, two_way_temperature, two_way_mean)
    return with_gradient(values, of_images.add_(of_classes), gradient.add_(class_gradient))


def _one_way(scores: Tensor, dim: int, lowest: float, temperature: float, mean: Mean) -> tuple[Tensor, Tensor]:
    """Return the mean along a dimension of the batch and its gradient with respect to the logits, (B, C).

    Args:
        scores: (2, B, C), h of the negatives and -h/T of the positives.
        lowest: what was added to the scores of the others.
    """
    shares = scores.softmax(dim=dim + 1)  # (2, B, C)
    highest = scores.amax(dim=dim + 1)  # (2, rows)
    # the largest share of a softmax is exp(largest score - logsumexp)
    sums = highest - shares.amax(dim=dim + 1).log_()  # (2, rows), logarithms
    # without a positive or without a negative it is as low as the mask: softplus and slope are exactly 0
    inner = torch.add(sums[0], sums[1], alpha=temperature)  # (rows)
    rows = len(inner) if mean == "all" else (sums[1] > lowest / 2).sum(dtype=scores.dtype).clamp_(min=1.0)
    slope = inner.sigmoid().div_(rows).unsqueeze(dim)  # (rows) beside the others
    return functional.softplus(inner).sum() / rows, (shares[0] - shares[1]).mul_(slope)
