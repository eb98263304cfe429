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
    on_host,
    require_real,
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


def tag_average(image_features: Array, targets: Array) -> TagAverage:
    r"""Return multi-label neural collapse of the image-level features of a split.

    Beside the features it holds one mean a class: the mean of a tag set goes as soon as its inner products with
    those and its residual are known.

    Args:
        image_features: (N, q).
        targets: (N, C), 0 or 1; images without a label are left.

    Raises:
        ValueError: a shape does not fit, a feature is not finite or a target is not 0 or 1.

    Formula: $NC_m = A/B$; A: mean angle between $m_{\{i,j\}}$ and $m_i+m_j$ over observed pairs; B: mean
        of that angle over all pairs i<j for every observed set; residual: mean of
        $\min_a \lVert m_S-a\sum_{i\in S}m_i\rVert^2/\lVert m_S\rVert^2$
    Range: NC_m [0, inf), 0 collapse, near 1 chance; residual [0, 1].
    Convention: uncentred image-level features; single means from images with one label only; a set
        is usable only if all its classes have one.
    Source: Li et al. (ICML 2024), NC_m; residual ours.
    """
    require_real(image_features, "image_features")
    require_real(targets, "targets")
    require_shape("image_features", image_features.shape, ("N", "q"))
    require_shape("targets", targets.shape, (image_features.shape[0], "C"), like="image_features")
    check_binary(targets)
    check_finite(image_features, "image_features")
    features, table = on_host(image_features), to_numpy(targets) > 0
    sets, members = _observed_sets(table)  # (T, C), T index arrays
    sizes = sets.sum(axis=1)
    (alone,) = np.nonzero(sizes == 1)
    single = sets[alone].argmax(axis=1)  # (S,) the classes with an image of their own
    singles = _means(features, [members[row] for row in alone])  # (S, q)
    several = sizes > 1
    lacking = np.ones(table.shape[1], dtype=bool)
    lacking[single] = False
    (usable,) = np.nonzero(several & ~(sets & lacking).any(axis=1))
    of_set = sets[usable][:, single]  # (U, S)
    inner, norms, residuals = np.zeros(of_set.shape), np.zeros(len(usable)), np.zeros(len(usable))
    step = rows_per_chunk(features)
    for start in range(0, len(usable), step):
        part = slice(start, start + step)
        means = _means(features, [members[row] for row in usable[part]])  # (b, q)
        inner[part] = means @ singles.T
        norms[part] = np.linalg.norm(means, axis=1)
        residuals[part] = _residuals(means, of_set[part] @ singles)
    (chosen,) = np.nonzero(sizes[usable] == 2)
    matched, everything = _pair_angles(inner[chosen], norms[chosen], singles @ singles.T, of_set[chosen])
    counts = np.zeros(table.shape[1], dtype=np.int64)
    counts[single] = [len(members[row]) for row in alone]
    return TagAverage(
        ratio=matched / everything if len(chosen) and everything > 0 else NAN,
        matched_angle=matched,
        all_angle=everything,
        pairs=tuple(sorted((int(i), int(j)) for i, j in map(np.flatnonzero, sets[usable[chosen]]))),
        residual=mean_of_defined(residuals[chosen]),
        residual_all=mean_of_defined(residuals),
        num_tag_sets=int(several.sum()),
        num_usable_sets=len(usable),
        single_counts=counts,
    )


def _observed_sets(table: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[NDArray[np.int64]]]:
    """Return (T, C) the different sets of labels and the images of each."""
    (tagged,) = np.nonzero(table.any(axis=1))
    packed = np.packbits(table[tagged], axis=1)
    _, first, members = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(members.reshape(-1), kind="stable")
    counts = np.bincount(members.reshape(-1), minlength=len(first))
    return table[tagged[first]], np.split(tagged[order], np.cumsum(counts)[:-1])


def _means(features: NDArray[Any], members: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return (T, q) the mean feature of each list of images."""
    step = rows_per_chunk(features)
    means = np.zeros((len(members), features.shape[1]))
    for mean, images in zip(means, members, strict=True):
        for start in range(0, len(images), step):
            mean += features[images[start : start + step]].sum(axis=0, dtype=np.float64)
        mean /= len(images)
    return means


def _pair_angles(
    inner: NDArray[np.float64],
    norms: NDArray[np.float64],
    gram: NDArray[np.float64],
    of_set: NDArray[np.bool_],
) -> tuple[float, float]:
    """Return the mean angle of pair means to the sum of their own two single means, and to that of any two.

    Args:
        inner: (U, S) of pair means with single means.
        norms: (U,) of pair means.
        gram: (S, S) inner products of the single means.
        of_set: (U, S) the two classes of each pair.
    """
    if len(inner) == 0:
        return NAN, NAN
    first, second = np.triu_indices(len(gram), k=1)
    lengths = np.sqrt(np.maximum(np.diag(gram)[first] + np.diag(gram)[second] + 2 * gram[first, second], 0.0))
    matched, everything = [], []
    for row, norm, own in zip(inner, norms, of_set, strict=True):
        sizes = norm * lengths
        cosines = (row[first] + row[second]) / np.where(sizes > 0, sizes, NAN)  # a zero vector has no angle
        angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
        matched.append(angles[own[first] & own[second]][0])
        everything.append(mean_of_defined(angles))
    return mean_of_defined(matched), mean_of_defined(everything)


def _residuals(means: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (U,) the squared relative distance of each mean to the line through its total."""
    sizes, lengths = (means**2).sum(axis=1), (totals**2).sum(axis=1)
    usable = (sizes > 0) & (lengths > 0)
    slopes = (means * totals).sum(axis=1) / np.where(usable, lengths, 1.0)
    # from the difference itself: 1 - cos^2 has no digit left near collapse
    gaps = means - slopes[:, None] * totals
    return np.where(usable, (gaps**2).sum(axis=1) / np.where(usable, sizes, 1.0), np.nan)
