"""Data sets behind one protocol; the built-in ones are drawn and need no download."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from mlcnc.data.contact_sheet import contact_sheet
from mlcnc.data.digits import digits_lt
from mlcnc.data.pictograms import pictogram_lt
from mlcnc.data.protocol import ArraySplit, ImageSplit, MultiLabelDataset
from mlcnc.errors import UnknownDatasetError

__all__ = [
    "DATASETS",
    "ArraySplit",
    "ImageSplit",
    "MultiLabelDataset",
    "build_dataset",
    "contact_sheet",
]

DATASETS: dict[str, Callable[[int, int, Path | None], MultiLabelDataset]] = {
    "pictogram-lt": pictogram_lt,
    "digits-lt": digits_lt,
}


def build_dataset(
    name: str, *, seed: int = 0, size: int = 64, cache_dir: Path | None = None
) -> MultiLabelDataset:
    """Return the data set of that name.

    Args:
        name: a key of ``DATASETS``.
        seed: of drawn data.
        size: side of the images in pixels.
        cache_dir: where drawn data are kept; None takes the user's cache folder.

    Raises:
        UnknownDatasetError: no such data set; the message lists the known ones.
    """
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownDatasetError(f"data.dataset must be one of {', '.join(DATASETS)}, got {name!r}{hint}")
    return DATASETS[name](seed, size, cache_dir)
