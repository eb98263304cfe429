"""COCO-LT: 1,909 photographs of COCO train2017, tested on val2017.

It has no validation split: val2017 is the test set, and the rest of train2017 is not part of it. ``validation``
is None, and no epoch of a run is chosen.

Source: Wu et al. (2020), Distribution-Balanced Loss; ``lists/SOURCE.md``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from mlcnc.data.coco_json import CocoBoxes
from mlcnc.data.damaged_files import rows_of
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.label_lists import LabelTable, read_lines, read_table
from mlcnc.data.listed_split import ListedSplit
from mlcnc.data.photograph_root import Layout
from mlcnc.data.photograph_set import photograph_set
from mlcnc.data.protocol import DatasetFacts, DatasetRequest, MultiLabelDataset

COCO_LT = Layout(
    "coco-lt",
    ("train2017", "val2017"),
)
_FOLDERS = {"train": "train2017", "test": "val2017"}


@lru_cache(maxsize=1)
def categories() -> tuple[tuple[int, str], ...]:
    """Return category id and name of the 80 classes, in order of class index."""
    rows = (line.split(" ", 1) for line in read_lines("coco-lt/classes.txt"))
    return tuple((int(category), name) for category, name in rows)


CLASS_NAMES = tuple(name for _, name in categories())
FACTS = DatasetFacts(CLASS_NAMES, 1909, 0, 5000, root=COCO_LT)


def coco_table(split: str) -> LabelTable:
    """Return the images of a split, ``train`` or ``test``, by COCO's numbers."""
    return read_table(f"coco-lt/{split}.txt", len(CLASS_NAMES))


@lru_cache(maxsize=1)
def coco_lt_splits() -> dict[str, ListedSplit]:
    """Return the lists by split; ids are file names: COCO's numbers padded to 12 digits."""
    return {
        split: ListedSplit(tuple(f"{int(number):012d}" for number in coco_table(split).ids), (folder,))
        for split, folder in _FOLDERS.items()
    }


def annotation_file(root: Path, split: str) -> Path:
    """Return where the instances of a split lie."""
    return root / "annotations" / f"instances_{_FOLDERS[split]}.json"


def coco_lt(request: DatasetRequest) -> MultiLabelDataset:
    """Return COCO-LT: 1,909 training and 5,000 or 4,952 test photographs, no validation.

    Args:
        request: its root, whether the 48 test images without any label count, what to do with damaged files.

    Raises:
        DataError: photographs are missing.
    """
    root = COCO_LT(request.root)
    splits = {}
    for name, listed in coco_lt_splits().items():
        boxes, file = None, annotation_file(root, name)
        if file.is_file():
            numbers = [int(image_id) for image_id in listed.ids]
            boxes = CocoBoxes(str(file), numbers, [category for category, _ in categories()])
        targets = coco_table(name).targets
        splits[name] = ImageFileSplit(
            name, listed.paths(root, COCO_LT.remedy, request.damaged), targets, boxes, listed.ids
        )
    if request.test_images == "labelled":
        splits["test"] = rows_of(splits["test"], np.flatnonzero(splits["test"].targets.any(axis=1)))
    return photograph_set("coco-lt", CLASS_NAMES, splits, request.damaged)
