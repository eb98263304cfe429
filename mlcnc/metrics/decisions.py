"""F1, precision and recall once every score is turned into yes or no."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.average_precision import _checked
from mlcnc.metrics.namespace import Array, to_numpy


def f1_scores(scores: Array, targets: Array, *, threshold: float | NDArray[Any] = 0.0) -> dict[str, float]:
    r"""Return micro and macro F1, precision and recall in percent.

    Args:
        scores: (N, C) logits (threshold 0) or probabilities (threshold 0.5).
        targets: (N, C), 0 or 1.
        threshold: a score above it is a yes; one number or (C,).

    Returns:
        ``f1_micro``, ``precision_micro``, ``recall_micro`` and the same with ``macro``; NaN where no
        class has a positive.

    Raises:
        ValueError: shapes differ, a score is not finite, a target is not 0 or 1 or a threshold is NaN.

    Formula: $F_1 = 2TP/(2TP+FP+FN)$; micro over all cells, macro the mean over classes.
    Range: [0, 100] percent.
    Convention: macro leaves out classes without a positive; a class never predicted has precision 0.
        Micro is dominated by head classes.
    Source: scikit-learn's ``f1_score`` with ``zero_division=0``; reported by Wu et al. (ECCV 2020).

    Example:
        >>> f1_scores(np.array([[1.0], [1.0], [-1.0]]), np.array([[1], [0], [0]]))["precision_micro"]
        50.0
    """
    values, positive = _checked(scores, targets)
    limit = to_numpy(threshold, "threshold")
    if limit.ndim:
        require_shape("threshold", limit.shape, (values.shape[1],))
    if np.isnan(limit).any():
        raise ValueError("threshold must be a number, got NaN")
    predicted = values > limit
    hits = (predicted & positive).sum(axis=0).astype(np.float64)
    said, true = predicted.sum(axis=0).astype(np.float64), positive.sum(axis=0).astype(np.float64)
    has = true > 0
    result = {}
    for name, (tp, yes, pos) in {
        "micro": (hits.sum(keepdims=True), said.sum(keepdims=True), true.sum(keepdims=True)),
        "macro": (hits[has], said[has], true[has]),
    }.items():
        defined = len(pos) > 0 and pos.sum() > 0
        for kind, whole in (("precision", yes), ("recall", pos), ("f1", (yes + pos) / 2)):
            share = np.where(whole > 0, tp / np.where(whole > 0, whole, 1.0), 0.0)
            result[f"{kind}_{name}"] = float(100.0 * share.mean()) if defined else float("nan")
    return result
