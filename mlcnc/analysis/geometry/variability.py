"""NC1 per class, beside the class counts without which it cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.curves.curve import Curve
from mlcnc.analysis.geometry.alignment import AlignmentRecord
from mlcnc.analysis.geometry.angles import NO_BUCKET, bucket_of
from mlcnc.analysis.runs.history import History, history_of
from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.errors import counted
from mlcnc.metrics.distance_variance import debiased_cdnv
from mlcnc.metrics.summary import query_only_nc1, query_only_nc1_per_class
from mlcnc.metrics.variability import (
    nc1_per_class,
    nc1_trace,
    shuffled_nc1_per_class,
    shuffled_nc1_trace,
)
from mlcnc.store import Run, Space


@dataclass(frozen=True)
class VariabilityRecord:
    """NC1 of every class of one run at one epoch.

    Attributes:
        class_names, buckets: (C,) by falling training count.
        train_counts: (C,) training images.
        sample_counts: (C,) features that entered; few of them make NC1 small by chance alone.
        nc1: (C,) v_c / |m_c - g|^2; NaN where a class has fewer than two features.
        shuffled: (C,) what NC1 would be without any class structure, from the counts alone.
        query_only: (C,) NC1 of as many images without the class, which the query of the class alone makes;
            None where the epoch stored no features of such images, and in a space without queries.
        has_query: whether an image has a feature for every class, made by the query of the class.
        total: trace ratio over classes; ``total_shuffled`` and ``total_query_only`` the same of the nulls, the
            latter NaN where it was not stored.
        debiased_cdnv: mean over the ``debiased_pairs`` usable of ``num_pairs`` pairs.
        epoch, split, space: of which.
    """

    run_id: str
    class_names: tuple[str, ...]
    buckets: tuple[str, ...]
    train_counts: NDArray[np.int64]
    sample_counts: NDArray[np.int64]
    nc1: NDArray[np.float64]
    shuffled: NDArray[np.float64]
    total: float
    total_shuffled: float
    debiased_cdnv: float
    debiased_pairs: int
    num_pairs: int
    epoch: int
    split: str
    space: str
    query_only: NDArray[np.float64] | None = None
    total_query_only: float = float("nan")
    has_query: bool = True

    @property
    def relative(self) -> NDArray[np.float64]:
        """NC1 over what it would be with labels shuffled, (C,); 1 is no class structure at all."""
        return over(self.nc1, self.shuffled)


def over(values: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values as parts of a null, NaN where that is 0 or undefined."""
    return np.asarray(values / np.where(null > 0, null, np.nan))


def same_history(one: History[VariabilityRecord], other: History[VariabilityRecord]) -> bool:
    """Return whether two runs have the same NC1 in every class at the same epochs, as if they were one.

    So it is with one frozen backbone, whose features do not move, and with a seed that was trained twice.
    """
    return len(one.records) == len(other.records) and all(
        first.epoch == second.epoch
        and first.class_names == second.class_names
        and np.array_equal(first.nc1, second.nc1, equal_nan=True)
        for first, second in zip(one.records, other.records, strict=True)
    )


def cannot_move(run: Run, nc1: Curve, space: Space) -> bool:
    """Return whether NC1 is of features that training leaves as they are: pooled, of a wholly frozen backbone.

    Args:
        run: of which.
        nc1: its curve; it has to be the same at all of two epochs or more.
        space: of the features.
    """
    model = run.info.config.get("model")
    frozen = isinstance(model, dict) and model.get("frozen") == "all" and not model.get("trained_blocks")
    still = len(nc1.values) > 1 and bool(np.all(nc1.values == nc1.values[0]))
    return frozen and still and space.kind == "image"


def variability_history(run: Run, *, split: str, space: str) -> History[VariabilityRecord]:
    """Return NC1 per class at every stored epoch."""
    return history_of(run, lambda epoch: class_variability(run, epoch, split=split, space=space))


