"""NC2, the geometry of the class means: pairwise angles and the distance to a simplex ETF.

Always name the centring beside an angle. Centred by their own mean (``class``), means of equal norm
have a mean cosine of exactly -1/(C-1) whatever their geometry; only spread, minimum and Gram
distance say anything then. Uncentred (``none``) is the parity value for Figure 3 of MLC-NC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.variability import _numpy

Array = Any
Centring = Literal["none", "class"]
CENTRINGS: tuple[Centring, ...] = ("none", "class")


@dataclass(frozen=True)
class AngleSummary:
    """Statistics over the pairs i < j of classes that have a positive; degrees.

    Attributes:
        mean: mean angle. Under ``class`` centring an identity for equal norms: never rank by it.
        minimum: smallest angle.
        maximum: largest angle.
        std: standard deviation over pairs (divisor: number of pairs).
        closest_pair: class indices of the smallest angle, or None.
        num_classes: how many classes entered.
    """

    mean: float
    minimum: float
    maximum: float
    std: float
    closest_pair: tuple[int, int] | None
    num_classes: int


def centred_class_means(class_means: Array, centring: Centring) -> NDArray[np.float64]:
    """Return the (C, d) class means minus nothing (``none``) or minus their mean (``class``).

    Raises:
        ValueError: an unknown centring.
    """
    means = _numpy(class_means)
    if centring == "none":
        return means
    if centring == "class":
        present = ~np.isnan(means).any(axis=1)
        return means - means[present].mean(axis=0) if present.any() else means
    raise ValueError(f"centring must be one of {CENTRINGS}, got {centring!r}")


def pairwise_angles(class_means: Array, *, centring: Centring) -> NDArray[np.float64]:
    """Return the (C, C) angles between class means in degrees.

    Args:
        class_means: (C, d); rows of NaN for classes without a positive.
        centring: ``none`` or ``class``.

    Returns:
        (C, C) float64 in [0, 180], diagonal 0; NaN for empty classes and for means of norm zero.

    Example:
        >>> pairwise_angles(np.array([[1.0, 0.0], [0.0, 2.0]]), centring="none")[0, 1].item()
        90.0
    """
    means = centred_class_means(class_means, centring)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    unit = means / np.where(norms > 0, norms, np.nan)
    angles: NDArray[np.float64] = np.degrees(np.arccos(np.clip(unit @ unit.T, -1.0, 1.0)))
    # arccos turns a cosine of 1 - 1e-16 into 1e-8 degrees; the angle with itself is exactly 0
    np.fill_diagonal(angles, np.where(np.isnan(unit).any(axis=1), np.nan, 0.0))
    return angles


def angle_summary(angles: NDArray[np.float64]) -> AngleSummary:
    """Return mean, extremes and spread over the pairs i < j of a (C, C) matrix in degrees.

    Pairs with NaN are left out; all values are NaN where no pair is left.
    """
    rows, columns = np.triu_indices(len(angles), k=1)
    values = angles[rows, columns]
    usable = ~np.isnan(values)
    num_classes = int((~np.isnan(np.diag(angles))).sum())
    if not usable.any():
        nan = float("nan")
        return AngleSummary(nan, nan, nan, nan, None, num_classes)
    kept = values[usable]
    smallest = int(np.flatnonzero(usable)[int(kept.argmin())])
    return AngleSummary(
        mean=float(kept.mean()),
        minimum=float(kept.min()),
        maximum=float(kept.max()),
        std=float(kept.std()),
        closest_pair=(int(rows[smallest]), int(columns[smallest])),
        num_classes=num_classes,
    )


def gram_distance(class_means: Array) -> float:
    """Return || K/|K|_F - E ||_F, K the Gram matrix of the centred class means, E that of an ETF.

    Args:
        class_means: (C, d); rows of NaN (empty classes) are left out and C counts the rest.

    Returns:
        In [0, sqrt(2)]; 0 exactly at a simplex ETF. NaN for fewer than two classes or when all
        means coincide. Where d < C - 1 the floor is above 0: see :func:`gram_distance_floor`.

    Source: nc_metrics section 2 (nc2_gram); Zhu et al. (2021).
    """
    means = centred_class_means(class_means, "class")
    means = means[~np.isnan(means).any(axis=1)]
    num_classes = len(means)
    gram = means @ means.T
    norm = float(np.linalg.norm(gram))
    if num_classes < 2 or norm == 0.0:
        return float("nan")
    ideal = (np.eye(num_classes) - 1.0 / num_classes) / np.sqrt(num_classes - 1)
    return float(np.linalg.norm(gram / norm - ideal))


def gram_distance_floor(num_classes: int, dim: int) -> float:
    """Return the smallest possible :func:`gram_distance` in dimension ``dim``; 0 if an ETF fits."""
    rank = min(dim, num_classes - 1)
    return float(np.sqrt(max(0.0, 2.0 - 2.0 * np.sqrt(rank / (num_classes - 1)))))
