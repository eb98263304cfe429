"""Data sets behind one protocol; the built-in ones are drawn and need no download."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from mlcnc.data import digits, pictograms
from mlcnc.data.contact_sheet import contact_sheet
from mlcnc.data.digits import digits_lt
from mlcnc.data.pictograms import pictogram_lt
from mlcnc.data.protocol import ArraySplit, DatasetFacts, ImageSplit, MultiLabelDataset
from mlcnc.errors import UnknownDatasetError

__all__ = [
    "DATASETS",
    "ArraySplit",
    "DatasetFacts",
    "ImageSplit",
    "MultiLabelDataset",
    "build_dataset",
    "contact_sheet",
    "dataset_facts",
]

DATASETS: dict[str, Callable[[int, int, Path | None], MultiLabelDataset]] = {
    "pictogram-lt": pictogram_lt,
    "digits-lt": digits_lt,
}
FACTS = {"pictogram-lt": pictograms.FACTS, "digits-lt": digits.FACTS}


def dataset_facts(name: str) -> DatasetFacts:
    """Return what is known of a data set before it is drawn.

    Raises:
        UnknownDatasetError: no such data set; the message lists the known ones.
    """
    _check_name(name)
    return FACTS[name]


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
    _check_name(name)
    return DATASETS[name](seed, size, cache_dir)


def _check_name(name: str) -> None:
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownDatasetError(f"data.dataset must be one of {', '.join(DATASETS)}, got {name!r}{hint}")
