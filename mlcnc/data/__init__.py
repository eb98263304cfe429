"""Data sets behind one protocol; the built-in ones are drawn and need no download."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from mlcnc.data import digits, pictograms
from mlcnc.data.contact_sheet import contact_sheet
from mlcnc.data.digits import digits_lt
from mlcnc.data.pictograms import pictogram_lt
from mlcnc.data.protocol import ArraySplit, DatasetFacts, ImageSplit, MultiLabelDataset, Normalisation
from mlcnc.errors import ConfigError, UnknownDatasetError, nearest

__all__ = [
    "DATASETS",
    "ArraySplit",
    "DatasetFacts",
    "ImageSplit",
    "MultiLabelDataset",
    "Normalisation",
    "build_dataset",
    "contact_sheet",
    "dataset_facts",
    "register_dataset",
]

Builder = Callable[[int, int, Path | None], MultiLabelDataset]
"""Of seed, side of the images in pixels, and cache folder (None is the user's)."""

DATASETS: dict[str, Builder] = {}
FACTS: dict[str, DatasetFacts] = {}


def register_dataset(name: str, build: Builder, facts: DatasetFacts) -> None:
    """Make a data set known by its name, from outside the package too.

    Args:
        name: what ``data.dataset`` calls it; runs are called after it, so a-z, 0-9, _ and - only.
        build: makes it; may raise a ``DataError`` that says what is missing on disk.
        facts: known before it is built.

    Raises:
        ConfigError: another data set has that name, or it has other characters.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ConfigError(
            f"the name of a data set must be 1 to 40 of a-z, 0-9, _ and -, "
            f"starting with a letter or digit, got {name!r}"
        )
    if DATASETS.get(name, build) is not build:
        raise ConfigError(f"a data set called {name!r} is registered already")
    DATASETS[name], FACTS[name] = build, facts


register_dataset("pictogram-lt", pictogram_lt, pictograms.FACTS)
register_dataset("digits-lt", digits_lt, digits.FACTS)


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
        known = ", ".join(DATASETS)
        raise UnknownDatasetError(f"data.dataset must be one of {known}, got {name!r}{nearest(name, DATASETS)}")
