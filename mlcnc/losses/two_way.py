"""L_TW, the two-way multi-label loss over samples and over classes (Eq. 11-13)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlcnc.errors import require_shape
from mlcnc.losses.precision import at_least_float32


def two_way_loss(logits: Tensor, targets: Tensor, *, two_way_temperature: float = 4.0) -> Tensor:
    """Return the mean sample-wise plus the mean class-wise loss (Eq. 13).

    Each is softplus[ logsumexp over negatives of h + T logsumexp over positives of -h/T ], along the
    classes of a sample (Eq. 11) or the samples of a class (Eq. 12).

    Args:
        logits: (B, C) float, raw.
        targets: (B, C), 0 or 1.
        two_way_temperature: T > 0, on the positives.

    Returns:
        Scalar, float32 at least; 0 with a gradient where nothing is defined.

    Raises:
        ValueError: shapes do not fit or T <= 0.

    Source: Eq. 11-13 of the paper, after Kobayashi (CVPR 2023).

    Departures: a sample without a positive and a class without a positive in the batch leave their
        mean (as in the released code, whose published values this reproduces). Rows without a
        negative contribute 0, the limit of Eq. 11-12: the empty sum is exactly -inf here, where the
        released code adds -100 to masked logits, which leaks once logits are that large.
    """
    require_shape("logits", logits.shape, ("B", "C"))
    require_shape("targets", targets.shape, logits.shape, like="logits")
    if two_way_temperature <= 0:
        raise ValueError(f"two_way_temperature must be above 0, got {two_way_temperature}")
    values = at_least_float32(logits)
    positive = targets > 0  # (B, C)
    return sum(
        (_one_way(values, positive, dim, two_way_temperature) for dim in (1, 0)),
        start=values.new_zeros(()),
    )


def _one_way(values: Tensor, positive: Tensor, dim: int, temperature: float) -> Tensor:
    usable = positive.any(dim=dim) & (~positive).any(dim=dim)
    # a finite mask far below any logit: exp underflows to exactly 0, and no inf - inf in the gradient
    lowest = torch.finfo(values.dtype).min / 4
    negatives = values.masked_fill(positive, lowest).logsumexp(dim=dim)
    positives = (-values / temperature).masked_fill(~positive, lowest).logsumexp(dim=dim)
    terms = functional.softplus(negatives + temperature * positives)
    counted = positive.any(dim=dim)
    total = torch.where(usable, terms, torch.zeros_like(terms)).sum() + values.sum() * 0.0
    return total / counted.sum().clamp(min=1)
