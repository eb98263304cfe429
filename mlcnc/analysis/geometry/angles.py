"""Angles between class means, against the simplex ETF, and the record of angles of whatever vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.analysis.verdict import Verdict, geometry_verdict
from mlcnc.errors import counted
from mlcnc.etf import optimal_angle_degrees, optimal_cosine
from mlcnc.metrics.geometry import (
    CENTRINGS,
    AngleSummary,
    Centring,
    angle_summary,
    angles_of,
    centred_class_means,
    cosine_std_floor,
    gram_distance,
    gram_distance_floor,
    pairwise_cosines,
)
from mlcnc.metrics.random_directions import RandomDirections, random_directions
from mlcnc.metrics.summary import centred_or_none
from mlcnc.store import Run

CENTRING_WORDS = {
    "none": "uncentred",
    "class": "centred by the mean of the class means",
    "sample": "centred by the mean of all positive features",
    "all": "centred by the mean of all features, negatives included",
}

EQUAL_DEGREES = 0.05
"""Angles nearer to each other are the same: half of the last digit that is shown."""

NOTABLE_DISTANCE, NOTABLE_DEGREES = 0.01, 1.0
"""Smaller differences explain nothing to a reader."""

NO_BUCKET = "no bucket"
"""Of a class that the run counts to none."""

__all__ = [
    "CENTRINGS",
    "CENTRING_WORDS",
    "NO_BUCKET",
    "AngleRecord",
    "Centring",
    "ClosestPair",
    "angle_record",
    "bucket_of",
    "class_mean_angles",
    "closest_pairs",
    "etf_words",
    "geometry_sentence",
    "random_gram_words",
]


@dataclass(frozen=True)
class AngleRecord:
    """A matrix of angles with everything its chart needs.

    Attributes:
        title: what the angles are between.
        angles: (C, C) degrees in the order of ``order``, diagonal 0.
        order: (C,) class indices by falling training count.
        class_names, class_counts, buckets: (C,) in that order.
        optimum: arccos(-1/(C-1)) in degrees; NaN for one class, which has no angle.
        summary: over pairs; its ``closest_pair`` indexes the ordered classes.
        gram: distance of the Gram matrix to an ETF's; centred by ``class`` for class means, uncentred for
            label embedding and classifier.
        gram_floor: the smallest value that distance can take in this dimension.
        epoch: from 0.
        centring: of the vectors.
        std_floor: about the smallest spread of angles in this dimension, degrees; 0 where an ETF fits.
        num_features: (C,) features behind each class mean, None for label embedding and classifier.
        null: what as many random directions of the space give; None where it is not known.
        verdict: on the Gram distance, whatever the centring of the angles; None where none is defined.
        beyond_random: what it means that this distance is above that of random directions; else empty.
        dim: of the space of the vectors, None where it is not known.
        given: that the vectors are fixed before training, so that their angles are no result; else empty.
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
    centring: Centring = "none"
    std_floor: float = 0.0
    num_features: tuple[int, ...] | None = None
    null: RandomDirections | None = None
    verdict: Verdict | None = None
    beyond_random: str = ""
    dim: int | None = None
    given: str = ""

    @property
    def all_equal(self) -> bool:
        """Whether all pairs have one angle within rounding, so that none is the closest."""
        summary = self.summary
        return summary.num_classes > 2 and summary.maximum - summary.minimum < EQUAL_DEGREES


@dataclass(frozen=True)
class ClosestPair:
    """Two classes with a small angle; training images and, for class means, features behind each mean."""

    first: str
    second: str
    first_count: int
    second_count: int
    angle: float
    first_features: int | None = None
    second_features: int | None = None


