"""The id lists and label tables in ``lists/``, see its SOURCE.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LISTS = Path(__file__).parent / "lists"


@dataclass(frozen=True)
class LabelTable:
    """Images by id, and the classes that each has.

    Args:
        ids: N.
        targets: (N, C) uint8.
        difficult: (N, C) bool, whether all objects of the class in the image are marked difficult.
    """

    ids: tuple[str, ...]
    targets: NDArray[np.uint8]
    difficult: NDArray[np.bool_]

    def without_difficult(self) -> NDArray[np.uint8]:
        """Return (N, C) targets in which objects marked difficult do not count."""
        return np.where(self.difficult, 0, self.targets).astype(np.uint8)


@lru_cache(maxsize=32)
def read_lines(name: str) -> tuple[str, ...]:
    """Return the lines of a list, e.g. of ``voc-lt/classes.txt``."""
    return tuple((LISTS / name).read_text(encoding="utf-8").splitlines())


@lru_cache(maxsize=8)
def read_table(name: str, num_classes: int) -> LabelTable:
    """Return a label table, e.g. ``voc-lt/train.txt``."""
    rows = [line.split() for line in read_lines(name)]
    targets = np.zeros((len(rows), num_classes), np.uint8)
    difficult = np.zeros(targets.shape, np.bool_)
    for row, (_, *labels) in enumerate(rows):
        for label in labels:
            index = int(label.removesuffix("d"))
            targets[row, index] = 1
            difficult[row, index] = label.endswith("d")
    for array in (targets, difficult):
        array.flags.writeable = False  # one table serves all who ask
    return LabelTable(tuple(row[0] for row in rows), targets, difficult)


def targets_of(labels: Sequence[Sequence[int]], num_classes: int) -> NDArray[np.uint8]:
    """Return (N, C) targets of class indices by image."""
    targets = np.zeros((len(labels), num_classes), np.uint8)
    for row, indices in enumerate(labels):
        targets[row, list(indices)] = 1
    return targets
