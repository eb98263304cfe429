"""All class means in a plane, turned onto the ring that the vertices of a simplex ETF form in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import NO_BUCKET, bucket_of
from mlcnc.analysis.geometry.class_arrows import simplex_vertices
from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.metrics.geometry import centred_class_means
from mlcnc.store import Run


@dataclass(frozen=True)
class ClassRing:
    """Centred class means of length one in the plane in which an ETF is a regular polygon.

    Attributes:
        class_names, buckets: (C,) by falling training count, around the ring; no class without a mean.
        points: by split, (C, 2); NaN where the split has no mean of a class.
        ideal: (C, 2) where the vertices of a simplex ETF lie.
        epoch: from 0.
    """

    class_names: tuple[str, ...]
    buckets: tuple[str, ...]
    points: dict[str, NDArray[np.float64]]
    ideal: NDArray[np.float64]
    epoch: int


def class_ring(run: Run, epoch: int, space: str) -> ClassRing | None:
    """Return the class means of training and test features in one plane.

    The means of training features (of test features where those were not stored) are turned, and mirrored
    where needed, onto a simplex ETF as well as they can; those of the other split are turned with them, so
    that both lie in the same plane. Of an exact ETF every point lies on its vertex.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        space: of the features.

    Returns:
        None where fewer than three classes have a mean, or the epoch stored none.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    arrays = run.arrays(epoch)
    found = {
        split: statistics
        for split in ("train", "test")
        if (statistics := stored_statistics(arrays, f"{split}.{space}")) is not None
    }
    if not found:
        return None
    first = next(iter(found.values()))
    counts = np.array(run.info.class_counts)
    order = np.array([i for i in np.argsort(-counts, kind="stable") if first.present[i]], dtype=np.int64)
    if len(order) < 3:
        return None
    arrows = {split: _arrows(of.class_means[order], of.present[order]) for split, of in found.items()}
    ideal = simplex_vertices(len(order))
    left, _, right = np.linalg.svd(next(iter(arrows.values())).T @ ideal, full_matrices=False)
    plane = (left @ right)[:, :2]  # (d, 2)
    buckets = bucket_of(run)
    return ClassRing(
        class_names=tuple(run.info.class_names[i] for i in order),
        buckets=tuple(buckets.get(int(i), NO_BUCKET) for i in order),
        points={split: rows @ plane for split, rows in arrows.items()},
        ideal=ideal[:, :2],
        epoch=epoch,
    )


def _arrows(means: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows = np.full(means.shape, np.nan)
    centred = centred_class_means(means[present], "class")
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    rows[present] = centred / np.where(norms > 0, norms, 1.0)
    return rows
