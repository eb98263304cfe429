"""L_FPC, the collapse calibration of projected features towards their class mean (Eq. 9)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mlcnc.directions import unit_vectors
from mlcnc.errors import require_shape
from mlcnc.losses.arguments import require_floating, require_labels, require_numbers
from mlcnc.precision import at_least_float32, without_autocast

Normalisation = Literal["image", "pair"]


def collapse_calibration_loss(
    projected_features: Tensor,
    class_means: Tensor,
    targets: Tensor,
    *,
    seen: Tensor | None = None,
    positive_temperature: float = 0.5,
    contrast_temperature: float = 0.5,
    normalisation: Normalisation = "image",
) -> Tensor:
    """Return -(1/B) sum over positives of log[ exp(S_cc/tau_1) / sum_k exp(S_ck/tau_2) ] (Eq. 9).

    ``S_ck`` is the cosine of mu_i^c and the mean of class k from the epoch before.

    Args:
        projected_features: (B, C, p) float, any norm.
        class_means: (C, p), any norm; a constant, no gradient flows into it.
        targets: (B, C), 0 or 1.
        seen: (C,) bool, classes whose mean exists; the others leave both sums. None: all.
        positive_temperature: tau_1 > 0, of the numerator.
        contrast_temperature: tau_2 > 0, of the denominator.
        normalisation: divide by the images (``image``, paper) or by the positive pairs that entered
            (``pair``, released code).

    Returns:
        Scalar, float32 at least; 0 with a gradient where no positive of a seen class is in the batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Departures: the cosine of a zero vector is 0, without a gradient. Computed in float32 inside
        autocast too.

    Source: Eq. 9 of the paper; t1neo666/AAAI25_MLC-NC for the division by pairs.
    """
    require_shape("projected_features", projected_features.shape, ("B", "C", "p"))
    require_shape("class_means", class_means.shape, projected_features.shape[1:], "projected_features")
    require_shape("targets", targets.shape, projected_features.shape[:2], "projected_features")
    require_floating("projected_features", projected_features)
    require_floating("class_means", class_means)
    require_labels(targets)
    require_numbers(
        above=0.0, positive_temperature=positive_temperature, contrast_temperature=contrast_temperature
    )
    if normalisation not in ("image", "pair"):
        raise ValueError(f"normalisation must be 'image' or 'pair', got {normalisation!r}")
    features = at_least_float32(projected_features)  # (B, C, p)
    usable = targets > 0  # (B, C)
    if seen is not None:
        require_shape("seen", seen.shape, (targets.shape[1],), "targets")
        if seen.dtype != torch.bool:
            raise ValueError(f"seen must hold booleans, got {seen.dtype}; convert it with .bool()")
        usable = usable & seen
    with without_autocast(features):
        means = unit_vectors(class_means.detach().to(features.dtype))  # (C, p)
        cosine = unit_vectors(features) @ means.T  # (B, C, C), of image and class with every mean
    own = cosine.diagonal(dim1=1, dim2=2) / positive_temperature  # (B, C)
    contrast = cosine / contrast_temperature  # (B, C, C)
    if seen is not None:
        # finite, so that no gradient is inf - inf where nothing is seen; exp of it is exactly 0 elsewhere
        contrast = contrast.masked_fill(~seen, torch.finfo(contrast.dtype).min)
    losses = contrast.logsumexp(dim=2) - own  # (B, C)
    total = torch.where(usable, losses, 0.0).sum()
    # every pair is computed and masked: how many positives there are is known on the device only
    return total / (max(len(targets), 1) if normalisation == "image" else usable.sum().clamp(min=1))
