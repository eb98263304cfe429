"""Precision against recall of one class over every threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.average_precision import _checked
from mlcnc.metrics.namespace import Array


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall of one class where a score of at least the threshold is a yes.

    Attributes:
        thresholds: (K,) the distinct scores, falling.
        precision, recall: (K,) at these thresholds; recall rises.
        num_positives: images with the class.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    num_positives: int

    @property
    def area(self) -> float:
        """The area under the steps, which is the average precision; NaN without a positive."""
        if self.num_positives == 0:
            return float("nan")
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())


def precision_recall_curves(scores: Array, targets: Array) -> list[PrecisionRecallCurve]:
    r"""Return the precision-recall curve of every class.

    Args:
        scores: (N, C).
        targets: (N, C), 0 or 1.

    Returns:
        C curves; the recall of a class without a positive is NaN.

    Raises:
        ValueError: shapes differ, a score is not finite or a target is not 0 or 1.

    Formula: at threshold t: precision $\#\{y=1,s\ge t\}/\#\{s\ge t\}$, recall $\#\{y=1,s\ge t\}/P$
    Range: [0, 1] both.
    Convention: no interpolation; equal scores are one threshold; no artificial end point.
    Source: scikit-learn's ``precision_recall_curve``, to which the tests compare it.
    """
    values, positive = _checked(scores, targets)
    curves = []
    for label in range(values.shape[1]):
        order = np.argsort(-values[:, label], kind="stable")
        ranked = values[order, label]
        last = np.flatnonzero(np.append(np.diff(ranked) != 0, True)) if len(ranked) else np.zeros(0, int)
        hits = np.cumsum(positive[order, label])[last].astype(np.float64)
        total = int(positive[:, label].sum())
        curves.append(
            PrecisionRecallCurve(
                thresholds=ranked[last].astype(np.float64),
                precision=hits / (last + 1),
                recall=hits / total if total else np.full(len(last), np.nan),
                num_positives=total,
            )
        )
    return curves
