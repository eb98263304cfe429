"""Average precision per class of two runs on the same test images, and what each class gains or loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.comparison.intervals import stored_scores
from mlcnc.analysis.comparison.paired import paired_interval
from mlcnc.analysis.geometry.angles import NO_BUCKET, bucket_of
from mlcnc.errors import counted
from mlcnc.metrics import bootstrap_difference
from mlcnc.store import Run

Side = tuple[tuple[Run, int], ...]
"""Runs of one side of a difference, each with an epoch."""


@dataclass(frozen=True)
class ClassDifferences:
    """Test AP of two runs per class, classes by falling training count.

    Attributes:
        class_names, buckets: (C,) in that order.
        train_counts: (C,) training images.
        first, second: (C,) AP in percent, NaN where a class has no positive test image.
        first_epoch, second_epoch: from 0; of the first run of each side.
        first_runs, second_runs: behind each side's mean.
        low, high: (C,) 95 % interval of the difference, or None where there is none.
        paired: whether both sides are of the same seeds, several ones.
        over: what the interval is over: seeds, the t interval of paired runs; or test images drawn anew.
    """

    class_names: tuple[str, ...]
    buckets: tuple[str, ...]
    train_counts: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    first_epoch: int
    second_epoch: int
    first_runs: int = 1
    second_runs: int = 1
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    paired: bool = False
    over: Literal["seeds", "test images"] = "seeds"

    @property
    def difference(self) -> NDArray[np.float64]:
        """First minus second in percentage points, (C,)."""
        return self.first - self.second


def class_differences(first: tuple[Run, int], second: tuple[Run, int]) -> ClassDifferences | None:
    """Return AP per class of two runs, or None where one stored none or their classes differ.

    Args:
        first, second: run and epoch with stored arrays each.

    Raises:
        RunFormatError: a file is missing or damaged.
    """
    (one, epoch), (two, other) = first, second
    if one.info.class_names != two.info.class_names:
        return None
    files = [one.arrays(epoch), two.arrays(other)]
    if any("test/ap" not in file for file in files):
        return None
    ours, theirs = (100.0 * file.get("test/ap").astype(np.float64) for file in files)
    counts = np.array(one.info.class_counts, dtype=np.int64)
    order = np.argsort(-counts, kind="stable")
    buckets = bucket_of(one)
    return ClassDifferences(
        class_names=tuple(one.info.class_names[i] for i in order),
        buckets=tuple(buckets.get(int(i), NO_BUCKET) for i in order),
        train_counts=counts[order],
        first=ours[order],
        second=theirs[order],
        first_epoch=epoch,
        second_epoch=other,
    )


def of_shared_seeds(firsts: Sequence[tuple[Run, int]], seconds: Sequence[tuple[Run, int]]) -> tuple[Side, Side]:
    """Return of two recipes the runs of the seeds that both have, one a seed; all runs where they share none.

    Args:
        firsts, seconds: runs of each side with an epoch.
    """
    ours, theirs = (
        {run.info.seed: (run, epoch) for run, epoch in reversed(side) if run.info.seed is not None}
        for side in (firsts, seconds)
    )
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return tuple(firsts), tuple(seconds)
    return tuple(ours[seed] for seed in shared), tuple(theirs[seed] for seed in shared)


def mean_class_differences(
    firsts: Sequence[tuple[Run, int]], seconds: Sequence[tuple[Run, int]]
) -> ClassDifferences | None:
    """Return mean AP per class of two sets of runs, or None where one run stored none or their classes differ.

    Of several runs of the same seeds, it holds the 95 % t interval over seeds of each class's difference.

    Args:
        firsts, seconds: runs of each side with an epoch with stored arrays; at least one each.

    Raises:
        RunFormatError: a file is missing or damaged.
    """
    start = class_differences(firsts[0], seconds[0])
    if start is None:
        return None
    ours = [class_differences(item, seconds[0]) for item in firsts]
    theirs = [class_differences(firsts[0], item) for item in seconds]
    left = [record.first for record in ours if record is not None]
    right = [record.second for record in theirs if record is not None]
    if len(left) < len(firsts) or len(right) < len(seconds):
        return None
    seeds = [[run.info.seed for run, _ in side] for side in (firsts, seconds)]
    paired = len(left) > 1 and None not in seeds[0] and seeds[0] == seeds[1]
    low, high = _over_seeds(np.subtract(left, right)) if paired else (None, None)
    return replace(
        start,
        paired=paired,
        low=low,
        high=high,
        first=np.mean(left, axis=0),
        second=np.mean(right, axis=0),
        first_runs=len(left),
        second_runs=len(right),
    )


def _over_seeds(differences: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the 95 % t interval of the mean of (runs, C) differences, each (C,)."""
    ends = np.array([paired_interval(of_class)[1:] for of_class in differences.T])
    return ends[:, 0], ends[:, 1]


