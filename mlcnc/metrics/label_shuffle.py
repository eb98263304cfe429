"""The label-shuffle baseline: NC1 of the same features with their classes drawn anew."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.class_statistics import ClassStatistics
from mlcnc.metrics.distance_variance import cdnv
from mlcnc.metrics.namespace import (
    CHUNK_ELEMENTS,
    Array,
    as_float64,
    checked_rows,
    device_array,
    positive_pairs,
    require_real,
    to_numpy,
)
from mlcnc.metrics.pseudo_inverse import between_directions, nc1_pinv
from mlcnc.metrics.variability import nc1_trace


def label_shuffle_baseline(
    features: Array, labels: Array, num_classes: int, *, num_shuffles: int = 3, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    r"""Return NC1 and CDNV of the rows with permuted labels: the same features, the same counts.

    Args:
        features: (M, d) rows of positives, or one feature an image.
        labels: (M,) class of each row, or (M, C) of 0 and 1: an image then counts as a row for each label.
        num_classes: C.
        num_shuffles: S, how many permutations.
        seed: of the permutations.

    Returns:
        ``nc1_pinv``, ``nc1_trace`` and ``cdnv_mean``, each (S,).

    Raises:
        ValueError: shapes do not fit, a feature is not finite, a label is no class or not 0 or 1, or
            ``num_shuffles`` is below 1.

    Formula: the metric of $(x_i, y_{\pi(i)})$, $\pi$ a uniform permutation.
    Range: as the metric; a value at the baseline means that labels explain nothing of the features.
    Convention: class-weighted, centring ``class``. The expectations of trace and CDNV hang on the
        counts alone: :func:`shuffled_nc1_trace`, :func:`shuffled_cdnv`.
    Source: ours.
    """
    require_real(features, "features")
    require_shape("features", features.shape, ("n", "d"))
    labels = checked_rows(features, labels, num_classes, features.shape[1])
    if num_shuffles < 1:
        raise ValueError(f"num_shuffles must be at least 1, got {num_shuffles}")
    features_of, classes = (to_numpy(part).astype(np.int64) for part in positive_pairs(labels))
    rng = np.random.default_rng(seed)
    drawn = np.array([classes[rng.permutation(len(classes))] for _ in range(num_shuffles)])  # (S, n)
    counts = np.bincount(classes, minlength=num_classes)  # (C,), the same in every shuffle
    divisor = np.where(counts > 0, counts, np.nan)[:, None]
    shape = (num_shuffles, num_classes)
    centre = _rough_centre(features)
    sums, squares = np.zeros((*shape, features.shape[1])), np.zeros(shape)
    for rows, times in _pieces(features, features_of, drawn, num_classes, centre):
        xp = array_namespace(rows)
        sums += to_numpy(times @ rows).reshape(sums.shape)
        squares += to_numpy(times @ xp.vecdot(rows, rows)).reshape(shape)
    means = sums / divisor  # (S, C, d), from the centre
    # no digit is lost: labels that explain nothing leave the scatter as large as the squares
    scatter = np.where(counts > 1, np.maximum(squares - counts * (np.nan_to_num(means) ** 2).sum(axis=2), 0), 0)
    found = [ClassStatistics(m + centre, counts, s) for m, s in zip(means, scatter, strict=True)]
    directions = [between_directions(statistics) for statistics in found]
    second = [np.zeros((num_classes, item.rank)) for item in directions]
    for rows, times in _pieces(features, features_of, drawn, num_classes, centre):
        for index, item in enumerate(directions):
            placed = rows @ device_array(rows, item.directions)  # (b, r)
            own = times[index * num_classes : (index + 1) * num_classes, :]
            second[index] += to_numpy(own @ placed**2)
    values: dict[str, list[float]] = {"nc1_pinv": [], "nc1_trace": [], "cdnv_mean": []}
    for statistics, item, mean, total in zip(found, directions, means, second, strict=True):
        spread = np.maximum(total / divisor - (mean @ item.directions) ** 2, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the real value has warned already
            values["nc1_pinv"].append(
                nc1_pinv(np.where(counts[:, None] > 1, spread, 0), item.singular_values, counts)
            )
        values["nc1_trace"].append(nc1_trace(statistics.class_means, statistics.variances))
        values["cdnv_mean"].append(cdnv(statistics.class_means, statistics.variances).mean)
    return {name: np.array(row) for name, row in values.items()}


def _rough_centre(features: Array) -> NDArray[np.float64]:
    if features.shape[0] == 0:
        return np.zeros(features.shape[1])
    xp, some = as_float64(features[: max(1, CHUNK_ELEMENTS // features.shape[1])])
    return to_numpy(xp.mean(some, axis=0))


def _pieces(
    features: Array,
    features_of: NDArray[np.int64],
    drawn: NDArray[np.int64],
    num_classes: int,
    centre: NDArray[np.float64],
) -> Iterator[tuple[Array, Array]]:
    """Yield features (b, d) from the centre, and (S*C, b) how often each is of a class in each shuffle."""
    height = len(drawn) * num_classes
    step = max(1, CHUNK_ELEMENTS // max(features.shape[1], height))
    for start in range(0, features.shape[0], step):
        _, rows = as_float64(features[start : start + step])
        first, last = np.searchsorted(features_of, [start, start + step])
        times = np.zeros((len(drawn), num_classes, rows.shape[0]))
        for shuffle, classes in enumerate(drawn):
            np.add.at(times[shuffle], (classes[first:last], features_of[first:last] - start), 1.0)
        yield rows - device_array(rows, centre), device_array(rows, times.reshape(height, -1))
