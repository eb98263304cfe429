"""VOC-LT, and voc07-lt, a long-tailed split of the photographs of VOC2007 test.

VOC-LT has no validation split: its creators chose settings on the test set, and its 4 images of a cow cannot be
divided. Here its ``validation`` is None, and no epoch of a run is chosen. voc07-lt has 800 validation images.

Source: Wu et al. (2020), Distribution-Balanced Loss; ``lists/SOURCE.md``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.label_lists import LabelTable, read_lines, read_table, targets_of
from mlcnc.data.listed_split import ListedSplit
from mlcnc.data.photograph_root import Layout
from mlcnc.data.photograph_set import photograph_set
from mlcnc.data.protocol import DatasetFacts, DatasetRequest, MultiLabelDataset
from mlcnc.data.voc_xml import CLASS_NAMES, VocBoxes, read_annotation
from mlcnc.errors import DataError

_VOC2007, _VOC2012 = "VOCdevkit/VOC2007", "VOCdevkit/VOC2012"

VOC_LT = Layout("voc-lt", (f"{_VOC2012}/JPEGImages", f"{_VOC2007}/JPEGImages"))
VOC07_LT = Layout("voc07-lt", (f"{_VOC2007}/JPEGImages",))

VOC_LT_FACTS = DatasetFacts(CLASS_NAMES, 1142, 0, 4952, root=VOC_LT)
VOC07_LT_FACTS = DatasetFacts(CLASS_NAMES, 1234, 800, 2918, root=VOC07_LT)


def voc_lt_table() -> LabelTable:
    """Return the training images of VOC-LT with objects marked difficult counted."""
    return read_table("voc-lt/train.txt", len(CLASS_NAMES))


def voc2007_table() -> LabelTable:
    """Return all images of VOC2007 test."""
    return read_table("voc-lt/test.txt", len(CLASS_NAMES))


@lru_cache(maxsize=1)
def voc_lt_splits() -> dict[str, ListedSplit]:
    """Return the lists of VOC-LT by split."""
    return {
        "train": ListedSplit(voc_lt_table().ids, (f"{_VOC2012}/JPEGImages",)),
        "test": ListedSplit(voc2007_table().ids, (f"{_VOC2007}/JPEGImages",)),
    }


@lru_cache(maxsize=1)
def voc07_lt_splits() -> dict[str, ListedSplit]:
    """Return the lists of voc07-lt by split."""
    names = ("train", "validation", "test")
    return {
        name: ListedSplit(read_lines(f"voc07-lt/{name}.txt"), (f"{_VOC2007}/JPEGImages",)) for name in names
    }


def voc_lt(request: DatasetRequest) -> MultiLabelDataset:
    """Return VOC-LT: 1,142 training photographs of VOC2012, the 4,952 of VOC2007 test, no validation.

    Args:
        request: its root, whether objects marked difficult count, and what to do with damaged files.

    Raises:
        DataError: photographs are missing; or ``difficult`` is off and an XML file of VOC2012, from which
            labels are read then, is missing or damaged.
    """
    root, lists = VOC_LT(request.root), voc_lt_splits()
    paths = {name: listed.paths(root, VOC_LT.remedy, request.damaged) for name, listed in lists.items()}
    train = voc_lt_table().targets if request.difficult else _read_targets(root / _VOC2012, lists["train"])
    targets = {"train": train, "test": _test_targets(lists["test"], request.difficult)}
    splits = {
        name: ImageFileSplit(
            name,
            paths[name],
            targets[name],
            _boxes(root / year, listed, request.difficult),
            listed.ids,
        )
        for (name, listed), year in zip(lists.items(), (_VOC2012, _VOC2007), strict=True)
    }
    return photograph_set("voc-lt", CLASS_NAMES, splits, request.damaged)


def voc07_lt(request: DatasetRequest) -> MultiLabelDataset:
    """Return voc07-lt: 1,234 training, 800 validation and 2,918 test photographs, all of VOC2007 test.

    Args:
        request: its root, whether objects marked difficult count, and what to do with damaged files.

    Raises:
        DataError: photographs are missing.
    """
    root, lists = VOC07_LT(request.root), voc07_lt_splits()
    splits = {
        name: ImageFileSplit(
            name,
            listed.paths(root, VOC07_LT.remedy, request.damaged),
            _test_targets(listed, request.difficult),
            _boxes(root / _VOC2007, listed, request.difficult),
            listed.ids,
        )
        for name, listed in lists.items()
    }
    note = "voc07-lt trains on photographs of VOC2007 test: its figures are not those of VOC-LT"
    return photograph_set("voc07-lt", CLASS_NAMES, splits, request.damaged, notes=(note,))


def _test_targets(listed: ListedSplit, difficult: bool) -> NDArray[np.uint8]:
    """Return (N, 20) targets of images of VOC2007 test."""
    table = voc2007_table()
    place = {image_id: row for row, image_id in enumerate(table.ids)}
    targets = table.targets if difficult else table.without_difficult()
    return targets[[place[image_id] for image_id in listed.ids]]


def _read_targets(year: Path, listed: ListedSplit) -> NDArray[np.uint8]:
    """Return (N, 20) targets in which objects marked difficult do not count, from the XML files."""
    folder = year / "Annotations"
    if not folder.is_dir():
        raise DataError(
            f"without data.difficult the labels of voc-lt are read from {folder}, which is missing; unpack it "
            "from VOCtrainval_11-May-2012.tar"
        )
    labels = []
    for image_id in listed.ids:
        objects = read_annotation(folder / f"{image_id}.xml").counted(difficult=False)
        labels.append([CLASS_NAMES.index(found.name) for found in objects if found.name in CLASS_NAMES])
    return targets_of(labels, len(CLASS_NAMES))


def _boxes(year: Path, listed: ListedSplit, difficult: bool) -> VocBoxes | None:
    """Return the boxes of a split; None where there is no folder of annotations."""
    folder = year / "Annotations"
    if not folder.is_dir():
        return None
    return VocBoxes([str(folder / f"{image_id}.xml") for image_id in listed.ids], CLASS_NAMES, difficult)
