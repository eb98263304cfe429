"""Exact per-class count, mean and scatter of class-wise features, in one pass over batches.

Only the positives of a class enter its statistics: an image with k labels gives k rows, each to its
own class. Everything is accumulated in float64 with the pairwise update of Chan, Golub and LeVeque
(1979), because E|x|^2 - |E x|^2 loses every digit once features collapse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array
from numpy.typing import NDArray

from mlcnc.errors import require_shape

Array = Any
"""A NumPy array or a torch tensor; the array API has no common static type."""


@dataclass(frozen=True)
class ClassStatistics:
    """Sufficient statistics of one feature space on one split.

    Attributes:
        class_means: (C, d) float64, mean over the positives of each class; NaN rows where a class
            has no positive.
        class_counts: (C,) int64, number of positives n_c.
        within_scatter: (C,) float64, sum over positives of ``|x - m_c|^2``; divide by n_c for the
            (population) variance.
    """

    class_means: NDArray[np.float64]
    class_counts: NDArray[np.int64]
    within_scatter: NDArray[np.float64]

    @property
    def variances(self) -> NDArray[np.float64]:
        """(C,) trace of each class covariance, divisor n_c; NaN where a class has no positive."""
        counts = self.class_counts.astype(np.float64)
        empty = counts == 0
        return np.where(empty, np.nan, self.within_scatter / np.where(empty, 1.0, counts))


class ClassStatisticsAccumulator:
    """Accumulates :class:`ClassStatistics` over batches of any size and order.

    Args:
        num_classes: C.
        dim: feature dimension d.

    Example:
        >>> statistics = ClassStatisticsAccumulator(num_classes=2, dim=1)
        >>> features = np.array([[[1.0], [9.0]], [[3.0], [9.0]]])  # (2, 2, 1)
        >>> statistics.update(features, np.array([[1, 0], [1, 0]]))
        >>> statistics.compute().class_means[0], statistics.compute().within_scatter[0]
        (array([2.]), np.float64(2.0))
    """

    def __init__(self, num_classes: int, dim: int) -> None:
        self.num_classes = num_classes
        self.dim = dim
        self.reset()

    def reset(self) -> None:
        """Forget everything seen so far."""
        self._counts = np.zeros(self.num_classes)
        self._means = np.zeros((self.num_classes, self.dim))
        self._scatter = np.zeros(self.num_classes)

    def update(self, class_features: Array, targets: Array) -> None:
        """Add one batch.

        Args:
            class_features: (B, C, d) float, NumPy or torch on any device.
            targets: (B, C), 1 where the image has the class.

        Raises:
            ValueError: the shapes do not fit each other or this accumulator.
        """
        num_images = class_features.shape[0]
        require_shape("class_features", class_features.shape, ("B", self.num_classes, self.dim))
        require_shape("targets", targets.shape, (num_images, self.num_classes), like="class_features")
        if num_images == 0:
            return
        xp = array_namespace(class_features, targets)
        # about nine cells in ten are negatives: gather the positives first, then one matrix product
        flat = xp.reshape(class_features, (num_images * self.num_classes, self.dim))
        positive = xp.nonzero(xp.reshape(targets > 0, (-1,)))[0]  # (n,)
        rows = xp.astype(xp.take(flat, positive, axis=0), xp.float64)  # (n, d)
        classes = positive % self.num_classes  # (n,)
        every_class = xp.arange(self.num_classes, device=device(classes))
        membership = xp.astype(every_class[:, None] == classes[None, :], xp.float64)  # (C, n)
        counts = xp.sum(membership, axis=1)  # (C,)
        means = membership @ rows / xp.where(counts > 0, counts, 1.0)[:, None]  # (C, d)
        squares = xp.sum((rows - xp.take(means, classes, axis=0)) ** 2, axis=1)  # (n,)
        self._absorb(_to_numpy(counts), _to_numpy(means), _to_numpy(membership @ squares))

    def merge(self, other: ClassStatisticsAccumulator) -> None:
        """Add what another accumulator has seen, e.g. of another shard."""
        require_shape("other", other._means.shape, (self.num_classes, self.dim), like="this one")
        self._absorb(other._counts, other._means, other._scatter)

    def compute(self) -> ClassStatistics:
        """Return the statistics of everything seen so far."""
        means = self._means.copy()
        means[self._counts == 0] = np.nan
        return ClassStatistics(means, self._counts.astype(np.int64), self._scatter.copy())

    def _absorb(
        self,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        scatter: NDArray[np.float64],
    ) -> None:
        total = self._counts + counts
        divisor = np.where(total > 0, total, 1.0)
        delta = means - self._means  # (C, d)
        self._scatter += scatter + (delta**2).sum(axis=1) * self._counts * counts / divisor
        self._means += delta * (counts / divisor)[:, None]
        self._counts = total


def _to_numpy(array: Array) -> NDArray[np.float64]:
    if is_torch_array(array):
        array = array.detach().cpu().numpy()
    return np.asarray(array, dtype=np.float64)
