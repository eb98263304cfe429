"""The order in which classes are drawn: by frequency, by cluster of small angles, or by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import AngleRecord
from mlcnc.metrics.geometry import angle_summary

ClassOrder = Literal["frequency", "cluster", "name"]
CLASS_ORDERS: tuple[ClassOrder, ...] = ("frequency", "cluster", "name")


def ordered_classes(record: AngleRecord, order: ClassOrder) -> NDArray[np.int64]:
    """Return the class indices in the order wanted.

    Args:
        record: classes by falling training count, as ``class_mean_angles`` gives them.
        order: ``frequency`` (as they are), ``cluster`` (classes with small angles next to each other) or
            ``name``.

    Returns:
        (C,) a permutation of 0..C-1.
    """
    if order == "cluster":
        return record.order[clustered(record.angles)]
    if order == "name":
        return record.order[np.argsort(record.class_names, kind="stable")]
    return record.order


def clustered(angles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return an order in which classes with small mutual angles are neighbours.

    Clusters are merged by the mean of the angles between them, the nearest two first and of equals the
    first ones; when two merge, either may be turned round so that the nearest ends meet.

    Args:
        angles: (C, C) degrees, symmetric; a class without a mean has NaN.

    Returns:
        (C,) a permutation of 0..C-1; classes without a mean come last.

    Example:
        >>> clustered(np.array([[0.0, 90.0, 10.0], [90.0, 0.0, 80.0], [10.0, 80.0, 0.0]])).tolist()
        [0, 2, 1]
    """
    defined = np.flatnonzero(np.isfinite(angles).sum(axis=1) > 1)
    missing = np.setdiff1d(np.arange(len(angles)), defined)
    chains = [[int(index)] for index in defined]
    between = angles[np.ix_(defined, defined)].astype(np.float64)
    np.fill_diagonal(between, np.inf)
    between = np.where(np.isnan(between), np.inf, between)
    while len(chains) > 1:
        first, second = sorted(divmod(int(np.argmin(between)), len(chains)))
        sizes = len(chains[first]), len(chains[second])
        merged = (sizes[0] * between[first] + sizes[1] * between[second]) / sum(sizes)
        between[first], between[:, first], between[first, first] = merged, merged, np.inf
        between = np.delete(np.delete(between, second, axis=0), second, axis=1)
        chains[first] = _joined(chains[first], chains.pop(second), angles)
    return np.array([*(chains[0] if chains else []), *missing], dtype=np.int64)


def reordered(record: AngleRecord, classes: NDArray[np.int64]) -> AngleRecord:
    """Return the record with its classes in the order of the class indices ``classes``, (C,)."""
    # with other training counts its own order is another than that of the run that ``classes`` come from
    positions = np.argsort(record.order)[classes]
    angles = record.angles[np.ix_(positions, positions)]
    return replace(
        record,
        angles=angles,
        order=classes,
        class_names=tuple(record.class_names[i] for i in positions),
        class_counts=tuple(record.class_counts[i] for i in positions),
        buckets=tuple(record.buckets[i] for i in positions),
        summary=angle_summary(angles),
        num_features=None if record.num_features is None else tuple(record.num_features[i] for i in positions),
    )


def _joined(one: list[int], two: list[int], angles: NDArray[np.float64]) -> list[int]:
    choices = [(a, b) for a in (one, one[::-1]) for b in (two, two[::-1])]
    gaps = [angles[a[-1], b[0]] for a, b in choices]
    best, other = choices[int(np.argmin(gaps))]
    return [*best, *other]