def with_intervals(
    first: tuple[Run, int], second: tuple[Run, int], *, num_resamples: int = 1000
) -> ClassDifferences | None:
    """Return the differences of two runs with a paired bootstrap interval of each class.

    Args:
        first, second: run and epoch with stored arrays each.
        num_resamples: draws of test images, the same for both runs and all classes.

    Returns:
        None where ``class_differences`` has none; without ``low`` and ``high`` where the runs stored no
        scores or saw different test images.

    Raises:
        RunFormatError: a file is missing or damaged.
    """
    record = class_differences(first, second)
    ours, theirs = (stored_scores(run, epoch, "test") for run, epoch in (first, second))
    if record is None or ours is None or theirs is None or not np.array_equal(ours[1], theirs[1]):
        return record
    names = first[0].info.class_names
    alone = {str(index): [index] for index in range(len(names))}
    found = bootstrap_difference(ours[0], theirs[0], ours[1], alone, num_resamples=num_resamples)
    place = {name: index for index, name in enumerate(names)}
    intervals = [found[f"map_{place[name]}"] for name in record.class_names]
    # scores are stored in half precision, so the interval is moved to the AP of the exact ones
    shift = record.difference - np.array([item.value for item in intervals])
    return replace(
        record,
        over="test images",
        low=np.array([item.low for item in intervals]) + shift,
        high=np.array([item.high for item in intervals]) + shift,
    )


def bucket_differences(record: ClassDifferences) -> dict[str, float]:
    """Return the mean difference of all classes and of each bucket: what the bars differ by at these epochs."""
    known = np.isfinite(record.difference)
    buckets = np.array(record.buckets)
    found = {"total": float(record.difference[known].mean())} if known.any() else {}
    for bucket in dict.fromkeys(record.buckets):
        members = known & (buckets == bucket)
        if members.any():
            found[bucket] = float(record.difference[members].mean())
    return found


def class_difference_sentence(record: ClassDifferences, first: str, second: str) -> str:
    """Return how many classes favour the first run, and where it gains and loses most."""
    difference = record.difference
    defined = np.flatnonzero(np.isfinite(difference))
    if len(defined) == 0:
        return "No class has a test AP in both runs."
    wins = int((difference[defined] > 0).sum())
    most = defined[int(np.argmax(difference[defined]))]
    least = defined[int(np.argmin(difference[defined]))]

    def of(index: int) -> str:
        return (
            f"{record.class_names[index]} ({record.buckets[index]}, "
            f"{counted(record.train_counts[index], 'training image')}, {difference[index]:+.1f})"
        )

    if max(record.first_runs, record.second_runs) == 1:
        behind = "One run each, so no interval over seeds: seeds move single classes by points."
    elif record.paired:
        behind = f"Means over the {record.first_runs} seeds that both have."
    else:
        behind = (
            f"Means of {record.first_runs} and {counted(record.second_runs, 'run')}, which share no seeds, so "
            "there is no paired interval."
        )
    if record.low is not None and record.high is not None:
        apart = int(((record.low > 0) | (record.high < 0)).sum())
        chance = f"about {0.05 * len(defined):.1f} would by chance alone"
        by = "test image" if record.over == "test images" else "seed"
        behind = f"In {apart} of the classes the 95 % interval by {by} excludes 0 ({chance}). {behind}"
    return (
        f"{first} minus {second}: higher AP in {wins} of {counted(len(defined), 'class', 'classes')}; "
        f"most on {of(int(most))}, least on {of(int(least))}. {behind}"
    )
