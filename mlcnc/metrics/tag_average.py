"""Multi-label neural collapse of image-level features: are tag sets averages of single tags?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.namespace import Array, as_float64, check_binary, mean_of_defined, to_numpy


@dataclass(frozen=True)
class TagAverage:
    """Multi-label NC of one split.

    Attributes:
        ratio: NC_m, mean angle of matching pairs over mean angle of all pairs; 0 is collapse, near 1
            chance. NaN without a usable pair.
        matched_angle, all_angle: its two parts, degrees.
        pairs: observed label pairs whose two classes both have an image of their own.
        residual: mean over those pairs of the squared relative distance of their mean to the line
            through the sum of the two single-label means, in [0, 1].
        residual_all: the same over all usable tag sets of two or more labels.
        num_tag_sets: observed sets of two or more labels.
        num_usable_sets: those of which every class has a single-label image: the coverage.
        single_counts: (C,) images with that label alone.
    """

    ratio: float
    matched_angle: float
    all_angle: float
    pairs: tuple[tuple[int, int], ...]
    residual: float
    residual_all: float
    num_tag_sets: int
    num_usable_sets: int
    single_counts: NDArray[np.int64]


class TagMeansAccumulator:
    """Mean image-level feature of every observed set of labels.

    Args:
        num_classes: C.
        dim: q, of the image-level feature.
    """

    def __init__(self, num_classes: int, dim: int) -> None:
        self.num_classes = num_classes
        self.dim = dim
        self._sums: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self._counts: dict[tuple[int, ...], int] = {}

    def update(self, image_features: Array, targets: Array) -> None:
        """Add a batch: (B, q) features and (B, C) targets of 0 or 1; images without a label are left."""
        require_shape("image_features", image_features.shape, ("B", self.dim))
        require_shape("targets", targets.shape, (image_features.shape[0], self.num_classes))
        check_binary(targets)
        rows = to_numpy(as_float64(image_features)[1])
        if not np.isfinite(rows).all():
            raise ValueError("image_features must be finite, got NaN or infinity; did the training diverge?")
        for row, labels in zip(rows, to_numpy(targets), strict=True):
            tags = tuple(int(index) for index in np.flatnonzero(labels))
            if tags:
                self._sums[tags] = self._sums.get(tags, 0.0) + row
                self._counts[tags] = self._counts.get(tags, 0) + 1

    def merge(self, other: TagMeansAccumulator) -> None:
        """Add what another accumulator has seen."""
        for tags, total in other._sums.items():
            self._sums[tags] = self._sums.get(tags, 0.0) + total
            self._counts[tags] = self._counts.get(tags, 0) + other._counts[tags]

    def all_reduce(self, group: Any = None) -> None:
        """Add up over the processes of a torch.distributed group.

        Tag sets differ between processes, so the small tables are gathered as objects and merged.
        """
        from torch import distributed

        tables: list[TagMeansAccumulator] = [self] * distributed.get_world_size(group)
        distributed.all_gather_object(tables, self, group)
        self._sums, self._counts = {}, {}
        for table in tables:
            self.merge(table)

    def compute(self) -> TagAverage:
        r"""Return multi-label neural collapse of the features seen so far.

        Formula: $NC_m = A/B$; A: mean angle between $m_{\{i,j\}}$ and $m_i+m_j$ over observed pairs; B: mean
            of that angle over all pairs i<j for every observed set; residual: mean of
            $\min_a \lVert m_S-a\sum_{i\in S}m_i\rVert^2/\lVert m_S\rVert^2$
        Range: NC_m [0, inf), 0 collapse, near 1 chance; residual [0, 1].
        Convention: uncentred image-level features; single means from images with one label only; a set
            is usable only if all its classes have one.
        Source: Li et al. (ICML 2024), NC_m; residual ours.
        """
        means = {tags: total / self._counts[tags] for tags, total in self._sums.items()}
        single = {tags[0]: mean for tags, mean in means.items() if len(tags) == 1}
        sets = sorted(tags for tags in means if len(tags) > 1)
        usable = [tags for tags in sets if all(label in single for label in tags)]
        pairs = [tags for tags in usable if len(tags) == 2]
        nan = float("nan")
        matched = everything = nan
        if pairs:
            every = list(combinations(sorted(single), 2))
            sums = np.stack([single[i] + single[j] for i, j in every])  # (pairs of classes, q)
            table = _angles(np.stack([means[tags] for tags in pairs]), sums)
            matched = float(np.mean([table[row, every.index(tags)] for row, tags in enumerate(pairs)]))
            everything = float(table.mean())
        residuals = {tags: _residual(means[tags], sum(single[label] for label in tags)) for tags in usable}
        return TagAverage(
            ratio=matched / everything if pairs and everything > 0 else nan,
            matched_angle=matched,
            all_angle=everything,
            pairs=tuple((tags[0], tags[1]) for tags in pairs),
            residual=mean_of_defined(np.array([residuals[tags] for tags in pairs])),
            residual_all=mean_of_defined(np.array(list(residuals.values()))),
            num_tag_sets=len(sets),
            num_usable_sets=len(usable),
            single_counts=np.array([self._counts.get((label,), 0) for label in range(self.num_classes)]),
        )


def _angles(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    a = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-300)
    b = second / np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-300)
    return np.degrees(np.arccos(np.clip(a @ b.T, -1.0, 1.0)))


def _residual(mean: NDArray[np.float64], total: NDArray[np.float64] | int) -> float:
    size, length = float(mean @ mean), float(np.dot(total, total))
    if size == 0.0 or length == 0.0:
        return float("nan")
    # from the difference itself: 1 - cos^2 has no digit left near collapse
    gap = mean - float(mean @ np.asarray(total)) / length * np.asarray(total)
    return float(gap @ gap) / size
