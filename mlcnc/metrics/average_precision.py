"""Average precision per class and its means over all, head, medium and tail classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape


def average_precision(scores: Any, targets: Any) -> NDArray[np.float64]:
    """Return the non-interpolated average precision of each class; equal scores are one threshold.

    Args:
        scores: (N, C), any monotone score: logits or probabilities.
        targets: (N, C), 1 where the image has the class.

    Returns:
        (C,) float64 in [0, 1]; NaN for a class without a positive.

    Raises:
        ValueError: shapes differ or a score is not finite.

    Source: scikit-learn's ``average_precision_score``, to which the tests compare it.

    Example:
        >>> average_precision(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]]))
        array([0.83333333])
    """
    values, positive = _checked(scores, targets)
    order = np.argsort(-values, axis=0, kind="stable")
    return _at_thresholds(
        np.take_along_axis(values, order, axis=0), np.take_along_axis(positive, order, axis=0)
    )


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
    values, positive = _checked(scores, targets)
    bounds = []
    for tie_break in (positive, ~positive):
        order = np.lexsort((tie_break, -values), axis=0)
        ranked = np.take_along_axis(positive, order, axis=0)
        distinct = np.broadcast_to(-np.arange(len(values), dtype=np.float64)[:, None], values.shape)
        bounds.append(_at_thresholds(distinct, ranked))
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
    """
    members: dict[str, Sequence[int]] = {"total": range(len(average_precisions)), **groups}
    return {
        f"map_{name}": _mean(100.0 * average_precisions[list(indices)]) for name, indices in members.items()
    }


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _checked(scores: Any, targets: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values = np.asarray(scores, dtype=np.float64)
    positive = np.asarray(targets) > 0
    require_shape("scores", values.shape, ("N", "C"))
    require_shape("targets", positive.shape, values.shape, like="scores")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite, got NaN or infinity; did the training diverge?")
    return values, positive


def _at_thresholds(
    ranked_scores: NDArray[np.float64], ranked_targets: NDArray[np.bool_]
) -> NDArray[np.float64]:
    num_images = len(ranked_scores)
    hits = np.cumsum(ranked_targets, axis=0).astype(np.float64)  # (N, C)
    last = np.ones(ranked_scores.shape, dtype=bool)
    last[:-1] = ranked_scores[:-1] != ranked_scores[1:]
    # hits at the threshold before: the running maximum of the hits at ends of tied blocks
    ends = np.maximum.accumulate(np.where(last, hits, 0.0), axis=0)
    before = np.zeros_like(ends)
    before[1:] = ends[:-1]
    precision = hits / np.arange(1, num_images + 1)[:, None]
    total = (np.where(last, hits - before, 0.0) * precision).sum(axis=0)
    num_positives = ranked_targets.sum(axis=0)
    result: NDArray[np.float64] = np.where(num_positives > 0, total / np.maximum(num_positives, 1), np.nan)
    return result
