"""How much of a class's spread is only "alone in the image" against "in a crowd"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.accumulation import SumAccumulator
from mlcnc.metrics.class_statistics import ClassStatistics, positive_rows
from mlcnc.metrics.namespace import (
    Array,
    check_whole,
    checked_batch,
    checked_rows,
    device_array,
    like,
    membership,
    pieces,
    require_real,
    to_numpy,
)

MAX_MULTIPLICITY = 8
"""Images with more labels count as having so many."""


@dataclass(frozen=True)
class MultiplicityShare:
    """The part of each class's variance that lies between image multiplicities.

    Attributes:
        share: (C,) in [0, 1]; NaN for a class without positives or without spread.
        counts: (C, K) positives of class c in images with k = 1..K labels; the last column also holds
            images with more. With one positive a cell the share is 1 by construction.
    """

    share: NDArray[np.float64]
    counts: NDArray[np.int64]


class MultiplicityAccumulator(SumAccumulator):
    """Means by class and number of labels of the image, over a second pass.

    Args:
        statistics: final statistics of the same features.
    """

    def __init__(self, statistics: ClassStatistics) -> None:
        number, dim = statistics.class_means.shape
        levels = min(MAX_MULTIPLICITY, number)
        super().__init__(counts=(number, levels), sums=(levels, number, dim))
        self.statistics = statistics
        self._centre = statistics.centre

    def update(self, features: Array, targets: Array) -> None:
        """Add a batch: (B, C, d) or (B, d) features and (B, C) targets of 0 or 1."""
        targets = checked_batch(features, targets, *self.statistics.class_means.shape)
        if len(features.shape) == 3:
            self.update_rows(*positive_rows(features, targets))
        else:
            xp = array_namespace(targets)
            self.update_rows(features, targets, xp.sum(xp.astype(targets > 0, xp.int64), axis=1))

    def update_rows(self, features: Array, labels: Array, multiplicity: Array) -> None:
        """Add features (M, d) with the number of labels of their image (M,).

        Args:
            features: positive rows of one class each, or one feature an image.
            labels: (M,) class of each row, or (M, C) 0 or 1, the classes of each image.
            multiplicity: (M,).
        """
        number, levels = self._sums["counts"].shape
        labels = checked_rows(features, labels, number, self.statistics.class_means.shape[1])
        require_real(multiplicity, "multiplicity")
        require_shape("multiplicity", multiplicity.shape, (features.shape[0],), like="features")
        check_whole(multiplicity, "multiplicity")
        start = 0
        for rows, part in pieces(features, labels):
            xp = array_namespace(rows)
            here = like(rows, multiplicity[start : start + rows.shape[0]])
            start += rows.shape[0]
            centre = device_array(rows, self._centre)
            for level in range(1, levels + 1):
                (chosen,) = xp.nonzero(here == level if level < levels else here >= level)
                if chosen.shape[0]:
                    classes = membership(xp.take(part, chosen, axis=0), number)  # (C, b)
                    self._sums["counts"][:, level - 1] += to_numpy(xp.sum(classes, axis=1))
                    self._sums["sums"][level - 1] += to_numpy(
                        classes @ (xp.take(rows, chosen, axis=0) - centre)
                    )

    def compute(self) -> MultiplicityShare:
        r"""Return the multiplicity share of every class.

        Formula: $\eta^2_c = \sum_k \frac{n_{ck}}{n_c}\lVert m_{ck}-m_c\rVert^2 / v_c$
        Range: [0, 1]; 0 where a class looks the same alone and in a crowd.
        Convention: exact split of the population variance; NaN where v_c is 0 or the class empty.
        Source: ours; the correlation ratio of analysis of variance.
        """
        counts, spread = self._sums["counts"], self.statistics.within_scatter
        total = counts.sum(axis=1)
        means = self._sums["sums"].sum(axis=0) / np.maximum(total, 1)[:, None]  # (C, d)
        between = np.zeros(len(counts))
        for number, sums in zip(counts.T, self._sums["sums"], strict=True):
            gap = sums / np.maximum(number, 1)[:, None] - means  # m_ck - m_c
            between += number * (gap**2).sum(axis=1)
        usable = (total > 0) & (spread > 0)
        share = np.where(usable, np.minimum(between / np.where(usable, spread, 1.0), 1.0), np.nan)
        return MultiplicityShare(share, counts.astype(np.int64))
