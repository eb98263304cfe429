"""Class means of a known geometry, and what each centring makes of their angles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlcnc.etf import optimal_angle_degrees, simplex_etf
from mlcnc.metrics import AngleSummary, angle_summary, centred_class_means, norm_cv, pairwise_angles
from mlcnc.metrics.geometry import Centring
from mlcnc.toys.unconstrained_features import Floats

Geometry = Literal["random", "two groups", "simplex ETF"]
GEOMETRIES: tuple[Geometry, ...] = ("random", "two groups", "simplex ETF")
SHOWN_CENTRINGS: tuple[Centring, ...] = ("none", "class", "sample")


@dataclass(frozen=True)
class CentredAngles:
    """Angles of one set of class means under one centring, in degrees.

    Attributes:
        centring: what was subtracted.
        pairs: (C (C-1) / 2,) angles of the pairs i < j.
        summary: their mean, extremes and spread.
        norm_spread: coefficient of variation of the centred norms.
    """

    centring: Centring
    pairs: Floats
    summary: AngleSummary
    norm_spread: float


@dataclass(frozen=True)
class CentringTrap:
    """The same class means read under three centrings.

    Attributes:
        geometry: as asked for.
        class_counts: (C,) long-tailed, for centring ``sample``.
        optimum: angle of a simplex ETF of C classes.
        readings: one for each of ``none``, ``class`` and ``sample``.
    """

    geometry: Geometry
    class_counts: tuple[int, ...]
    optimum: float
    readings: tuple[CentredAngles, ...]

    def reading(self, centring: Centring) -> CentredAngles:
        """Return the reading of one centring."""
        return next(reading for reading in self.readings if reading.centring == centring)


def centring_trap(
    geometry: Geometry,
    *,
    num_classes: int = 20,
    dim: int = 24,
    shared: float = 1.5,
    norm_spread: float = 0.0,
    seed: int = 0,
) -> CentringTrap:
    """Return the angles of made-up class means under every centring.

    Args:
        geometry: ``random`` directions, ``two groups`` of nearly equal directions, or a ``simplex ETF``;
            each sums to zero over the classes and has unit norms before what follows is added.
        num_classes: C, at least 3.
        dim: at least C.
        shared: length of one direction added to all class means, as features after a ReLU have.
        norm_spread: sd of the logarithm of the norms; 0 leaves them equal.
        seed: of directions and norms.

    Raises:
        ValueError: an unknown geometry, or too few dimensions.
    """
    rng = np.random.default_rng(seed)
    directions = _directions(geometry, num_classes, dim, rng)
    norms = np.exp(norm_spread * rng.standard_normal(num_classes))
    common = rng.standard_normal(dim)
    means = directions * norms[:, None] + shared * common / np.linalg.norm(common)
    counts = np.geomspace(500, 4, num_classes).round().astype(np.int64)
    return CentringTrap(
        geometry=geometry,
        class_counts=tuple(counts.tolist()),
        optimum=optimal_angle_degrees(num_classes),
        readings=tuple(_reading(means, centring, counts) for centring in SHOWN_CENTRINGS),
    )


def _directions(geometry: Geometry, num_classes: int, dim: int, rng: np.random.Generator) -> Floats:
    if dim < num_classes:
        raise ValueError(f"dim must be at least num_classes = {num_classes}, got {dim}")
    if geometry == "simplex ETF":
        return simplex_etf(num_classes, dim, seed=int(rng.integers(2**31)))
    if geometry == "random":
        rows = rng.standard_normal((num_classes, dim))
    elif geometry == "two groups":
        rows = rng.standard_normal((2, dim))[np.arange(num_classes) % 2]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows + 0.1 * rng.standard_normal((num_classes, dim)) / np.sqrt(dim)
    else:
        raise ValueError(f"geometry must be one of {GEOMETRIES}, got {geometry!r}")
    # zero sum and unit norm disturb each other; alternating meets both
    for _ in range(200):
        rows = rows - rows.mean(axis=0)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows)


def _reading(means: Floats, centring: Centring, counts: np.ndarray) -> CentredAngles:
    angles = pairwise_angles(means, centring=centring, class_counts=counts)
    return CentredAngles(
        centring=centring,
        pairs=angles[np.triu_indices(len(angles), k=1)],
        summary=angle_summary(angles),
        norm_spread=norm_cv(centred_class_means(means, centring, class_counts=counts)),
    )
