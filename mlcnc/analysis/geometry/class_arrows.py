"""A few class means as arrows in three dimensions, turned onto the simplex they would form in an ETF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import NO_BUCKET, AngleRecord, bucket_of
from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.etf import optimal_angle_degrees
from mlcnc.metrics.geometry import angles_of, centred_class_means, pairwise_cosines
from mlcnc.store import Run

MIN_ARROWS, MAX_ARROWS = 2, 6
EXACT_ARROWS = 4
"""So many means, centred by their own mean, span at most three dimensions: nothing is lost."""


@dataclass(frozen=True)
class ClassArrows:
    """Class means of chosen classes, centred by the mean of the chosen ones, as unit arrows.

    Attributes:
        class_names, buckets: (k,) in the order chosen.
        num_features: (k,) behind each mean.
        points: (k, 3) tips of the arrows; shorter than 1 where a projection loses length.
        ideal: (k, 3) where the tips of a regular simplex lie.
        angles: (k, k) degrees between the arrows, before any projection.
        optimum: angle of a regular simplex of k vertices, arccos(-1/(k-1)).
        kept: share of the squared length of the arrows that three dimensions keep; 1 for up to four.
        epoch: from 0.
    """

    class_names: tuple[str, ...]
    buckets: tuple[str, ...]
    num_features: tuple[int, ...]
    points: NDArray[np.float64]
    ideal: NDArray[np.float64]
    angles: NDArray[np.float64]
    optimum: float
    kept: float
    epoch: int


def class_arrows(run: Run, epoch: int, classes: Sequence[str], *, split: str, space: str) -> ClassArrows | None:
    """Return the arrows of some classes, turned (and mirrored) to lie on a regular simplex as well as they can.

    Equal distances between class means make a regular simplex of any subset of them, so in an ETF the arrows
    and the simplex coincide.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        classes: two to six names.
        split, space: of the features.

    Returns:
        None where the epoch stored no class means, or a chosen class has no feature or is no class of the run.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
        ValueError: fewer than two or more than six classes.
    """
    if not MIN_ARROWS <= len(classes) <= MAX_ARROWS:
        raise ValueError(f"arrows need {MIN_ARROWS} to {MAX_ARROWS} classes, got {len(classes)}")
    statistics = stored_statistics(run.arrays(epoch), f"{split}.{space}")
    if statistics is None or any(name not in run.info.class_names for name in classes):
        return None
    index = [run.info.class_names.index(name) for name in classes]
    means = statistics.class_means[index]
    if not np.isfinite(means).all() or any(statistics.class_counts[i] < 1 for i in index):
        return None
    centred = centred_class_means(means, "class")
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    arrows = centred / np.where(norms > 0, norms, 1.0)
    ideal = simplex_vertices(len(classes))
    turned = _turned_onto(arrows, ideal)
    length = float((turned**2).sum())
    buckets = bucket_of(run)
    return ClassArrows(
        class_names=tuple(classes),
        buckets=tuple(buckets.get(i, NO_BUCKET) for i in index),
        num_features=tuple(int(statistics.class_counts[i]) for i in index),
        points=_three(turned),
        ideal=_three(ideal),
        angles=angles_of(pairwise_cosines(centred)),
        optimum=optimal_angle_degrees(len(classes)),
        kept=float((turned[:, :3] ** 2).sum()) / length if length > 0 else 1.0,
        epoch=epoch,
    )


def simplex_vertices(number: int) -> NDArray[np.float64]:
    """Return unit vectors with equal angles, (k, k-1): the vertices of a regular simplex around 0.

    Columns are waves of rising frequency over the vertices, so that the first three spread them evenly.
    """
    steps = np.arange(number)
    waves = []
    for frequency in range(1, number // 2 + 1):
        waves.append(np.cos(2 * np.pi * frequency * steps / number))
        if 2 * frequency < number:
            waves.append(np.sin(2 * np.pi * frequency * steps / number))
    basis = np.stack(waves, axis=1)
    basis /= np.linalg.norm(basis, axis=0)
    return np.asarray(np.sqrt(number / (number - 1)) * basis)


def default_classes(record: AngleRecord, number: int = EXACT_ARROWS) -> list[str]:
    """Return the closest pair and the most frequent other classes that have a mean."""
    present = [
        i
        for i in np.argsort(-np.array(record.class_counts), kind="stable")
        if np.isfinite(record.angles[i]).sum() > 1
    ]
    chosen = [*(record.summary.closest_pair or ()), *present]
    return [record.class_names[i] for i in dict.fromkeys(chosen)][:number]


def arrows_sentence(record: ClassArrows) -> str:
    """Return how far the chosen classes are from a regular simplex, and whether the picture is exact."""
    rows, columns = np.triu_indices(len(record.class_names), k=1)
    angles = record.angles[rows, columns]
    if not np.isfinite(angles).all():
        return "Two of the chosen classes share one mean, so their arrows have no direction."
    worst = int(np.argmax(np.abs(angles - record.optimum)))
    pair = f"{record.class_names[rows[worst]]} and {record.class_names[columns[worst]]}"
    exact = (
        "nothing is lost in three dimensions"
        if record.kept > 1 - 1e-9
        else f"a projection that keeps {100 * record.kept:.0f} % of the squared length"
    )
    return (
        f"{len(record.class_names)} arrows at epoch {record.epoch + 1}: furthest from the "
        f"{record.optimum:.1f}° of a regular simplex are {pair} with {angles[worst]:.1f}°; {exact}."
    )


def _turned_onto(arrows: NDArray[np.float64], ideal: NDArray[np.float64]) -> NDArray[np.float64]:
    left, sizes, _ = np.linalg.svd(arrows, full_matrices=False)
    rank = ideal.shape[1]
    own = np.zeros((len(arrows), rank))
    count = min(rank, len(sizes))
    own[:, :count] = (left * sizes)[:, :count]
    one, _, two = np.linalg.svd(own.T @ ideal)
    return np.asarray(own @ (one @ two))


def _three(points: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.zeros((len(points), 3))
    width = min(3, points.shape[1])
    padded[:, :width] = points[:, :width]
    return padded
