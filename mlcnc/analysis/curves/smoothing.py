"""A moving average over a curve that does not bend a constant, and the points that a long curve needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smoothed(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    r"""Return the exponential moving average, corrected for its start.

    Args:
        values: (n,); what is not finite is a gap.
        weight: of the past, from 0 (the curve itself) to below 1.

    Returns:
        (n,) weighted mean of the finite values so far; NaN at gaps, which neither count nor end the average.

    Raises:
        ValueError: ``weight`` is out of range.

    Formula: $m_t = \sum_{s \le t} w^{t-s} x_s / \sum_{s \le t} w^{t-s}$.

    Example:
        >>> smoothed(np.array([1.0, 3.0]), 0.5).round(3).tolist()
        [1.0, 2.333]
    """
    if not 0 <= weight < 1:
        raise ValueError(f"weight must be from 0 to below 1, got {weight}")
    import pandas as pd  # here, since most commands do without it

    known = pd.Series(values, dtype=np.float64)
    known = known.where(np.isfinite(known))
    means = known.ewm(alpha=1 - weight, ignore_na=True).mean()  # adjusted for its start by default
    return means.where(known.notna()).to_numpy()


def extreme_places(values: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Return places of at most ``limit`` values that keep every peak: least and greatest of even stretches.

    Args:
        values: (n,); a stretch without a finite value keeps its first place, so that gaps stay gaps.
        limit: at least 4.

    Returns:
        Rising places, the first and the last among them; all of them where n is not above ``limit``.

    Raises:
        ValueError: ``limit`` is below 4.
    """
    if limit < 4:
        raise ValueError(f"limit must be at least 4, got {limit}")
    number = len(values)
    if number <= limit:
        return np.arange(number)
    kept = {0, number - 1}
    for stretch in np.array_split(np.arange(number), (limit - 2) // 2):
        part = values[stretch]
        finite = np.isfinite(part)
        if finite.any():
            kept.add(int(stretch[np.argmin(np.where(finite, part, np.inf))]))
            kept.add(int(stretch[np.argmax(np.where(finite, part, -np.inf))]))
        else:
            kept.add(int(stretch[0]))
    return np.array(sorted(kept), dtype=np.int64)
