"""Angles between class means, label embeddings or classifier vectors, against the simplex ETF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.etf import optimal_angle_degrees
from mlcnc.metrics.geometry import (
    AngleSummary,
    Centring,
    angle_summary,
    gram_distance,
    gram_distance_floor,
    pairwise_angles,
)
from mlcnc.store import Run

__all__ = [
    "AngleRecord",
    "Centring",
    "ClosestPair",
    "bucket_of",
    "class_mean_angles",
    "closest_pairs",
    "geometry_sentence",
    "gram_angles",
]


@dataclass(frozen=True)
class AngleRecord:
    """A matrix of angles with everything its chart needs.

    Attributes:
        title: what the angles are between.
        angles: (C, C) degrees in the order of ``order``, diagonal 0.
        order: (C,) class indices by falling training count.
        class_names, class_counts, buckets: (C,) in that order.
        optimum: arccos(-1/(C-1)) in degrees.
        summary: over pairs; its ``closest_pair`` indexes the ordered classes.
        gram: distance of the centred Gram matrix to an ETF's, NaN for label embedding and classifier.
        gram_floor: the smallest value that distance can take in this dimension.
        epoch: from 0.
    """

    title: str
    angles: NDArray[np.float64]
    order: NDArray[np.int64]
    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]
    buckets: tuple[str, ...]
    optimum: float
    summary: AngleSummary
    gram: float
    gram_floor: float
    epoch: int


@dataclass(frozen=True)
class ClosestPair:
    """Two classes with a small angle."""

    first: str
    second: str
    first_count: int
    second_count: int
    angle: float


def class_mean_angles(
    run: Run, epoch: int, *, split: str, space: str, centring: Centring
) -> AngleRecord | None:
    """Return the angles between class means, or None where the epoch did not store them.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        split: ``train`` or ``test``.
        space: ``f`` or ``mu``.
        centring: ``none`` or ``class``.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    arrays = run.arrays(epoch)
    name = f"{split}.{space}/class_means"
    if name not in arrays:
        return None
    means = arrays.get(name).astype(np.float64)
    words = "uncentred" if centring == "none" else "centred by their own mean"
    return _record(
        run,
        epoch,
        f"class means of {split} features {space}, {words}",
        pairwise_angles(means, centring=centring),
        gram=gram_distance(means),
        floor=gram_distance_floor(means.shape[0], means.shape[1]),
    )


def gram_angles(run: Run, epoch: int, subject: Literal["label embedding", "classifier"]) -> AngleRecord | None:
    """Return the (uncentred) angles between label embeddings or classifier vectors, or None.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    arrays = run.arrays(epoch)
    name = f"{subject.replace(' ', '_')}/gram"
    if name not in arrays:
        return None
    gram = arrays.get(name).astype(np.float64)
    norms = np.sqrt(np.diag(gram))
    cosines = gram / np.where(norms > 0, norms, np.nan)[:, None] / np.where(norms > 0, norms, np.nan)[None, :]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    np.fill_diagonal(angles, np.where(norms > 0, 0.0, np.nan))
    return _record(run, epoch, f"{subject} vectors, uncentred", angles, gram=float("nan"), floor=0.0)


def closest_pairs(record: AngleRecord, number: int = 10) -> list[ClosestPair]:
    """Return the pairs of classes with the smallest angles, smallest first."""
    rows, columns = np.triu_indices(len(record.angles), k=1)
    values = record.angles[rows, columns]
    ranked = [i for i in np.argsort(values, kind="stable") if np.isfinite(values[i])][:number]
    return [
        ClosestPair(
            record.class_names[rows[i]],
            record.class_names[columns[i]],
            record.class_counts[rows[i]],
            record.class_counts[columns[i]],
            float(values[i]),
        )
        for i in ranked
    ]


def geometry_sentence(record: AngleRecord) -> str:
    """Return one sentence: spread and smallest angle against the optimum, and the pair that has it."""
    summary = record.summary
    if summary.closest_pair is None:
        return "Fewer than two classes have a class mean, so there is no angle to show."
    first, second = (record.class_names[index] for index in summary.closest_pair)
    return (
        f"{summary.num_classes} classes: the closest pair, {first} and {second}, is {summary.minimum:.1f}° "
        f"apart where an ETF has {record.optimum:.1f}°; angles spread by {summary.std:.1f}° (ETF: 0°), "
        f"mean {summary.mean:.1f}°."
    )


def bucket_of(run: Run) -> dict[int, str]:
    """Return the bucket (head, medium or tail) of each class index."""
    return {index: name for name, members in run.info.groups.items() for index in members}


def _record(
    run: Run, epoch: int, title: str, angles: NDArray[np.float64], *, gram: float, floor: float
) -> AngleRecord:
    counts = np.array(run.info.class_counts)
    order = np.argsort(-counts, kind="stable")
    buckets = bucket_of(run)
    ordered = angles[np.ix_(order, order)]
    return AngleRecord(
        title=title,
        angles=ordered,
        order=order,
        class_names=tuple(run.info.class_names[i] for i in order),
        class_counts=tuple(int(counts[i]) for i in order),
        buckets=tuple(buckets.get(int(i), "?") for i in order),
        optimum=optimal_angle_degrees(len(angles)),
        summary=angle_summary(ordered),
        gram=gram,
        gram_floor=floor,
        epoch=epoch,
    )
