"""From which score on a class is a yes: greatest F1, or one precision or recall for every class and run."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.samples.placement import best_f1_thresholds
from mlcnc.metrics.precision_recall import precision_recall_curves

ThresholdRule = Literal["greatest F1", "equal precision", "equal recall"]
RULES: tuple[ThresholdRule, ...] = ("greatest F1", "equal precision", "equal recall")


class Thresholds(NamedTuple):
    """A threshold for each class.

    Attributes:
        limits: (C,) a score of at least it is a yes; NaN for a class without a positive.
        reached: (C,) whether the precision or recall that was asked for is reached there.
    """

    limits: NDArray[np.float64]
    reached: NDArray[np.bool_]


def thresholds(
    scores: NDArray[np.floating],
    targets: NDArray[np.uint8],
    rule: ThresholdRule = "greatest F1",
    target: float = 0.5,
) -> Thresholds:
    """Return the threshold of each class by a rule.

    Args:
        scores: (N, C).
        targets: (N, C), 0 or 1.
        rule: equal precision takes the lowest threshold that reaches the target, which finds most; where none
            does, the one of greatest precision, of equal ones the lowest. Equal recall takes the highest
            threshold that reaches the target, which gives the fewest false alarms.
        target: precision or recall, above 0 and at most 1.

    Raises:
        ValueError: shapes differ, a score is not finite or a target is not 0 or 1.
    """
    if rule == "greatest F1":
        limits = best_f1_thresholds(scores, targets)
        return Thresholds(limits, np.isfinite(limits))
    limits, reached = np.full(scores.shape[1], np.nan), np.zeros(scores.shape[1], dtype=bool)
    for label, curve in enumerate(precision_recall_curves(scores.astype(np.float64), targets)):
        if curve.num_positives == 0:
            continue
        if rule == "equal recall":
            place = int(np.argmax(curve.recall >= target - 1e-12))
        else:
            enough = np.flatnonzero(curve.precision >= min(target - 1e-12, float(curve.precision.max())))
            place = int(enough[-1])
        value = (curve.recall if rule == "equal recall" else curve.precision)[place]
        limits[label], reached[label] = curve.thresholds[place], value >= target - 1e-12
    return Thresholds(limits, reached)
