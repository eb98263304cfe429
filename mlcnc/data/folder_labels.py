"""Labels of the user's own photographs: a table, COCO JSON, or a tree with VOC XML."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.coco_json import CocoBoxes, read_coco
from mlcnc.data.files_below import class_name, inside, name_below
from mlcnc.data.listed_split import names_in
from mlcnc.data.voc_xml import CLASS_NAMES, VocBoxes, read_annotation
from mlcnc.errors import DataError

Boxes = Callable[[int], NDArray[np.float32] | None]

FORMS = (
    "put labels.csv there with the columns path, labels (names with ; between them) and perhaps split, or "
    "annotations/instances_train.json and instances_test.json as COCO writes them, or Annotations/ with VOC "
    "XML beside JPEGImages/"
)
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
"""What a split may be called."""
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class FolderLabels:
    """What the labels in a folder say.

    Args:
        source: the file or folder they stand in, for messages.
        class_names: in order of index.
        files: below the root, with / between the parts.
        labels: class indices of each file.
        splits: ``train``, ``validation`` or ``test`` of each file; None where the data name none.
        boxes: of each file, as :class:`~mlcnc.data.image_files.ImageFileSplit` takes them.
        is_vocabulary: the class names are a given list of which not all need occur.
    """

    source: str
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    splits: tuple[str, ...] | None
    boxes: Boxes | None = None
    is_vocabulary: bool = False


def read_labels(root: Path, annotations: str | None, difficult: bool = True) -> FolderLabels:
    """Return the labels in a folder.

    Args:
        root: resolved.
        annotations: a CSV, a COCO JSON or a folder with VOC XML, below ``root``; None looks for one.
        difficult: objects that VOC XML marks so count.

    Raises:
        DataError: there are none, or several, or they cannot be read; the message says where and what to do.
    """
    found = _found(root) if annotations is None else _named(root, annotations)
    if found[0].is_dir():
        labels = _of_tree(root, found[0], difficult)
    elif found[0].suffix.lower() == ".json":
        labels = _of_coco(root, found)
    else:
        labels = _of_table(root, found[0])
    if not labels.files:
        raise DataError(f"{labels.source} names no image; {FORMS}")
    seen: set[str] = set()
    for name in labels.files:
        if name in seen:
            raise DataError(f"{labels.source} names {name} twice; an image has one place and one split")
        seen.add(name)
    return labels


def _named(root: Path, annotations: str) -> list[Path]:
    path = inside(root, name_below(annotations, "data.annotations"), "data.annotations")
    is_tree = path.is_dir() and (path / "Annotations").is_dir()
    if not is_tree and not (path.is_file() and path.suffix.lower() in (".csv", ".json")):
        raise DataError(
            f"data.annotations must name a .csv, a .json or a folder with Annotations/ below {root}, "
            f"got {annotations!r}"
        )
    return [path]


def _found(root: Path) -> list[Path]:
    """Return the one table or tree, or the JSON files of all splits."""
    tables = sorted(root.glob("*.csv"))
    instances = sorted([*root.glob("instances*.json"), *root.glob("annotations/instances*.json")])
    instances = instances or sorted(root.glob("*.json"))
    trees = [path for path in (root, *sorted(root.glob("VOCdevkit/*"))) if (path / "Annotations").is_dir()]
    if len(instances) > 1 and len({_split_in(path) for path in instances} - {None}) == len(instances):
        forms = [[path] for path in (*tables, *trees)] + [instances]
    else:
        forms = [[path] for path in (*tables, *instances, *trees)]
    if not forms:
        raise DataError(f"{root} holds no labels; {FORMS}")
    if len(forms) > 1:
        names = ", ".join(str(paths[0].relative_to(root)) for paths in forms[:4])
        raise DataError(f"{root} holds several files of labels: {names}; name one with data.annotations")
    return [inside(root, str(path.relative_to(root)), str(root)) for path in forms[0]]


def _split_in(path: Path) -> str | None:
    word = re.search("train|val|test", path.stem.lower())
    return None if word is None else SPLITS[word[0]]


def _of_table(root: Path, path: Path) -> FolderLabels:
    """Return the labels of a CSV with the columns path, labels and perhaps split.

    Labels have ; or | between them, so that a name may hold spaces and commas.
    """
    source = str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name.strip().lower() for name in reader.fieldnames or ()]
            if not {"path", "labels"} <= set(header):
                raise DataError(
                    f"{path} must begin with a line path,labels or path,labels,split, got {','.join(header)!r}"
                )
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table ({error}); save it as CSV in UTF-8") from error
    files, names, splits = [], [], []
    for line, row in rows:
        if None in row or row["labels"] is None:
            raise DataError(f"{path}, line {line}, has another number of columns than the first; correct it")
        files.append(name_below(row["path"] or "", f"{path}, line {line},"))
        names.append([class_name(name) for name in re.split(r"[;|]", row["labels"]) if name.strip()])
        if "split" in header:
            split = SPLITS.get((row["split"] or "").strip().lower())
            if split is None:
                raise DataError(
                    f"{path}, line {line}: split must be train, validation or test, got {row['split']!r}"
                )
            splits.append(split)
    class_names = tuple(sorted({name for found in names for name in found}))
    return FolderLabels(
        source, class_names, tuple(files), _indices(names, class_names), tuple(splits) if splits else None
    )


def _indices(names: Sequence[Sequence[str]], class_names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    place = {name: index for index, name in enumerate(class_names)}
    return tuple(tuple(sorted({place[name] for name in found})) for found in names)


def _of_coco(root: Path, paths: Sequence[Path]) -> FolderLabels:
    """Return the labels of one COCO JSON, or of one a split; every annotation counts as a label."""
    files, labels, splits, boxes = [], [], [], []
    categories: dict[int | str, str] = {}
    for path in paths:
        found = read_coco(path)
        if categories and found.categories != categories:
            raise DataError(f"{path} has other categories than {paths[0]}; all splits need the same ones")
        categories = found.categories
        if len(set(categories.values())) != len(categories):
            raise DataError(f"{path} gives several categories one name; rename them")
        place = {category: index for index, category in enumerate(categories)}
        names = [name_below(image.file_name, str(path)) for image in found.images.values()]
        folder = _folder_of(root, path, names)
        files += [name_below(f"{folder}/{name}", str(path)) for name in names]
        labels += [
            tuple(sorted({place[instance.category] for instance in found.instances.get(image, [])}))
            for image in found.images
        ]
        splits += [_split_in(path) or "train"] * len(names)
        boxes.append(CocoBoxes(str(path), tuple(found.images), tuple(categories)))
    return FolderLabels(
        " and ".join(map(str, paths)),
        tuple(categories.values()),
        tuple(files),
        tuple(labels),
        tuple(splits) if len(paths) > 1 else None,
        _Joined(tuple(boxes)),
        is_vocabulary=True,
    )


def _folder_of(root: Path, path: Path, names: Sequence[str]) -> str:
    """Return the folder below ``root`` in which the images of a JSON file lie, as far as can be told."""
    beside = path.parent.relative_to(root).as_posix()
    folders = (path.stem.removeprefix("instances").strip("_-") or ".", "images", beside, ".")
    return next((f for f in folders if any((root / f / name).is_file() for name in names[:20])), ".")


@dataclass(frozen=True)
class _Joined:
    """Boxes of several files, one after the other."""

    parts: tuple[CocoBoxes, ...]

    def __call__(self, index: int) -> NDArray[np.float32] | None:
        for part in self.parts:
            if index < len(part.image_ids):
                return part(index)
            index -= len(part.image_ids)
        return None


def _of_tree(root: Path, tree: Path, difficult: bool) -> FolderLabels:
    """Return the labels of ``Annotations/*.xml`` beside ``JPEGImages/``, split by ``ImageSets/Main/*.txt``."""
    below = tree.relative_to(root).as_posix()
    splits: list[str] = []
    stems: list[str] = []
    for name in ("train", "val", "test"):
        path = inside(root, f"{below}/ImageSets/Main/{name}.txt", str(tree))
        if path.is_file():
            found = _first_words(path)
            stems += [name_below(stem, str(path)) for stem in found]
            splits += [SPLITS[name]] * len(found)
    if not stems:
        stems = sorted(path.stem for path in (tree / "Annotations").glob("*.xml"))
    pictures = {
        Path(name).stem: name
        for name in sorted(names_in(tree / "JPEGImages"))
        if name.lower().endswith(_PICTURES)
    }
    xml = [inside(root, f"{below}/Annotations/{stem}.xml", str(tree)) for stem in stems]
    names = [[found.name for found in read_annotation(path).counted(difficult)] for path in xml]
    present = {name for found in names for name in found}
    voc = [name for name in CLASS_NAMES if name in present]
    class_names = tuple(voc if present <= set(voc) else sorted(present))
    return FolderLabels(
        str(tree),
        class_names,
        tuple(
            name_below(f"{below}/JPEGImages/{pictures.get(stem, f'{stem}.jpg')}", str(tree)) for stem in stems
        ),
        _indices(names, class_names),
        tuple(splits) or None,
        VocBoxes([str(path) for path in xml], class_names, difficult),
    )


def _first_words(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of images ({error}); save it in UTF-8") from error
    return [line.split()[0] for line in lines if line.strip()]