def class_variability(run: Run, epoch: int, *, split: str, space: str) -> VariabilityRecord | None:
    """Return NC1 per class, or None where the epoch did not store what it takes.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    statistics = stored_statistics(run.arrays(epoch), f"{split}.{space}")
    if statistics is None:
        return None
    means, variances, counts = statistics.class_means, statistics.variances, statistics.class_counts
    debiased = debiased_cdnv(means, variances, counts)
    train_counts = np.array(run.info.class_counts)
    order = np.argsort(-train_counts, kind="stable")
    buckets = bucket_of(run)
    # one feature has no spread: its 0 is no collapse
    values = np.where(counts >= 2, nc1_per_class(means, variances), np.nan)
    has_query = all(each.kind == "class" for each in run.spaces if each.name == space)
    alone = np.where(counts >= 2, query_only_nc1_per_class(statistics), np.nan)
    without = alone[order] if has_query else np.array([np.nan])
    return VariabilityRecord(
        run_id=run.run_id,
        class_names=tuple(run.info.class_names[i] for i in order),
        buckets=tuple(buckets.get(int(i), NO_BUCKET) for i in order),
        train_counts=train_counts[order],
        sample_counts=counts[order],
        nc1=values[order],
        shuffled=shuffled_nc1_per_class(counts)[order],
        total=nc1_trace(means, variances),
        total_shuffled=shuffled_nc1_trace(counts),
        debiased_cdnv=debiased.mean,
        debiased_pairs=debiased.num_pairs,
        num_pairs=int(statistics.present.sum()) * (int(statistics.present.sum()) - 1) // 2,
        epoch=epoch,
        split=split,
        space=space,
        query_only=without if np.isfinite(without).any() else None,
        has_query=has_query,
        total_query_only=query_only_nc1(statistics),
    )


def multi_label_sentence(run: Run, *, split: str, space: str) -> str:
    """Return the multi-label NC of a space of which an image has one feature; empty where none was measured."""
    names = [f"{split}.{space}/ncm_{name}" for name in ("ratio", "pairs", "coverage")]
    lines = [line for line in run.metrics(names) if np.isfinite(line.get(names[0], np.nan))]
    if not lines:
        return ""
    ratio, pairs, coverage = (lines[-1].get(name, np.nan) for name in names)
    return (
        f"Images of two labels, {split} {space}, epoch {int(lines[-1]['epoch']) + 1}: the mean of a pair of "
        f"labels and the sum of the means of its single labels enclose {ratio:.2f} of the angle that they "
        f"enclose by chance (NC_m; 0 is multi-label collapse), over {pairs:.0f} pairs; {100 * coverage:.0f} % "
        "of the label sets can be judged."
    )


def data_sets(records: Sequence[VariabilityRecord | AlignmentRecord]) -> list[list[int]]:
    """Return the places of records in groups of the same classes with the same training counts.

    Each group needs an axis of its own: order and buckets of classes, and what they show by chance, differ.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, record in enumerate(records):
        groups.setdefault((record.class_names, *record.train_counts), []).append(place)
    return list(groups.values())


def variability_sentence(record: VariabilityRecord) -> str:
    """Return which class varies most and least around its mean, against what is there without the class.

    Classes are ranked by NC1 over its null, for raw NC1 is low where features are few and where the query of
    a class alone draws them together: over the class query alone where it is known, else over labels shuffled.
    """
    shuffled = record.query_only is None
    null = record.shuffled if record.query_only is None else record.query_only
    what, gives = ("labels shuffled", "give") if shuffled else ("the class query alone", "gives")
    relative = over(record.nc1, null)
    defined = np.flatnonzero(np.isfinite(relative))
    if len(defined) == 0:
        return f"{record.run_id}, epoch {record.epoch + 1}: NC1 is undefined, {_reason_undefined(record)}."
    low = defined[int(np.argmin(relative[defined]))]
    high = defined[int(np.argmax(relative[defined]))]

    def of(index: int) -> str:
        return (
            f"{record.class_names[index]} (NC1 {record.nc1[index]:.3g} where {what} {gives} "
            f"{null[index]:.3g}, {counted(record.sample_counts[index], 'feature')})"
        )

    pairs = (
        f"variance of two classes over their squared distance {record.debiased_cdnv:.2f}, mean of "
        f"{record.debiased_pairs} of {record.num_pairs} pairs (debiased CDNV: without the bias of few features)"
        if record.debiased_pairs
        else f"none of the {record.num_pairs} pairs of classes is far enough apart for a debiased CDNV"
        if record.num_pairs > 1
        else "the two classes are too near each other for a debiased CDNV"
    )
    alone = (
        ""
        if shuffled
        else f"{what} (as many images without the class) gives {record.total_query_only:.3g} and "
    )
    loose = [record.class_names[index] for index in defined if relative[index] >= 1]
    no_tighter = "" if shuffled or not loose else f"; no tighter than that: {', '.join(loose)}"
    missing = (
        " Features of images without the class were not stored, so what the class query alone makes of single "
        "classes is not known."
        if shuffled and record.has_query
        else ""
    )
    return (
        f"{record.run_id}, epoch {record.epoch + 1}: NC1 of all classes {record.total:.3g} where {alone}"
        f"labels shuffled give {record.total_shuffled:.0f}; against {what}, tightest {of(int(low))}, widest "
        f"{of(int(high))}{no_tighter}; {pairs}.{missing}"
    )


def _reason_undefined(record: VariabilityRecord) -> str:
    present = record.sample_counts > 0
    if present.sum() < 2:
        return f"which needs two classes with features: {present.sum()} of {len(present)} has some"
    if record.sample_counts.max() < 2:
        return "no class has two features or more"
    return "the means of all classes coincide"
