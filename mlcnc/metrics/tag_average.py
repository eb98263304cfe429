"""Multi-label neural collapse of image-level features: are tag sets averages of single tags?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.namespace import (
    Array,
    check_binary,
    check_finite,
    mean_of_defined,
    rows_per_chunk,
    to_numpy,
)

NAN = float("nan")


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
        check_finite(image_features, "image_features")
        table = to_numpy(targets) > 0
        step = rows_per_chunk(image_features)
        for start in range(0, len(table), step):
            rows = to_numpy(image_features[start : start + step])
            self._add(rows, table[start : start + step])

    def _add(self, rows: NDArray[np.float64], table: NDArray[np.bool_]) -> None:
        tagged = np.flatnonzero(table.any(axis=1))
        if len(tagged) == 0:
            return
        _, first, members = np.unique(
            np.packbits(table[tagged], axis=1), axis=0, return_index=True, return_inverse=True
        )
        order = np.argsort(members.reshape(-1), kind="stable")
        counts = np.bincount(members.reshape(-1))
        sums = np.add.reduceat(rows[tagged[order]], np.cumsum(counts) - counts, axis=0)  # (sets, q)
        for index, (total, count) in enumerate(zip(sums, counts.tolist(), strict=True)):
            tags = tuple(np.flatnonzero(table[tagged[first[index]]]).tolist())
            self._sums[tags] = self._sums[tags] + total if tags in self._sums else total.copy()
            self._counts[tags] = self._counts.get(tags, 0) + count

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
        sets = sorted(tags for tags in self._sums if len(tags) > 1)
        single = [label for label in range(self.num_classes) if (label,) in self._sums]
        alone = set(single)
        usable = [tags for tags in sets if alone.issuperset(tags)]
        means = self._means(usable)  # (U, q)
        singles = self._means([(label,) for label in single])  # (S, q)
        place = {label: row for row, label in enumerate(single)}
        of_set = np.zeros((len(usable), len(single)))
        for row, tags in enumerate(usable):
            of_set[row, [place[label] for label in tags]] = 1.0
        residuals = _residuals(means, of_set @ singles)
        chosen = [row for row, tags in enumerate(usable) if len(tags) == 2]
        matched, everything = _pair_angles(means[chosen], singles, of_set[chosen])
        return TagAverage(
            ratio=matched / everything if chosen and everything > 0 else NAN,
            matched_angle=matched,
            all_angle=everything,
            pairs=tuple((usable[row][0], usable[row][1]) for row in chosen),
            residual=mean_of_defined(residuals[chosen]),
            residual_all=mean_of_defined(residuals),
            num_tag_sets=len(sets),
            num_usable_sets=len(usable),
            single_counts=np.array([self._counts.get((label,), 0) for label in range(self.num_classes)]),
        )

    def _means(self, sets: list[tuple[int, ...]]) -> NDArray[np.float64]:
        rows = [self._sums[tags] / self._counts[tags] for tags in sets]
        return np.array(rows).reshape(len(sets), self.dim)


def _pair_angles(
    means: NDArray[np.float64], singles: NDArray[np.float64], of_set: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the mean angle of pair means to the sum of their own two single means, and to that of any two."""
    if len(means) == 0:
        return NAN, NAN
    gram, inner = singles @ singles.T, means @ singles.T  # no (pairs of classes, q) table of sums
    first, second = np.triu_indices(len(singles), k=1)
    lengths = np.sqrt(np.maximum(np.diag(gram)[first] + np.diag(gram)[second] + 2 * gram[first, second], 0.0))
    norms = np.linalg.norm(means, axis=1)
    matched, everything = [], []
    for row, norm, own in zip(inner, norms, of_set > 0, strict=True):
        sizes = np.maximum(norm * lengths, 1e-300)
        angles = np.degrees(np.arccos(np.clip((row[first] + row[second]) / sizes, -1.0, 1.0)))
        matched.append(angles[own[first] & own[second]][0])
        everything.append(angles.mean())
    return float(np.mean(matched)), float(np.mean(everything))


def _residuals(means: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (U,) the squared relative distance of each mean to the line through its total."""
    sizes, lengths = (means**2).sum(axis=1), (totals**2).sum(axis=1)
    usable = (sizes > 0) & (lengths > 0)
    slopes = (means * totals).sum(axis=1) / np.where(usable, lengths, 1.0)
    # from the difference itself: 1 - cos^2 has no digit left near collapse
    gaps = means - slopes[:, None] * totals
    return np.where(usable, (gaps**2).sum(axis=1) / np.where(usable, sizes, 1.0), np.nan)
