"""What the metrics of ranking can have been before their scores were rounded for storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics import average_precision_bounds, f1_scores, mean_average_precision

Bounds = tuple[float, float]


def ranking_bounds(
    scores: NDArray[Any], targets: NDArray[Any], groups: Mapping[str, Sequence[int]]
) -> dict[str, Bounds]:
    """Return the least and the greatest value of mAP, G-mAP and F1, exactly.

    Rounding keeps the order of scores but for ties, and the side of the threshold on which a score lies but for
    those that were rounded onto it: every order of the one and every side of the other is allowed for.

    Args:
        scores: (N, C), as stored.
        targets: (N, C), 0 or 1.
        groups: class indices of ``head``, ``medium`` and ``tail``.

    Returns:
        From metric name, such as ``map_tail``, to bounds in percent; NaN where it is undefined.
    """
    low, high = average_precision_bounds(scores, targets)  # (C,)
    least, greatest = (mean_average_precision(side, groups) for side in (low, high))
    bounds = {name: (least[name], greatest[name]) for name in least}
    low, high = average_precision_bounds(scores.T, targets.T)  # (N,)
    worst, best = (mean_average_precision(side, {})["map_total"] for side in (low, high))
    bounds["g_map"] = (worst, best)
    return bounds | _f1_bounds(scores, targets, 0.0)


def probability_bounds(scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, Bounds]:
    """Return the bounds of F1 decided at one half, as probabilities are; empty where scores are none."""
    if scores.size == 0 or scores.min() < 0 or scores.max() > 1:
        return {}
    return _f1_bounds(scores, targets, 0.5)


def _f1_bounds(scores: NDArray[Any], targets: NDArray[Any], threshold: float) -> dict[str, Bounds]:
    values = scores.astype(np.float64) - threshold
    # on the threshold: all decided wrongly, all decided rightly
    sides = [np.where(values == 0, sign * (2.0 * (targets > 0) - 1.0), values) for sign in (-1.0, 1.0)]
    least, greatest = (f1_scores(side, targets) for side in sides)
    return {name: (least[name], greatest[name]) for name in ("f1_micro", "f1_macro")}
