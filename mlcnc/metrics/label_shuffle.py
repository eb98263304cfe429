"""The label-shuffle baseline: NC1 of the same features with their classes drawn anew."""

from __future__ import annotations

import warnings

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from mlcnc.metrics.class_statistics import ClassStatisticsAccumulator
from mlcnc.metrics.distance_variance import cdnv
from mlcnc.metrics.namespace import Array
from mlcnc.metrics.pseudo_inverse import ProjectedScatterAccumulator, between_directions
from mlcnc.metrics.variability import nc1_trace


def label_shuffle_baseline(
    features: Array, labels: Array, num_classes: int, *, num_shuffles: int = 3, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    r"""Return NC1 and CDNV of the rows with permuted labels: the same features, the same counts.

    Args:
        features: (n, d) rows of positives.
        labels: (n,) class of each row.
        num_classes: C.
        num_shuffles: S, how many permutations.
        seed: of the permutations.

    Returns:
        ``nc1_pinv``, ``nc1_trace`` and ``cdnv_mean``, each (S,).

    Raises:
        ValueError: shapes do not fit or ``num_shuffles`` is below 1.

    Formula: the metric of $(x_i, y_{\pi(i)})$, $\pi$ a uniform permutation.
    Range: as the metric; a value at the baseline means that labels explain nothing of the features.
    Convention: class-weighted, centring ``class``. The expectations of trace and CDNV hang on the
        counts alone: :func:`shuffled_nc1_trace`, :func:`shuffled_cdnv`.
    Source: ours.
    """
    if num_shuffles < 1:
        raise ValueError(f"num_shuffles must be at least 1, got {num_shuffles}")
    xp = array_namespace(features)
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, float, float]] = []
    for _ in range(num_shuffles):
        order = xp.asarray(rng.permutation(labels.shape[0]), device=device(labels))
        drawn = xp.take(labels, order, axis=0)
        first = ClassStatisticsAccumulator(num_classes, features.shape[1])
        first.update_rows(features, drawn)
        statistics = first.compute()
        second = ProjectedScatterAccumulator(statistics, between_directions(statistics))
        second.update_rows(features, drawn)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the real value has warned already
            pinv = second.nc1_pinv()
        means, variances = statistics.class_means, statistics.variances
        rows.append((pinv, nc1_trace(means, variances), cdnv(means, variances).mean))
    table = np.array(rows)
    return {"nc1_pinv": table[:, 0], "nc1_trace": table[:, 1], "cdnv_mean": table[:, 2]}
