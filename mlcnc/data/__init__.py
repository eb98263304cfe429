"""Data sets behind one protocol: two are drawn and need no download, the others are photographs on disk."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlcnc.data import coco, digits, folder, pictograms, visual_genome, voc
from mlcnc.data.contact_sheet import contact_sheet
from mlcnc.data.digits import digits_lt
from mlcnc.data.pictograms import pictogram_lt
from mlcnc.data.protocol import (
    ArraySplit,
    DatasetFacts,
    DatasetRequest,
    ImageSplit,
    MultiLabelDataset,
    Normalisation,
)
from mlcnc.errors import ConfigError, UnknownDatasetError, nearest

__all__ = [
    "DATASETS",
    "ArraySplit",
    "DatasetFacts",
    "DatasetRequest",
    "ImageSplit",
    "MultiLabelDataset",
    "Normalisation",
    "build_dataset",
    "contact_sheet",
    "dataset_facts",
    "is_on_disk",
    "register_dataset",
]

Builder = Callable[[DatasetRequest], MultiLabelDataset]

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
register_dataset("pictogram-balanced", pictograms.pictogram_balanced, pictograms.FACTS)
register_dataset("digits-lt", digits_lt, digits.FACTS)
register_dataset("voc07-lt", voc.voc07_lt, voc.VOC07_LT_FACTS)
register_dataset("voc-lt", voc.voc_lt, voc.VOC_LT_FACTS)
register_dataset("coco-lt", coco.coco_lt, coco.FACTS)
register_dataset("vg200", visual_genome.vg200, visual_genome.FACTS)
register_dataset("folder", folder.folder, folder.FACTS)


def dataset_facts(name: str) -> DatasetFacts:
    """Return what is known of a data set before it is drawn.

    Raises:
        UnknownDatasetError: no such data set; the message lists the known ones.
    """
    _check_name(name)
    return FACTS[name]


def is_on_disk(name: str) -> bool:
    """Return whether a data set of that name is known and consists of photographs that lie on disk."""
    return name in FACTS and FACTS[name].root is not None


def build_dataset(name: str, request: DatasetRequest | None = None) -> MultiLabelDataset:
    """Return the data set of that name.

    Args:
        name: a key of ``DATASETS``.
        request: which form of it; None takes the defaults.

    Raises:
        UnknownDatasetError: no such data set; the message lists the known ones.
        ConfigError: it has no such form.
        DataError: photographs are not where they should be; the message says how to get them.
    """
    _check_name(name)
    return DATASETS[name](request or DatasetRequest())


def _check_name(name: str) -> None:
    if name not in DATASETS:
        known = ", ".join(DATASETS)
        raise UnknownDatasetError(f"data.dataset must be one of {known}, got {name!r}{nearest(name, DATASETS)}")
