"""How much of a class's spread is only "alone in the image" against "in a crowd"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.class_statistics import ClassStatisticsAccumulator, positive_rows
from mlcnc.metrics.namespace import Array, checked_batch, like


@dataclass(frozen=True)
class MultiplicityShare:
    """The part of each class's variance that lies between image multiplicities.

    Attributes:
        share: (C,) in [0, 1]; NaN for a class without positives or without spread.
        counts: (C, K) positives of class c in images with k = 1..K labels; the last column also holds
            images with more. With one positive a cell the share is 1 by construction.
        mean_cosine: (C, K) cosine of the mean at multiplicity k with the class mean, uncentred.
    """

    share: NDArray[np.float64]
    counts: NDArray[np.int64]
    mean_cosine: NDArray[np.float64]


class MultiplicityAccumulator:
    """Statistics of class-wise features by class and number of labels of the image.

    Args:
        num_classes: C.
        dim: d.
        max_multiplicity: K; images with more labels count as K.
    """

    def __init__(self, num_classes: int, dim: int, max_multiplicity: int = 8) -> None:
        self.num_classes = num_classes
        self.max_multiplicity = min(max_multiplicity, num_classes)
        self._cells = ClassStatisticsAccumulator(num_classes * self.max_multiplicity, dim)

    def update(self, class_features: Array, targets: Array) -> None:
        """Add a batch: (B, C, d) features and (B, C) targets of 0 or 1."""
        require_shape("class_features", class_features.shape, ("B", self.num_classes, self._cells.dim))
        targets = checked_batch(class_features, targets)
        self.update_rows(*positive_rows(class_features, targets))

    def update_rows(self, features: Array, labels: Array, multiplicity: Array) -> None:
        """Add positive rows (n, d) with class (n,) and number of labels of their image (n,)."""
        if features.shape[0]:
            labels, multiplicity = like(features, labels), like(features, multiplicity)
            xp = array_namespace(features)
            level = xp.clip(multiplicity, 1, self.max_multiplicity) - 1
            self._cells.update_rows(features, labels * self.max_multiplicity + level)

    def merge(self, other: MultiplicityAccumulator) -> None:
        """Add what another accumulator has seen."""
        self._cells.merge(other._cells)

    def all_reduce(self, group: Any = None) -> None:
        """Add up over the processes of a torch.distributed group."""
        self._cells.all_reduce(group)

    def compute(self) -> MultiplicityShare:
        r"""Return the multiplicity share of every class.

        Formula: $\eta^2_c = \sum_k \frac{n_{ck}}{n_c}\lVert m_{ck}-m_c\rVert^2 / v_c$
        Range: [0, 1]; 0 where a class looks the same alone and in a crowd.
        Convention: exact split of the population variance; NaN where v_c is 0 or the class empty.
        Source: ours; the correlation ratio of analysis of variance.
        """
        cells = self._cells.compute()
        shape = (self.num_classes, self.max_multiplicity)
        counts = cells.class_counts.reshape(shape)
        means = np.nan_to_num(cells.class_means).reshape(*shape, -1)
        inside = cells.within_scatter.reshape(shape).sum(axis=1)
        total = counts.sum(axis=1)
        overall = (counts[:, :, None] * means).sum(axis=1) / np.maximum(total, 1)[:, None]
        between = (counts * ((means - overall[:, None]) ** 2).sum(axis=2)).sum(axis=1)
        spread = inside + between
        share = np.where((total > 0) & (spread > 0), between / np.where(spread > 0, spread, 1.0), np.nan)
        norms = np.linalg.norm(means, axis=2) * np.linalg.norm(overall, axis=1)[:, None]
        usable = (counts > 0) & (norms > 0)
        inner = (means * overall[:, None]).sum(axis=2)
        cosine = np.where(usable, inner / np.where(usable, norms, 1.0), np.nan)
        return MultiplicityShare(share, counts, cosine)
