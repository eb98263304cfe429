"""Average precision per class of two runs on the same test images, and what each class gains or loses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry import bucket_of
from mlcnc.store import Run


@dataclass(frozen=True)
class ClassDifferences:
    """Test AP of two runs per class, classes by falling training count.

    Attributes:
        class_names, buckets: (C,) in that order.
        train_counts: (C,) training images.
        first, second: (C,) AP in percent, NaN where a class has no positive test image.
        first_epoch, second_epoch: from 0.
    """

    class_names: tuple[str, ...]
    buckets: tuple[str, ...]
    train_counts: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    first_epoch: int
    second_epoch: int

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
        buckets=tuple(buckets.get(int(i), "?") for i in order),
        train_counts=counts[order],
        first=ours[order],
        second=theirs[order],
        first_epoch=epoch,
        second_epoch=other,
    )


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
            f"{record.class_names[index]} ({record.buckets[index]}, {record.train_counts[index]} training "
            f"images, {difference[index]:+.1f})"
        )

    return (
        f"{first} minus {second}: higher AP in {wins} of {len(defined)} classes; "
        f"most on {of(int(most))}, least on {of(int(least))}. "
        "One run each: seeds move single classes by points."
    )
