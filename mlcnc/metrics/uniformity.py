"""Generalised NC2: how evenly class directions spread over the sphere, ETF or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcnc.metrics.geometry import pairwise_cosines
from mlcnc.metrics.namespace import Array, checked_means, to_numpy

NAN = float("nan")
COINCIDENT = 1e-6


@dataclass(frozen=True)
class Uniformity:
    """Distances and energies over pairs of unit class directions, and their simplex optimum.

    Attributes:
        distance_mean, distance_variance: of the pairwise distances (divisor: number of pairs).
        log_energy: mean log(1/D); ``log_energy_gap`` is its excess over the simplex.
        riesz_energy: mean D^-s; ``riesz_energy_gap`` likewise.
        optimal_distance: sqrt(2C/(C-1)), NaN where C > d + 1: the optimum is unknown then and the
            gaps are NaN.
        num_classes: effective C.
    """

    distance_mean: float
    distance_variance: float
    log_energy: float
    log_energy_gap: float
    riesz_energy: float
    riesz_energy_gap: float
    optimal_distance: float
    num_classes: int


def hyperspherical_uniformity(centred_means: Array, *, power: float = 1.0) -> Uniformity:
    r"""Return distances and energies of the class directions (generalised NC2).

    Args:
        centred_means: (C, d) class means minus their reference; rows of NaN are left out.
        power: s of the Riesz energy, above 0; s = d - 2 underflows, use 1.

    Returns:
        All NaN for fewer than two directions; energies are infinite where two coincide (closer than
        1e-6, what is left of equal means that are stored in single precision).

    Raises:
        ValueError: ``power`` is not a finite number above 0.

    Formula: with $D_{ij}=\lVert u_i-u_j\rVert$ over i<j: mean and variance of $D$, mean of
        $\log(1/D)$, mean of $D^{-s}$; at the simplex $D^*=\sqrt{2C/(C-1)}$.
    Range: D in [0, 2]; log energy >= -log(2C/(C-1))/2 and Riesz energy >= D*^-s where C <= d + 1.
    Convention: of the centring of its argument (ours ``class``); s = 1; divisor the number of pairs.
    Source: W. Liu et al. (2023), hyperspherical uniformity gap.
    """
    if not 0 < power < np.inf:
        raise ValueError(f"power must be above 0 and finite, got {power}; 1 is the usual choice")
    _, rows = checked_means(centred_means, "centred_means")
    cosines = to_numpy(pairwise_cosines(rows))
    num_classes = int((~np.isnan(np.diag(cosines))).sum())
    values = cosines[np.triu_indices(len(cosines), k=1)]
    values = values[~np.isnan(values)]
    if num_classes < 2:
        return Uniformity(NAN, NAN, NAN, NAN, NAN, NAN, NAN, num_classes)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * values, 0.0))
    distances = np.where(distances < COINCIDENT, 0.0, distances)
    with np.errstate(divide="ignore"):
        log_energy = float(np.mean(-np.log(distances)))
        riesz = float(np.mean(distances**-power))
    fits = num_classes <= rows.shape[1] + 1
    optimum = float(np.sqrt(2 * num_classes / (num_classes - 1))) if fits else NAN
    return Uniformity(
        distance_mean=float(distances.mean()),
        distance_variance=float(distances.var()),
        log_energy=log_energy,
        log_energy_gap=log_energy + float(np.log(optimum)),
        riesz_energy=riesz,
        riesz_energy_gap=riesz - optimum**-power,
        optimal_distance=optimum,
        num_classes=num_classes,
    )
