"""Which image files of a split cannot be read, and the splits without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.image_files import ImageFileSplit
from mlcnc.errors import DataError

_NUM_THREADS = 4


def reading_errors(split: ImageFileSplit) -> Iterator[DataError | None]:
    """Yield for each image of a split what is wrong with its file, decoding all of it; in natural order."""

    def error_of(index: int) -> DataError | None:
        try:
            split.pil(index)
        except DataError as error:
            return error
        return None

    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        # by blocks: a pool takes all tasks at once, and a stop waits for them
        for first in range(0, len(split), 64):
            yield from pool.map(error_of, range(first, min(first + 64, len(split))))


def without_damaged(
    splits: Mapping[str, ImageFileSplit],
) -> tuple[dict[str, ImageFileSplit], tuple[str, ...]]:
    """Return splits without the files that cannot be read, and a sentence that counts them, if any.

    Args:
        splits: by name; every file is decoded.
    """
    kept: dict[str, ImageFileSplit] = {}
    damaged: list[Path] = []
    total = 0
    for name, split in splits.items():
        errors = list(reading_errors(split))
        damaged += [Path(split.paths[row]) for row, error in enumerate(errors) if error is not None]
        total += len(errors)
        kept[name] = rows_of(split, np.array([row for row, error in enumerate(errors) if error is None], int))
    if not damaged:
        return kept, ()
    named = ", ".join(str(path) for path in damaged[:3]) + (", ..." if len(damaged) > 3 else "")
    return kept, (f"{len(damaged):,} of {total:,} photographs cannot be read and are left out: {named}",)


def rows_of(split: ImageFileSplit, rows: NDArray[np.int64]) -> ImageFileSplit:
    """Return some images of a split as a split; all of them are the split itself."""
    if len(rows) == len(split):
        return split
    boxes = split.object_boxes
    return replace(
        split,
        paths=[split.paths[row] for row in rows],
        targets=split.targets[rows],
        object_boxes=None if boxes is None else _BoxesOfRows(boxes, rows),
        ids=None if split.ids is None else [split.ids[row] for row in rows],
    )


@dataclass(frozen=True)
class _BoxesOfRows:
    whole: Callable[[int], NDArray[np.float32] | None]
    rows: NDArray[np.int64]

    def __call__(self, index: int) -> NDArray[np.float32] | None:
        return self.whole(int(self.rows[index]))
