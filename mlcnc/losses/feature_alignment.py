"""L_FLA, the alignment of class-wise features with their label embedding (Eq. 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from mlcnc.directions import inverse_norms, unit_vectors
from mlcnc.errors import require_shape
from mlcnc.losses.arguments import require_floating, require_labels
from mlcnc.precision import at_least_float32, without_autocast

EPSILON = 1e-6
"""Added inside both logarithms, as in the released code."""

MIN_ARGUMENT = 1e-3
"""Below it the logarithm goes on along its tangent: gradients stay below 1 / MIN_ARGUMENT."""


def feature_alignment_loss(class_features: Tensor, label_embedding: Tensor, targets: Tensor) -> Tensor:
    """Return -(1/BC) sum [ y log((1+s)/2) + (1-y) log(1 - (C-1)/C |1/(C-1) + s|) ] (Eq. 6).

    ``s`` is the cosine of f_i^c and l_c. A positive term is 0 at s = 1, a negative one at
    s = -1/(C-1), up to -1e-6.

    Args:
        class_features: (B, C, d) float.
        label_embedding: (C, d) float, any norm.
        targets: (B, C), 0 or 1.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or C < 2.

    Source: Eq. 6 of the paper; the 1e-6 of its released code.

    Departures: cosines are clipped to [-1, 1] with their gradient kept (rounding takes 16 % of exactly
        parallel float32 pairs beyond 1), and where a logarithm's argument falls below 1e-3 its
        tangent replaces it: no term exceeds 7.91 and no gradient with respect to s exceeds 1e3. The
        cosine of a zero vector is 0, without a gradient. Computed in float32 inside autocast too.
    """
    require_shape("class_features", class_features.shape, ("B", "C", "d"))
    num_classes = class_features.shape[1]
    require_shape("label_embedding", label_embedding.shape, class_features.shape[1:], "class_features")
    require_shape("targets", targets.shape, class_features.shape[:2], "class_features")
    require_floating("class_features", class_features)
    require_floating("label_embedding", label_embedding)
    require_labels(targets)
    if num_classes < 2:
        raise ValueError(f"the alignment loss needs at least 2 classes, got {num_classes}")
    if class_features.shape[0] == 0:
        return class_features.sum() * 0.0
    with without_autocast(class_features):
        features = at_least_float32(class_features)  # (B, C, d)
        embedding = at_least_float32(label_embedding).to(features.dtype)  # (C, d)
        products = torch.linalg.vecdot(features, unit_vectors(embedding))  # (B, C)
        cosine = products * inverse_norms(features).squeeze(2)
        cosine = cosine + (cosine.clamp(-1.0, 1.0) - cosine).detach()
        optimum = 1.0 / (num_classes - 1)
        positive = _bounded_log((1.0 + cosine) / 2.0 + EPSILON)
        share = (num_classes - 1) / num_classes
        negative = _bounded_log(1.0 - share * (optimum + cosine).abs() + EPSILON)
        labels = targets.to(features.dtype)
        return -(labels * positive + (1.0 - labels) * negative).mean()


def _bounded_log(argument: Tensor) -> Tensor:
    floored = argument.clamp(min=MIN_ARGUMENT)
    return floored.log() + (argument - floored) / MIN_ARGUMENT
