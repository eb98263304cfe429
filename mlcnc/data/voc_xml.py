"""Annotations of PASCAL VOC: one XML file an image, with named objects and their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.files_below import class_name
from mlcnc.data.label_lists import read_lines
from mlcnc.errors import DataError

CLASS_NAMES = read_lines("voc-lt/classes.txt")
"""The 20 classes in the order in which VOC and its derived data sets count them."""


@dataclass(frozen=True)
class VocObject:
    """One object of an image.

    Args:
        name: of its class.
        difficult: whether the annotators marked it so.
        corners: xmin, ymin, xmax, ymax in pixels as written: the first is 1, the last belongs to the box.
    """

    name: str
    difficult: bool
    corners: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class VocAnnotation:
    """What one file says.

    Args:
        size: width and height that the corners are meant for; None where it is not said.
        objects: of the image.
    """

    size: tuple[int, int] | None
    objects: tuple[VocObject, ...]

    def counted(self, difficult: bool) -> tuple[VocObject, ...]:
        """Return the objects that count: all, or those not marked difficult."""
        return tuple(found for found in self.objects if difficult or not found.difficult)

    def boxes(self, class_names: Sequence[str], difficult: bool) -> NDArray[np.float32] | None:
        """Return (M, 5) rows of class and corners as shares of width and height; None without a size.

        Args:
            class_names: objects of other names are left out.
            difficult: objects marked so count.
        """
        if self.size is None:
            return None
        width, height = self.size
        rows = [
            (class_names.index(found.name), (x0 - 1) / width, (y0 - 1) / height, x1 / width, y1 / height)
            for found in self.counted(difficult)
            if found.name in class_names and found.corners is not None
            for x0, y0, x1, y1 in [found.corners]
        ]
        boxes = np.array(rows, np.float32).reshape(-1, 5)
        boxes[:, 1:] = boxes[:, 1:].clip(0, 1)
        return boxes


def read_annotation(path: str | Path) -> VocAnnotation:
    """Return what an XML file says.

    Raises:
        DataError: it is missing or no annotation; the message names it.
    """
    try:
        root = ElementTree.parse(path).getroot()
        if root.tag != "annotation":
            raise ValueError(f"its root is {root.tag}")
        width, height = (int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
        objects = tuple(_object(element) for element in root.findall("object"))
    except (OSError, ElementTree.ParseError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read as a VOC annotation ({reason}); restore or replace the file"
        ) from error
    return VocAnnotation((width, height) if width > 0 and height > 0 else None, objects)


def _object(element: ElementTree.Element) -> VocObject:
    name = class_name(element.findtext("name") or "")
    if not name:
        raise ValueError("an object has no name")
    corners = None
    box = element.find("bndbox")
    if box is not None:
        x0, y0, x1, y1 = (float(box.findtext(side) or "nan") for side in ("xmin", "ymin", "xmax", "ymax"))
        if not np.isfinite([x0, y0, x1, y1]).all():
            raise ValueError(f"the box of {name} lacks a number")
        corners = (x0, y0, x1, y1)
    return VocObject(name, (element.findtext("difficult") or "0").strip() == "1", corners)


@dataclass(frozen=True)
class VocBoxes:
    """Boxes of N images, each read from its file when it is asked for.

    Args:
        paths: N XML files.
        class_names: whose index the rows begin with.
        difficult: objects marked so have a box.
    """

    paths: Sequence[str]
    class_names: tuple[str, ...]
    difficult: bool

    def __call__(self, index: int) -> NDArray[np.float32] | None:
        return read_annotation(self.paths[index]).boxes(self.class_names, self.difficult)
