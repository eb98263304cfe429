"""The files of each data set's own lists, as paths below its root; no others are unpacked or downloaded."""

from __future__ import annotations

from collections.abc import Callable

from mlcnc.data.label_lists import read_lines

Places = tuple[str, ...]
"""Relative paths of one file; it lies at one of them."""


def _voc(year: str, name: str) -> list[Places]:
    kinds = (("JPEGImages", "jpg"), ("Annotations", "xml"))
    return [
        (f"VOCdevkit/{year}/{folder}/{image}.{ending}",) for image in _ids(name) for folder, ending in kinds
    ]


def _coco(folder: str, name: str) -> list[Places]:
    return [(f"{folder}/{int(image):012d}.jpg",) for image in _ids(name)]


def _visual_genome() -> list[Places]:
    folders = ("VG_100K", "VG_100K_2", "images")  # the last is both merged, as some keep them
    names = (*_ids("vg200/train.txt"), *_ids("vg200/test.txt"))
    return [tuple(f"{folder}/{image}.jpg" for folder in folders) for image in names]


def _ids(name: str) -> list[str]:
    return [line.split()[0] for line in read_lines(name)]


LISTS: dict[str, Callable[[], list[Places]]] = {
    "voc-lt": lambda: _voc("VOC2012", "voc-lt/train.txt"),
    "voc2007-test": lambda: _voc("VOC2007", "voc-lt/test.txt"),
    "coco-lt": lambda: _coco("train2017", "coco-lt/train.txt"),
    "coco-val2017": lambda: _coco("val2017", "coco-lt/test.txt"),
    "coco-instances": lambda: [(f"annotations/instances_{split}2017.json",) for split in ("train", "val")],
    "vg200": _visual_genome,
}
"""By ``Part.list_name``."""
