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
    # lowest - lowest is exactly 0
    positives = torch.rsub(labels, lowest, alpha=lowest).sub_(constant, alpha=1 / two_way_temperature)
    scores = torch.stack([negatives, positives])  # (2, B, C), h and -h/T
    of_images, of_classes = scores.softmax(dim=2), scores.softmax(dim=1)  # (2, B, C)
    # the rows of both ways side by side, for a step costs what its operations cost to start
    highest = torch.cat([scores.amax(dim=2), scores.amax(dim=1)], dim=1)  # (2, B + C)
    # the largest share of a softmax is exp(largest score - logsumexp)
    largest = torch.cat([of_images.amax(dim=2), of_classes.amax(dim=1)], dim=1)  # (2, B + C)
    of_negatives, of_positives = highest.sub_(largest.log_()).unbind()  # (B + C), logarithms of sums
    # without a positive or without a negative it is as low as the mask: softplus and slope are exactly 0
    inner = torch.add(of_negatives, of_positives, alpha=two_way_temperature)  # (B + C)
    weight = _weights(of_positives, values.shape, lowest, two_way_mean)  # (B + C)
    slope_of_images, slope_of_classes = inner.sigmoid().mul_(weight).split_with_sizes(values.shape)  # (B), (C)
    gradient = torch.sub(*of_images.unbind()).mul_(slope_of_images.unsqueeze(1))  # (B, C)
    gradient.addcmul_(torch.sub(*of_classes.unbind()), slope_of_classes)
    return with_gradient(values, functional.softplus(inner).dot(weight), gradient)


def _weights(of_positives: Tensor, shape: torch.Size, lowest: float, mean: Mean) -> Tensor:
    """Return what every row's term is multiplied by, (B + C): one over the rows that a mean is over.

    Args:
        of_positives: (B + C), logarithms of sums, as low as the mask where there is none.
        shape: (B, C).
        lowest: the mask.
    """
    # equal scores for rows that count and far lower ones for the others; where none counts every term is 0
    counted = torch.zeros_like(of_positives) if mean == "all" else of_positives.clamp(max=lowest / 2)
    return torch.cat([part.softmax(dim=0) for part in counted.split_with_sizes(shape)])
