"""Exact per-class count, mean and scatter of features, in one pass over batches.

Class-wise features (B, C, d) have one feature of an image for every class, image-wise features (B, d) one
that stands for all of them. Only the positives of a class enter its statistics: an image with k labels gives
k rows, each to its own class; of image-wise features these rows are equal. Everything is accumulated in
float64 with the pairwise update of Chan, Golub and LeVeque (1979), because E|x|^2 - |E x|^2 loses every digit
once features collapse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.accumulation import all_reduce_sum
from mlcnc.metrics.namespace import (
    ROUNDING,
    Array,
    as_float64,
    check_binary,
    check_finite,
    checked_batch,
    checked_rows,
    like,
    positive_pairs,
    require_real,
    rows_per_chunk,
    to_numpy,
)


@dataclass(frozen=True)
class ClassStatistics:
    """Sufficient statistics of one feature space on one split.

    Attributes:
        class_means: (C, d) float64, mean over the positives of each class; NaN rows where a class
            has no positive.
        class_counts: (C,) int64, number of positives n_c.
        within_scatter: (C,) float64, sum over positives of ``|x - m_c|^2``; divide by n_c for the
            (population) variance. NaN throughout where nobody kept it: what hangs on it is NaN then.
        negative_means: (C, d) float64, mean of the class's feature, or of the image's, over the images
            without the class; NaN rows where every image has it; None where only rows of positives were seen.
        num_images: N, or None where only rows of positives were seen.
        negative_scatter: (C,) float64, sum over the images without the class of the squared distance to
            ``negative_means``; None where that is.
    """

    class_means: NDArray[np.float64]
    class_counts: NDArray[np.int64]
    within_scatter: NDArray[np.float64]
    negative_means: NDArray[np.float64] | None = None
    num_images: int | None = None
    negative_scatter: NDArray[np.float64] | None = None

    @property
    def variances(self) -> NDArray[np.float64]:
        """(C,) trace of each class covariance, divisor n_c; NaN where a class has no positive."""
        counts = self.class_counts.astype(np.float64)
        empty = counts == 0
        return np.where(empty, np.nan, self.within_scatter / np.where(empty, 1.0, counts))

    @property
    def negative_variances(self) -> NDArray[np.float64] | None:
        """(C,) trace of the covariance over images without the class; NaN where every image has it; or None."""
        if self.negative_scatter is None or self.num_images is None:
            return None
        counts = self.num_images - self.class_counts.astype(np.float64)
        return np.asarray(self.negative_scatter / np.where(counts > 0, counts, np.nan))

    @property
    def present(self) -> NDArray[np.bool_]:
        """(C,) whether the class has a positive; their number is the effective C."""
        return np.asarray(self.class_counts > 0)

    def check(self) -> None:
        """Refuse a class that is counted but has no mean: some metrics would leave it out and others not.

        Raises:
            ValueError: the means are not (C, d) real numbers, or that of a class with a positive is not finite.
        """
        require_real(self.class_means, "class_means")
        require_shape("class_means", self.class_means.shape, (len(self.class_counts), "d"), like="class_counts")
        bad = self.present & ~np.isfinite(self.class_means).all(axis=1)
        if bad.any():
            raise ValueError(
                "class_means must be finite for every class with a positive, got NaN or infinity for class "
                f"{int(bad.argmax())}; did the training diverge?"
            )

    @property
    def centre(self) -> NDArray[np.float64]:
        """(d,) mean of the class means, zeros where no class has a positive."""
        self.check()
        present = self.present
        if not present.any():
            return np.zeros(self.class_means.shape[1])
        return np.asarray(self.class_means[present].mean(axis=0))

    @property
    def contrast(self) -> NDArray[np.float64]:
        """(C, d) positive minus negative mean, NaN rows where either is undefined."""
        return self.class_means - (np.nan if self.negative_means is None else self.negative_means)

    @property
    def overall_mean(self) -> NDArray[np.float64] | None:
        """(d,) mean of every feature, negatives included: the centre ``all``; or None."""
        if self.negative_means is None or not self.num_images:
            return None
        counts = self.class_counts.astype(np.float64)
        total = counts @ np.nan_to_num(self.class_means)  # a mean is NaN only where its count is 0
        total += (self.num_images - counts) @ np.nan_to_num(self.negative_means)
        return np.asarray(total / (len(counts) * self.num_images))


class ClassStatisticsAccumulator:
    """Accumulates :class:`ClassStatistics` over batches of any size and order.

    Feed it either batches of images (``update``), all class-wise or all image-wise, or rows with one label
    each (``update_rows``), not both: rows have no negatives.

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
        self._totals = np.zeros((self.num_classes, self.dim))  # of all images, with the class and without
        self._spread = np.zeros(self.num_classes)  # sum of squared distances to their mean
        self._num_images = np.zeros(())
        self._num_rows = np.zeros(())

    def update(self, features: Array, targets: Array) -> None:
        """Add one batch.

        Args:
            features: (B, C, d) class-wise or (B, d) image-wise, float, NumPy or torch on any device.
            targets: (B, C), 1 where the image has the class.

        Raises:
            ValueError: the shapes do not fit each other or this accumulator, a feature is not finite
                or a target is not 0 or 1. Nothing of the batch is added then.
        """
        targets = checked_batch(features, targets, self.num_classes, self.dim)
        if features.shape[0] == 0:
            return
        self._absorb_rows(*_positives(features, targets))
        xp = array_namespace(features)
        step = rows_per_chunk(features)
        for start in range(0, features.shape[0], step):
            _, part = as_float64(features[start : start + step])
            total = xp.sum(part, axis=0)  # (C, d), or (d,) for every class
            part = part - total / part.shape[0]
            self._absorb_images(part.shape[0], to_numpy(total), to_numpy(xp.sum(xp.vecdot(part, part), axis=0)))

    def update_rows(self, features: Array, labels: Array) -> None:
        """Add rows that belong to one class each (single-label data, or positive pairs).

        Args:
            features: (n, d) float.
            labels: (n,) int, class of each row, 0 to C-1.

        Raises:
            ValueError: the shapes do not fit, a feature is not finite or a label is no whole number in range.
        """
        require_real(labels, "labels")
        require_shape("labels", labels.shape, ("n",))
        labels = checked_rows(features, labels, self.num_classes, self.dim)
        if features.shape[0] == 0:
            return
        self._absorb_rows(features, *positive_pairs(labels))
        self._num_rows += features.shape[0]

    def merge(self, other: ClassStatisticsAccumulator) -> None:
        """Add what another accumulator has seen, e.g. of another shard."""
        require_shape("other", other._means.shape, (self.num_classes, self.dim), like="this one")
        self._absorb(other._counts, other._means, other._scatter)
        if other._num_images:
            self._absorb_images(float(other._num_images), other._totals, other._spread)
        self._num_rows += other._num_rows

    def all_reduce(self, group: Any = None) -> None:
        """Add up over all processes of a torch.distributed group, exactly, in two SUM reductions.

        First counts and sums give the global means, then each process adds the distance of its own
        means to them to its scatter. Every process calls it once, after its last batch.

        Raises:
            RuntimeError: torch.distributed is not initialised.

        Source: the parallel update of Chan, Golub and LeVeque (1979), by sums only.
        """
        counts, sums = self._counts.copy(), self._means * self._counts[:, None]
        images, own = self._num_images.copy(), self._totals / max(1.0, float(self._num_images))
        all_reduce_sum([counts, sums, self._totals, self._num_images, self._num_rows], group)
        means = sums / np.where(counts > 0, counts, 1.0)[:, None]
        scatter = self._scatter + self._counts * ((self._means - means) ** 2).sum(axis=1)
        middle = self._totals / max(1.0, float(self._num_images))
        spread = self._spread + images * ((own - middle) ** 2).sum(axis=1)
        all_reduce_sum([scatter, spread], group)
        self._counts, self._means, self._scatter, self._spread = counts, means, scatter, spread

    def compute(self) -> ClassStatistics:
        """Return the statistics of everything seen so far."""
        means = self._means.copy()
        counts = self._counts.astype(np.int64)
        # the mean of equal features is off by rounding, and so would be their scatter, which is 0
        rounding = self._counts * (ROUNDING**2 * (means**2).sum(axis=1))
        scatter = np.where(self._scatter > rounding, self._scatter, 0.0)
        means[self._counts == 0] = np.nan
        if self._num_rows or not self._num_images:
            return ClassStatistics(means, counts, scatter)
        negatives = float(self._num_images) - self._counts
        absent = np.where(negatives > 0, negatives, np.nan)[:, None]
        others = (self._totals - self._counts[:, None] * self._means) / absent
        # all images spread as those with and those without the class, and as both means are apart
        apart = (
            np.nansum((self._means - others) ** 2, axis=1) * self._counts * negatives / float(self._num_images)
        )
        rest = self._spread - self._scatter - apart
        rounding = ROUNDING * self._spread + negatives * (ROUNDING**2 * np.nansum(others**2, axis=1))
        rest = np.where(rest > rounding, rest, 0.0)
        return ClassStatistics(means, counts, scatter, others, int(self._num_images), rest)

    def _absorb_images(self, number: float, total: NDArray[np.float64], spread: NDArray[np.float64]) -> None:
        """Add so many images: their sum (C, d) or (d,), and their squared distances to its mean (C,) or ()."""
        before = float(self._num_images)
        delta = total / number - self._totals / max(1.0, before)  # (C, d)
        self._spread += spread + (delta**2).sum(axis=1) * (before * number / (before + number))
        self._totals += total
        self._num_images += number

    def _absorb_rows(self, features: Array, index: Array, labels: Array) -> None:
        xp = array_namespace(features)
        # class after class, so that each piece holds few classes and its matrix product is small
        order = xp.argsort(labels, stable=True)
        step = rows_per_chunk(features)
        for start in range(0, order.shape[0], step):
            chosen = order[start : start + step]
            _, rows = as_float64(xp.take(features, xp.take(index, chosen, axis=0), axis=0))  # (n, d)
            classes = like(rows, xp.take(labels, chosen, axis=0))  # (n,), rising
            here = xp.unique_values(classes)  # (u,)
            place = xp.searchsorted(here, classes)  # (n,)
            membership = xp.astype(here[:, None] == classes[None, :], xp.float64)  # (u, n)
            counts = xp.sum(membership, axis=1)  # (u,)
            means = membership @ rows / counts[:, None]  # (u, d)
            rows -= means if means.shape[0] == 1 else xp.take(means, place, axis=0)
            squares = membership @ xp.vecdot(rows, rows)  # (u,)
            self._absorb(to_numpy(counts), to_numpy(means), to_numpy(squares), to_numpy(here).astype(np.int64))

    def _absorb(
        self,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        scatter: NDArray[np.float64],
        classes: NDArray[np.int64] | slice = slice(None),
    ) -> None:
        own = self._counts[classes]
        total = own + counts
        divisor = np.where(total > 0, total, 1.0)
        delta = means - self._means[classes]  # (u, d)
        self._scatter[classes] += scatter + (delta**2).sum(axis=1) * own * counts / divisor
        self._means[classes] += delta * (counts / divisor)[:, None]
        self._counts[classes] = total