def class_mean_angles(
    run: Run, epoch: int, *, split: str, space: str, centring: Centring
) -> AngleRecord | None:
    """Return the angles between class means, or None where the epoch did not store them.

    Args:
        run: of which.
        epoch: with stored arrays, from 0.
        split: ``train`` or ``test``.
        space: ``f`` or ``mu``.
        centring: ``none``, ``class``, ``sample`` or ``all``; None is returned for ``all`` where the
            means of negatives were not stored.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    statistics = stored_statistics(run.arrays(epoch), f"{split}.{space}")
    if statistics is None:
        return None
    centred = centred_or_none(statistics, centring)
    if centred is None:
        return None
    number, dim = int(statistics.present.sum()), centred.shape[1]
    gram = gram_distance(statistics.class_means)
    floor = gram_distance_floor(number, dim) if number >= 2 else float("nan")
    null = random_directions(number, dim) if number >= 2 else None
    return angle_record(
        run,
        epoch,
        f"class means of {split} features {space}, {CENTRING_WORDS[centring]}",
        angles_of(pairwise_cosines(centred)),
        gram=gram,
        floor=floor,
        centring=centring,
        std_floor=_angle_std_floor(number, dim) if centring == "class" else 0.0,
        num_features=statistics.class_counts,
        null=_null(number, dim, centring),
        verdict=None if null is None else geometry_verdict(gram, null, floor),
        beyond_random=""
        if null is None
        else _beyond_random(run, statistics.class_means, gram, null, is_shown=centring == "class"),
        dim=dim,
    )


def _beyond_random(
    run: Run, class_means: NDArray[np.float64], gram: float, null: RandomDirections, *, is_shown: bool
) -> str:
    """Return what a Gram distance above that of random directions means, and what explains it in the run.

    Centred class means of distance D vary as if along (C-1)(1 - D²/2)² directions of equal weight, the r of
    ``gram_distance_floor``.
    """
    if not gram > null.gram.high:
        return ""
    present = np.isfinite(class_means).all(axis=1)
    means = np.asarray(centred_class_means(class_means[present], "class"))
    own, random = (_equal_directions(distance, len(means)) for distance in (gram, null.gram.mean))
    reasons = []
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    at_equal_lengths = gram_distance(means / np.where(lengths > 0, lengths, np.nan))
    if at_equal_lengths < gram - NOTABLE_DISTANCE:
        reasons.append(f"means differ in length (at equal lengths the distance is {at_equal_lengths:.3f})")
    if run.info.co_occurrence is not None:
        together = (
            np.array(run.info.co_occurrence)[np.ix_(present, present)][np.triu_indices(len(means), 1)] > 0
        )
        angles = angles_of(pairwise_cosines(means))[np.triu_indices(len(means), 1)]
        shared, others = (angles[pairs & np.isfinite(angles)] for pairs in (together, ~together))
        if len(shared) and len(others) and shared.mean() < others.mean() - NOTABLE_DEGREES:
            reasons.append(
                f"classes that share training images stand {shared.mean():.1f}° apart on average, others "
                f"{others.mean():.1f}°"
            )
    return (
        f"By Gram distance{'' if is_shown else ', centred by class,'} the class means are further from an ETF "
        f"than random directions are: they differ as if along {own:.1f} directions only, random ones along "
        f"{random:.1f}, an ETF along {len(means) - 1}."
        + (f" What explains it in part: {'; '.join(reasons)}." if reasons else "")
    )


def _equal_directions(gram: float, num_classes: int) -> float:
    return float((num_classes - 1) * (1.0 - gram**2 / 2.0) ** 2)


def _null(number: int, dim: int, centring: Centring) -> RandomDirections | None:
    """Return the null of angles, None where what is subtracted follows from more than the class means."""
    if number < 2 or centring not in ("class", "none"):
        return None
    return random_directions(number, dim, centred=centring == "class")


def closest_pairs(record: AngleRecord, number: int = 10) -> list[ClosestPair]:
    """Return the pairs of classes with the smallest angles, smallest first; none where all angles are equal."""
    if record.all_equal:
        return []
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
            None if record.num_features is None else record.num_features[rows[i]],
            None if record.num_features is None else record.num_features[columns[i]],
        )
        for i in ranked
    ]


def geometry_sentence(record: AngleRecord) -> str:
    """Return one sentence: spread and smallest angle against the optimum, and the pair that has it."""
    summary = record.summary
    if summary.closest_pair is None:
        return "Fewer than two classes have a class mean, so there is no angle to show."
    if record.all_equal:
        return (
            f"{summary.num_classes} classes: all pairs are {summary.minimum:.1f}° apart, equal within "
            f"rounding, where an ETF has {record.optimum:.1f}°."
        )
    first, second = (record.class_names[index] for index in summary.closest_pair)
    counts = ""
    if record.num_features is not None:
        own = [record.num_features[index] for index in summary.closest_pair]
        counts = f" (from {own[0]} and {counted(own[1], 'feature')})"
    null = record.null
    place = "" if record.dim is None else f" in {counted(record.dim, 'dimension')}"
    random = "" if null is None else f" and random directions{place} {null.smallest.mean:.1f}°"
    spread = "" if null is None else f"; random directions: {null.spread.mean:.1f}°"
    least = f"at best about {record.std_floor:.1f}° here" if record.std_floor > 0 else "ETF: 0°"
    return (
        f"{summary.num_classes} classes: the closest pair, {first} and {second}{counts}, is "
        f"{summary.minimum:.1f}° apart where an ETF has {record.optimum:.1f}°{random}; angles spread "
        f"by {summary.std:.1f}° ({least}{spread})."
    )


def random_gram_words(record: AngleRecord) -> str:
    """Return the Gram distance of random directions and the band of their draws, empty where not known."""
    if record.null is None:
        return ""
    mean, low, high = record.null.gram
    return f"random directions {mean:.3f}, 95 % of draws {low:.3f} to {high:.3f}"


def etf_words(record: AngleRecord) -> str:
    """Return what the angles are to be compared with."""
    if np.isnan(record.optimum):
        return "one class has no angle"
    return f"an ETF has {record.optimum:.1f}° everywhere"


def bucket_of(run: Run) -> dict[int, str]:
    """Return the bucket (head, medium or tail) of each class index."""
    return {index: name for name, members in run.info.groups.items() for index in members}


def angle_record(
    run: Run,
    epoch: int,
    title: str,
    angles: NDArray[np.float64],
    *,
    gram: float,
    floor: float,
    centring: Centring = "none",
    std_floor: float = 0.0,
    num_features: NDArray[np.int64] | None = None,
    null: RandomDirections | None = None,
    verdict: Verdict | None = None,
    beyond_random: str = "",
    dim: int | None = None,
    given: str = "",
) -> AngleRecord:
    """Return angles in the order of the classes of the run as a record, by falling training count."""
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
        buckets=tuple(buckets.get(int(i), NO_BUCKET) for i in order),
        optimum=optimal_angle_degrees(len(angles)) if len(angles) >= 2 else float("nan"),
        summary=angle_summary(ordered),
        gram=gram,
        gram_floor=floor,
        epoch=epoch,
        centring=centring,
        std_floor=std_floor,
        num_features=None if num_features is None else tuple(int(num_features[i]) for i in order),
        null=null,
        verdict=verdict,
        beyond_random=beyond_random,
        dim=dim,
        given=given,
    )


def _angle_std_floor(num_classes: int, dim: int) -> float:
    if num_classes < 3:  # two classes have one angle, of 180 degrees
        return 0.0
    # d angle / d cos = -1/sin, at the ETF's angle
    slope = 1.0 / np.sqrt(1.0 - optimal_cosine(num_classes) ** 2)
    return float(np.degrees(cosine_std_floor(num_classes, dim) * slope))
