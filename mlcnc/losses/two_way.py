"""L_TW, the two-way multi-label loss over samples and over classes (Eq. 11-13)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from mlcnc.errors import require_shape
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
        ValueError: shapes do not fit or an argument is out of range.

    Source: Eq. 11-13 of the paper, after Kobayashi (CVPR 2023).

    Departures: a row without a positive or without a negative contributes 0 to either sum. That is what
        Eq. 11-12 give: the empty sum is 0, its logarithm -inf, and softplus(-inf) = 0. ``all`` counts
        such rows, so a batch in which most classes are absent has a small class-wise mean; ``present``
        leaves those without a positive out, as the code does whose published values this reproduces.
        The -inf is exact here, where the released code adds -100 to masked logits, which leaks once
        logits are that large.
    """
    require_shape("logits", logits.shape, ("B", "C"))
    require_shape("targets", targets.shape, logits.shape, like="logits")
    if two_way_temperature <= 0:
        raise ValueError(f"two_way_temperature must be above 0, got {two_way_temperature}")
    if two_way_mean not in get_args(Mean):
        raise ValueError(f"two_way_mean must be 'present' or 'all', got {two_way_mean!r}")
    values = at_least_float32(logits)
    positive = targets > 0  # (B, C)
    return sum(
        (_one_way(values, positive, dim, two_way_temperature, two_way_mean) for dim in (1, 0)),
        start=values.new_zeros(()),
    )


def _one_way(values: Tensor, positive: Tensor, dim: int, temperature: float, mean: Mean) -> Tensor:
    has_positive = positive.any(dim=dim)
    usable = has_positive & (~positive).any(dim=dim)
    # a finite mask far below any logit: exp underflows to exactly 0, and no inf - inf in the gradient
    lowest = torch.finfo(values.dtype).min / 4
    negatives = values.masked_fill(positive, lowest).logsumexp(dim=dim)
    positives = (-values / temperature).masked_fill(~positive, lowest).logsumexp(dim=dim)
    total = torch.where(usable, functional.softplus(negatives + temperature * positives), 0.0).sum()
    return total / (max(len(usable), 1) if mean == "all" else has_positive.sum().clamp(min=1))
