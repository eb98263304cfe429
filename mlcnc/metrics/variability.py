"""NC1, the variability of features within their class, relative to the spread of the class means.

Conventions (nc_metrics: "ours, default"): within- and between-class covariance both weigh every
class 1/C, divisor n_c, class means centred by their own unweighted mean, classes without a positive
left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any


def nc1_trace(class_means: Array, variances: Array) -> float:
    """Return tr(Sigma_W) / tr(Sigma_B); 0 is complete collapse, invariant to rotation and scale.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        variances: (C,) mean squared distance to the class mean.

    Returns:
        The ratio, in [0, inf]; NaN when fewer than two classes have a positive.

    Source: Tirer, Huang and Niles-Weed (2023), trace form of Papyan, Han and Donoho (2020).

    Example:
        >>> nc1_trace(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, 0.1]))
        0.3
    """
    present = _present(class_means)
    if int(present.sum()) < 2:
        return float("nan")
    within = float(_numpy(variances)[present].mean())
    between = float(_squared_distances(class_means)[present].mean())
    return _ratio(within, between)


def nc1_per_class(class_means: Array, variances: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return v_c / |m_c - g|^2 per class, g the unweighted mean of the class means.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        variances: (C,) mean squared distance to the class mean.

    Returns:
        (C,) float64; NaN for a class without a positive, 0 for one with a single positive (which
        says nothing: never rank head against tail by this number without its class count).
    """
    distances = _squared_distances(class_means)
    spread = _numpy(variances)
    present = _present(class_means)
    return np.array(
        [
            _ratio(float(v), float(d)) if here else float("nan")
            for v, d, here in zip(spread, distances, present, strict=True)
        ]
    )


def _ratio(within: float, between: float) -> float:
    if between == 0.0:
        return float("nan") if within == 0.0 else float("inf")
    return within / between


def _present(class_means: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    present: np.ndarray[Any, np.dtype[np.bool_]] = ~np.isnan(_numpy(class_means)).any(axis=1)
    return present


def _squared_distances(class_means: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    means = _numpy(class_means)
    present = _present(class_means)
    if not present.any():
        return np.full(len(means), np.nan)
    squared: np.ndarray[Any, np.dtype[np.float64]] = ((means - means[present].mean(axis=0)) ** 2).sum(axis=1)
    return squared


def _numpy(array: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    xp = array_namespace(array)
    if xp.__name__.endswith("torch"):
        array = array.detach().cpu().numpy()
    return np.asarray(array, dtype=np.float64)
