"""The alignment loss of Eq. 6 with its gradient by hand, for toys without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.toys.unconstrained_features import Floats

EPSILON = 1e-6
MIN_ARGUMENT = 1e-3


def alignment_loss(
    class_features: Floats, label_embedding: Floats, targets: NDArray[np.bool_]
) -> tuple[float, Floats, Floats]:
    r"""Return the feature-label alignment loss (Eq. 6) and its gradients.

    A positive term is 0 at cosine s = 1, a negative one at s = -1/(C-1). The same numbers as
    ``mlcnc.losses``, bounded logarithm included.

    Args:
        class_features: (N, C, d), no zero vector.
        label_embedding: (C, d), no zero row.
        targets: (N, C).

    Returns:
        The loss, its gradient for the class features (N, C, d) and for the label embedding (C, d).

    Raises:
        ValueError: shapes do not fit or C < 2.

    Formula: $-\frac1{NC}\sum_{i,c}\big[y\log\frac{1+s}2+(1-y)\log(1-\frac{C-1}C|\frac1{C-1}+s|)\big]$
        with $\partial s/\partial f=(\hat l-s\hat f)/\lVert f\rVert$ and $\partial s/\partial l$ likewise.
    Source: Eq. 6 of the paper.
    """
    require_shape("class_features", class_features.shape, ("N", "C", "d"))
    number, num_classes, _ = class_features.shape
    require_shape("label_embedding", label_embedding.shape, class_features.shape[1:], like="class_features")
    require_shape("targets", targets.shape, class_features.shape[:2], like="class_features")
    if num_classes < 2:
        raise ValueError(f"the alignment loss needs at least 2 classes, got {num_classes}")
    lengths = np.sqrt(np.einsum("ncd,ncd->nc", class_features, class_features))
    directions = class_features / lengths[:, :, None]
    embedding_lengths = np.linalg.norm(label_embedding, axis=1)
    wanted = label_embedding / embedding_lengths[:, None]  # (C, d)
    cosine = np.einsum("ncd,cd->nc", directions, wanted)  # (N, C)
    best, share = 1.0 / (num_classes - 1), (num_classes - 1) / num_classes
    positive, negative = (1.0 + cosine) / 2.0 + EPSILON, 1.0 - share * np.abs(best + cosine) + EPSILON
    loss = -np.where(targets, _bounded_log(positive), _bounded_log(negative)).mean()
    slope = np.where(
        targets,
        -0.5 / np.maximum(positive, MIN_ARGUMENT),
        share * np.sign(best + cosine) / np.maximum(negative, MIN_ARGUMENT),
    ) / (number * num_classes)
    for_features = (slope / lengths)[:, :, None] * (wanted - cosine[:, :, None] * directions)
    for_embedding = np.einsum("nc,ncd->cd", slope, directions) - (slope * cosine).sum(axis=0)[:, None] * wanted
    return float(loss), for_features, for_embedding / embedding_lengths[:, None]


def _bounded_log(argument: Floats) -> Floats:
    floored = np.maximum(argument, MIN_ARGUMENT)
    bounded: Floats = np.log(floored) + (argument - floored) / MIN_ARGUMENT
    return bounded
