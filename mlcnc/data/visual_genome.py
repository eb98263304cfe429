"""VG200: the 200 most frequent categories of Visual Genome, on 1,000 training and 4,000 test photographs.

It has no validation split: the code of MLC-NC, by which the lists are cut, has none. ``validation`` is None,
and no epoch of a run is chosen.

Source: lists of SSGRL, cut as in MLC-NC's code; ``lists/SOURCE.md``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.label_lists import read_lines, targets_of
from mlcnc.data.listed_split import ListedSplit
from mlcnc.data.photograph_root import Layout
from mlcnc.data.photograph_set import photograph_set
from mlcnc.data.protocol import DatasetFacts, DatasetRequest, MultiLabelDataset
from mlcnc.errors import DataError

NUM_CLASSES = 200
LABEL_FILES = ("vg_category_200_labels_index.json", "vg_category_500_labels_index.json")
NAMES_FILE = "vg_category_200_names.txt"
_FOLDERS = ("VG_100K", "VG_100K_2", "images")

VG200 = Layout(
    "vg200",
    (_FOLDERS, LABEL_FILES),
)
FACTS = DatasetFacts(tuple(f"VG {index}" for index in range(NUM_CLASSES)), 1000, 0, 4000, root=VG200)


@lru_cache(maxsize=1)
def vg200_splits() -> dict[str, ListedSplit]:
    """Return the lists by split."""
    return {name: ListedSplit(read_lines(f"vg200/{name}.txt"), _FOLDERS) for name in ("train", "test")}


def known_counts() -> NDArray[np.int64]:
    """Return (200,) training images by class, as published."""
    return np.array([int(line.split()[0]) for line in read_lines("vg200/classes.txt")])


def class_groups() -> dict[str, list[int]]:
    """Return the classes of each group as published: the 30 most frequent, the 30 least, 140 between."""
    groups: dict[str, list[int]] = {"head": [], "medium": [], "tail": []}
    for index, line in enumerate(read_lines("vg200/classes.txt")):
        groups[line.split()[1]].append(index)
    return groups


def vg200(request: DatasetRequest) -> MultiLabelDataset:
    """Return VG200: 1,000 training and 4,000 test photographs, no validation.

    The labels are not part of this package. Classes are called by number unless ``vg_category_200_names.txt``
    lies beside the labels, with one name a line.

    Args:
        request: its root and what to do with damaged files.

    Raises:
        DataError: photographs, or labels of some of them, are missing.
    """
    root = VG200(request.root)
    labels = _read_labels(next(root / name for name in LABEL_FILES if (root / name).exists()))
    splits = {
        name: ImageFileSplit(
            name,
            listed.paths(root, VG200.remedy, request.damaged),
            targets_of([labels[image_id] for image_id in listed.ids], NUM_CLASSES),
            ids=listed.ids,
        )
        for name, listed in vg200_splits().items()
    }
    names: tuple[str, ...] = FACTS.class_names
    notes: tuple[str, ...] = ("the classes of vg200 are called by number, since no file names them",)
    if (root / NAMES_FILE).exists():
        names, notes = _read_names(root / NAMES_FILE), ()
    return photograph_set("vg200", names, splits, request.damaged, class_groups=class_groups(), notes=notes)


def _read_labels(path: Path) -> dict[str, list[int]]:
    """Return class indices below 200 of every listed image, by file name without ending."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("it must map file names to lists of class indices")
        wanted = [image_id for listed in vg200_splits().values() for image_id in listed.ids]
        missing = [image_id for image_id in wanted if f"{image_id}.jpg" not in content]
        if missing:
            raise ValueError(f"{len(missing)} of {len(wanted)} images have no labels, first {missing[0]}.jpg")
        return {image_id: _indices(image_id, content[f"{image_id}.jpg"]) for image_id in wanted}
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read as the labels of vg200 ({reason}); take that of the HCP-MLR-PL archive"
        ) from error


def _indices(image_id: str, labels: Any) -> list[int]:
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 500 for label in labels):
        raise ValueError(f"the labels of {image_id}.jpg must be class indices from 0")
    return [label for label in labels if label < NUM_CLASSES]


def _read_names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); it must hold one class name a line") from error
    if len(names) != NUM_CLASSES or not all(names) or len(set(names)) != NUM_CLASSES:
        raise DataError(
            f"{path} must hold {NUM_CLASSES} different class names, one a line, got {len(names)} lines with "
            f"{len(set(names))} names; correct or remove the file"
        )
    return names