def positive_rows(features: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Return the features of the positive pairs as rows, with class and multiplicity of each.

    Args:
        features: (B, C, d) class-wise, or (B, d) image-wise.
        targets: (B, C), 0 or 1.

    Returns:
        ``(rows, labels, multiplicity)`` of shapes (n, d), (n,), (n,): row, its class, and how many
        labels its image has; in the order of images. A row of image-wise features comes once a label.

    Raises:
        ValueError: a shape does not fit, the feature of a positive is not finite or a target is not 0 or 1.
    """
    require_real(features, "features")
    require_real(targets, "targets")
    if len(features.shape) != 2:
        require_shape("features", features.shape, ("B", "C", "d"))
    require_shape("targets", targets.shape, (*features.shape[:-1], "C")[:2], like="features")
    targets = like(features, targets)
    check_binary(targets)
    xp = array_namespace(features)
    images, labels = positive_pairs(targets)
    vectors, index, _ = _positives(features, targets)
    rows = xp.take(vectors, index, axis=0)
    check_finite(rows, "features")
    multiplicity = xp.sum(xp.astype(targets > 0, xp.int64), axis=1)  # (B,)
    return rows, labels, xp.take(multiplicity, images, axis=0)


def _positives(features: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Return features (M, d), which of them each positive pair has (n,), and its class (n,)."""
    images, labels = positive_pairs(targets)
    if len(features.shape) == 2:
        return features, images, labels
    num_images, num_classes, dim = features.shape
    # about nine cells in ten are negatives: the positives are gathered before any arithmetic
    xp = array_namespace(features)
    return xp.reshape(features, (num_images * num_classes, dim)), images * num_classes + labels, labels
