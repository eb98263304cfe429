"""``folder``: the user's own photographs.

Labels are a CSV, COCO JSON, or VOC XML, see :mod:`mlcnc.data.folder_labels`. Where they name no split, one is
drawn by ``data.seed``. Where they name train and validation but no test split, the validation images are the
test set, and there is no validation split: no image is ever both. Only files below the folder are opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.damaged_files import rows_of
from mlcnc.data.files_below import files_below, inside, spelt_on_disk
from mlcnc.data.folder_labels import FORMS, FolderLabels, read_labels
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.label_lists import targets_of
from mlcnc.data.long_tail import long_tail_sentence
from mlcnc.data.photograph_root import DATA_VARIABLE
from mlcnc.data.photograph_set import photograph_set
from mlcnc.data.protocol import DatasetFacts, DatasetRequest, MultiLabelDataset
from mlcnc.data.seeded_split import seeded_split
from mlcnc.errors import DataError
from mlcnc.named_paths import named_path, path_in_variable


def folder_root(root: Path | None) -> Path:
    """Return ``root``, or the folder called ``folder`` in the one that MLCNC_DATA names.

    Raises:
        DataError: there is none.
    """
    base = path_in_variable(DATA_VARIABLE)
    if root is None and base is None:
        raise DataError(f"data.root must name the folder of your photographs; {FORMS}")
    path = (base or Path()) / "folder" if root is None else named_path(root)
    if not path.is_dir():
        raise DataError(f"the photographs of folder cannot be found: {path} is not a folder; {FORMS}")
    return path.resolve()


FACTS = DatasetFacts((), 0, 0, 0, root=folder_root)
"""Nothing is known of them before the labels are read."""


def folder(request: DatasetRequest) -> MultiLabelDataset:
    """Return the user's own photographs.

    Args:
        request: root, file of annotations, seed of the split, whether difficult objects of VOC XML count, and
            what to do with damaged files.

    Raises:
        DataError: labels or photographs are missing or do not fit; the message says which and what to do.
    """
    root = folder_root(request.root)
    labels = read_labels(root, request.annotations, request.difficult)
    files = files_below(root, labels.files, labels.source, request.damaged)
    targets = targets_of(labels.labels, len(labels.class_names))
    notes: tuple[str, ...] = ()
    names = labels.splits
    if names is None:
        names = tuple(seeded_split(targets, request.seed))
        notes += (f"no split is named in {labels.source}: one is drawn by data.seed {request.seed}",)
    elif "test" not in names and "validation" in names:
        names = tuple("test" if name == "validation" else name for name in names)
        notes += (f"no test images are named in {labels.source}: those of validation are the test set",)
    _refuse_empty(labels, names)
    whole = ImageFileSplit("all", files, targets, labels.boxes, labels.files)
    splits: dict[str, ImageFileSplit] = {
        name: replace(rows_of(whole, np.flatnonzero(np.array(names) == name)), name=name)
        for name in ("train", "validation", "test")
        if name in names
    }
    class_names = labels.class_names
    if labels.is_vocabulary:
        splits, class_names, left_out = _without_untrained(splits, class_names)
        notes += left_out
    if len(class_names) < 2:
        raise DataError(
            f"{labels.source} names {len(class_names)} classes with training images; two are needed"
        )
    dataset = photograph_set("folder", class_names, splits, request.damaged, may_be_copied=True, notes=notes)
    return replace(dataset, notes=(*dataset.notes, long_tail_sentence(dataset.train.targets, dataset.groups)))


def photograph(root: Path | None, name: str, annotations: str | None = None) -> Path | None:
    """Return the file of that name below the folder, or None where the labels do not name it or it is missing.

    Args:
        root: as ``data.root``.
        name: with / between its parts.
        annotations: as ``data.annotations``.

    Raises:
        DataError: there is no such folder, its labels cannot be read, or the file is a link out of it.
    """
    base = folder_root(root)
    if name not in _files(base, annotations, base.stat().st_mtime_ns):
        return None
    source = "the list of labels"
    path = inside(base, name, source)
    if not path.is_file() and (other := spelt_on_disk(base, name, source)) is not None:
        path = inside(base, other, source)
    return path if path.is_file() else None


@lru_cache(maxsize=4)
def _files(root: Path, annotations: str | None, modified: int) -> frozenset[str]:
    return frozenset(read_labels(root, annotations).files)


def _refuse_empty(labels: FolderLabels, splits: Sequence[str]) -> None:
    for name, word in (("train", "training"), ("test", "test")):
        if name not in splits:
            raise DataError(
                f"{labels.source} leaves no {word} images of {len(splits)}; name some in its split {name}"
            )


def _without_untrained(
    splits: dict[str, ImageFileSplit], class_names: tuple[str, ...]
) -> tuple[dict[str, ImageFileSplit], tuple[str, ...], tuple[str, ...]]:
    """Return splits and class names without the classes that have no training image, and a sentence, if any."""
    kept = np.flatnonzero(splits["train"].targets.any(axis=0))
    if len(kept) == len(class_names):
        return splits, class_names, ()
    without = [name for index, name in enumerate(class_names) if index not in set(kept.tolist())]
    named = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
    note = f"{len(without)} of {len(class_names)} categories have no training image and are left out: {named}"
    reduced = {
        name: replace(
            split,
            targets=split.targets[:, kept],
            object_boxes=None if split.object_boxes is None else _BoxesOfClasses(split.object_boxes, kept),
        )
        for name, split in splits.items()
    }
    return reduced, tuple(class_names[index] for index in kept), (note,)


@dataclass(frozen=True)
class _BoxesOfClasses:
    """Boxes of the classes that are kept, by their new index."""

    whole: Callable[[int], NDArray[np.float32] | None]
    kept: NDArray[np.int64]

    def __call__(self, index: int) -> NDArray[np.float32] | None:
        boxes = self.whole(index)
        if boxes is None:
            return None
        boxes = boxes[np.isin(boxes[:, 0], self.kept)]
        boxes[:, 0] = np.searchsorted(self.kept, boxes[:, 0])
        return boxes
