"""Average precision per class and its means over all, head, medium and tail classes, and over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.namespace import Array, as_float64, check_binary, to_numpy


def average_precision(scores: Array, targets: Array) -> NDArray[np.float64]:
    r"""Return the non-interpolated average precision of each class; equal scores are one threshold.

    Args:
        scores: (N, C), any monotone score: logits or probabilities; NumPy or torch.
        targets: (N, C), 1 where the image has the class.

    Returns:
        (C,) float64; NaN for a class without a positive.

    Raises:
        ValueError: shapes differ, a score is not finite or a target is not 0 or 1.

    Formula: $\frac1P\sum_{i: y_i=1} \frac{\#\{j: y_j=1, s_j\ge s_i\}}{\#\{j: s_j\ge s_i\}}$
    Range: [0, 1]; 1 where every positive is before every negative; about P/N at random.
    Convention: non-interpolated, not VOC's 11 points; a tie counts as one threshold.
    Source: scikit-learn's ``average_precision_score``, to which the tests compare it.

    Example:
        >>> average_precision(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]]))
        array([0.83333333])
    """
    xp, values, positive = _checked(scores, targets)
    number, num_classes = values.shape
    # reshaping the transpose makes rows that lie together in memory, for NumPy and torch alike
    flat = xp.reshape(values.T, (-1,))  # (C*N,)
    where = xp.nonzero(xp.reshape(positive.T, (-1,)))[0]  # (P,), class after class
    found = xp.take(flat, where, axis=0)
    ranked = xp.sort(xp.reshape(flat, (num_classes, number)), axis=1, stable=False)  # (C, N), ascending
    labels = to_numpy(where).astype(np.int64) // max(number, 1)  # (P,)
    counts = np.bincount(labels, minlength=num_classes)
    parts, start = [], 0
    for label, size in enumerate(counts.tolist()):
        if size:
            own = xp.sort(found[start : start + size], stable=False)
            parts.append(number - xp.searchsorted(ranked[label, :], own))
        start += size
    if not parts:
        return np.full(num_classes, np.nan)
    above = to_numpy(xp.concat(parts))  # (P,), images at or above each positive, falling in a class
    place = np.arange(len(above)) - np.repeat(np.cumsum(counts) - counts, counts)  # within the class
    # positives tie where they have the same images above them: count from the first of the block
    opens = (np.diff(above, prepend=-1.0) != 0) | (place == 0)
    first = np.maximum.accumulate(np.where(opens, np.arange(len(above)), 0))
    hits = counts[labels] - place[first]
    total = np.bincount(labels, weights=hits / above, minlength=num_classes)
    result: NDArray[np.float64] = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    return result


def average_precision_bounds(scores: Any, targets: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and greatest average precision any order of equal scores could give.

    Rounding scores (to float16 in a run file) keeps their order but makes ties, so the exact value
    must lie between the two: that is how ``mlcnc runs verify`` checks a stored metric.

    Args:
        scores: (N, C).
        targets: (N, C), 0 or 1.

    Returns:
        Two arrays (C,) float64; NaN for a class without a positive.
    """
    _, checked, present = _checked(scores, targets)
    values, positive = to_numpy(checked), to_numpy(present) > 0
    distinct = np.broadcast_to(-np.arange(len(values), dtype=np.float64)[:, None], values.shape)
    bounds = []
    for tie_break in (positive, ~positive):
        order = np.lexsort((tie_break, -values), axis=0)
        bounds.append(average_precision(distinct, np.take_along_axis(positive, order, axis=0)))
    return bounds[0], bounds[1]


def mean_average_precision(
    average_precisions: NDArray[np.float64], groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Return mAP in percent: ``map_total`` and ``map_<group>`` for each group.

    Args:
        average_precisions: (C,) in [0, 1], NaN where undefined (left out of every mean).
        groups: class indices of e.g. ``head``, ``medium`` and ``tail``.

    Returns:
        A dict of percentages; NaN for a group without a defined average precision.

    Range: [0, 100] percent.
    Convention: every class counts the same; classes without a positive are left out.
    Source: Wu et al. (ECCV 2020), mAP by head, medium and tail.
    """
    members: dict[str, Sequence[int]] = {"total": range(len(average_precisions)), **groups}
    return {
        f"map_{name}": _mean(100.0 * average_precisions[list(indices)]) for name, indices in members.items()
    }


def global_map(scores: Array, targets: Array) -> float:
    r"""Return G-mAP in percent: the mean over images of the average precision along their classes.

    Args:
        scores: (N, C), comparable across classes.
        targets: (N, C), 0 or 1.

    Returns:
        NaN where no image has a label.

    Raises:
        ValueError: shapes differ, a score is not finite or a target is not 0 or 1.

    Formula: mean over images i with a label of the average precision of $(s_{i1},\dots,s_{iC})$.
    Range: [0, 100] percent.
    Convention: images without any label have no average precision and are left out.
    Source: Table 2 of MLC-NC; its released code (t1neo666/AAAI25_MLC-NC, train.py) averages over all images.
    """
    _, values, positive = _checked(scores, targets)
    return _mean(100.0 * average_precision(values.T, positive.T))


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _checked(scores: Array, targets: Array) -> tuple[Any, Array, Array]:
    if not hasattr(scores, "dtype"):
        scores = np.asarray(scores, dtype=np.float64)
    if not hasattr(targets, "dtype"):
        targets = np.asarray(targets)
    require_shape("scores", scores.shape, ("N", "C"))
    require_shape("targets", targets.shape, scores.shape, like="scores")
    check_binary(targets)
    xp = array_namespace(scores)
    if scores.dtype not in (xp.float32, xp.float64):
        xp, scores = as_float64(scores)  # float16 and integers fit without loss
    if not bool(xp.all(xp.isfinite(scores))):
        raise ValueError("scores must be finite, got NaN or infinity; did the training diverge?")
    if type(targets) is not type(scores):
        targets = xp.asarray(np.asarray(targets))
    return xp, scores, targets > 0
