"""Average precision per class and its means over all, head, medium and tail classes, and over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.namespace import Array, check_binary, check_groups, on_host, to_numpy


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
    values, positive = _checked(scores, targets)
    number, num_classes = values.shape
    # rows of the transpose lie together in memory
    by_class = np.array(values.T, order="C")  # (C, N), a copy to be sorted
    labels, where = np.nonzero(positive.T)  # (P,), class after class
    found = by_class[labels, where]
    by_class.sort(axis=1)  # ascending
    counts = np.bincount(labels, minlength=num_classes)
    parts, start = [], 0
    for label, size in enumerate(counts.tolist()):
        if size:
            own = np.sort(found[start : start + size])
            parts.append(number - by_class[label].searchsorted(own))
        start += size
    if not parts:
        return np.full(num_classes, np.nan)
    above = np.concatenate(parts).astype(
        np.float64
    )  # (P,), images at or above each positive, falling in a class
    place = np.arange(len(above)) - np.repeat(np.cumsum(counts) - counts, counts)  # within the class
    # positives tie where they have the same images above them: count from the first of the block
    opens = (np.diff(above, prepend=-1.0) != 0) | (place == 0)
    first = np.maximum.accumulate(np.where(opens, np.arange(len(above)), 0))
    hits = counts[labels] - place[first]
    total = np.bincount(labels, weights=hits / above, minlength=num_classes)
    result: NDArray[np.float64] = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    return result


def average_precision_bounds(scores: Any, targets: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and greatest average precision that scores could have which round to these.

    Equal scores may have been in any order, or some of them equal: the greatest has the positives of a tie
    before its negatives and equal among themselves, the least has them behind and one after the other.

    Rounding scores (to float16 in a run file) keeps their order but makes ties, so the exact value
    must lie between the two: that is how ``mlcnc runs verify`` checks a stored metric.

    Args:
        scores: (N, C).
        targets: (N, C), 0 or 1.

    Returns:
        Two arrays (C,) float64; NaN for a class without a positive.
    """
    values, positive = _checked(scores, targets)
    distinct = np.broadcast_to(-np.arange(len(values), dtype=np.float64)[:, None], values.shape)
    order = np.lexsort((positive, -values), axis=0)
    least = average_precision(distinct, np.take_along_axis(positive, order, axis=0))
    ranks = np.zeros(values.shape)  # (N, C)
    for c in range(values.shape[1]):
        ranks[:, c] = np.unique(values[:, c], return_inverse=True)[1]
    return least, average_precision(2.0 * ranks + positive, positive)


def mean_average_precision(average_precisions: Array, groups: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return mAP in percent: ``map_total`` and ``map_<group>`` for each group.

    Args:
        average_precisions: (C,) in [0, 1], NaN where undefined (left out of every mean).
        groups: class indices of e.g. ``head``, ``medium`` and ``tail``.

    Returns:
        A dict of percentages; NaN for a group without a defined average precision.

    Raises:
        ValueError: an average precision is neither NaN nor in [0, 1], or a group holds no class index.

    Range: [0, 100] percent.
    Convention: every class counts the same; classes without a positive are left out.
    Source: Wu et al. (ECCV 2020), mAP by head, medium and tail.
    """
    average_precisions = to_numpy(average_precisions, "average_precisions")
    require_shape("average_precisions", average_precisions.shape, ("C",))
    check_groups(groups, len(average_precisions))
    if ((average_precisions < 0) | (average_precisions > 1)).any():
        raise ValueError(
            "average_precisions must be within 0 and 1, or NaN for a class without a positive, got "
            f"{np.nanmin(average_precisions):g} to {np.nanmax(average_precisions):g}"
        )
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
    values, positive = _checked(scores, targets)
    return _mean(100.0 * average_precision(values.T, positive.T))


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _checked(scores: Array, targets: Array) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return (N, C) scores in float32 or float64, which hold all that came, and targets; on the host."""
    values, labels = on_host(scores, "scores"), on_host(targets, "targets")
    require_shape("scores", values.shape, ("N", "C"))
    require_shape("targets", labels.shape, values.shape, like="scores")
    check_binary(labels)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite, got NaN or infinity; did the training diverge?")
    return values, labels > 0
