"""Annotations of COCO: one JSON file with images, categories and instances."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.files_below import class_name
from mlcnc.errors import DataError

Key = int | str


class Instance(NamedTuple):
    """One object: its category, and x, y, width, height in pixels where they are known."""

    category: Key
    box: tuple[float, float, float, float] | None


class CocoImage(NamedTuple):
    """One image; width and height are 0 where they are not said."""

    file_name: str
    width: float
    height: float


@dataclass(frozen=True)
class CocoAnnotations:
    """What one file says.

    Args:
        images: by id, in the file's order.
        categories: names by id, ascending.
        instances: by image id; crowds count, those flagged ``ignore`` do not.
    """

    images: dict[Key, CocoImage]
    categories: dict[Key, str]
    instances: dict[Key, list[Instance]]

    def boxes(self, image_id: Key, places: dict[Key, int]) -> NDArray[np.float32] | None:
        """Return (M, 5) rows of class and corners as shares of an image; None where they are unknown.

        Args:
            image_id: of the image.
            places: class index by category id; others are left out.
        """
        image = self.images.get(image_id)
        if image is None or not (image.width > 0 and image.height > 0):
            return None
        size = np.array([image.width, image.height] * 2, np.float64)
        rows = []
        for instance in self.instances.get(image_id, []):
            if instance.box is not None and instance.category in places:
                x, y, width, height = instance.box
                rows.append([places[instance.category], *(np.array([x, y, x + width, y + height]) / size)])
        boxes = np.array(rows, np.float32).reshape(-1, 5)
        boxes[:, 1:] = boxes[:, 1:].clip(0, 1)
        return boxes


def read_coco(path: str | Path, wanted: Collection[Key] | None = None) -> CocoAnnotations:
    """Return the images, categories and instances of a JSON file; outlines are dropped while it is read.

    Args:
        path: of the file, which takes twice its size of memory; that of train2017 (470 MB) some 13 seconds.
        wanted: image ids whose images and instances are kept; None keeps all.

    Raises:
        DataError: the file is missing, is no JSON, or does not hold what the format promises; the message names
            it.
    """
    keep = None if wanted is None else set(wanted)
    images: dict[Key, CocoImage] = {}
    instances: dict[Key, list[Instance]] = {}

    def record(found: dict[str, Any]) -> Any:
        # called for every object as soon as it ends, so that a large file never stands in memory as a whole
        if "image_id" in found and "category_id" in found:
            image_id = found["image_id"]
            if (keep is None or image_id in keep) and not found.get("ignore"):
                instances.setdefault(image_id, []).append(_instance(found))
            return None
        if "file_name" in found and "id" in found:
            if found["id"] in images:
                raise ValueError(f"image id {found['id']} stands there twice")
            if keep is None or found["id"] in keep:
                width, height = (float(found.get(side) or 0) for side in ("width", "height"))
                images[found["id"]] = CocoImage(str(found["file_name"]), width, height)
            return None
        return found

    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"), object_hook=record)
        if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
            raise ValueError("it must hold images, annotations and categories")
        categories = {entry["id"]: class_name(str(entry["name"])) for entry in content["categories"]}
        categories = dict(sorted(categories.items()))
        unknown = {i.category for found in instances.values() for i in found} - categories.keys()
        if unknown:
            raise ValueError(f"category_id {min(unknown, key=str)} is not among the categories")
        lost = instances.keys() - images.keys()
        if keep is None and lost:
            raise ValueError(f"image_id {min(lost, key=str)} is not among the images")
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or (
            f"{error} is missing" if isinstance(error, KeyError) else error
        )
        raise DataError(
            f"{path} cannot be read as a COCO annotation file ({reason}); restore or replace the file"
        ) from error
    return CocoAnnotations(images, categories, instances)


def _instance(found: dict[str, Any]) -> Instance:
    box = found.get("bbox")
    if not box:
        return Instance(found["category_id"], None)
    x, y, width, height = (float(number) for number in box)
    if not all(math.isfinite(number) for number in (x, y, width, height)):
        raise ValueError(f"annotation {found.get('id')} has a box that is not finite")
    return Instance(found["category_id"], (x, y, width, height))


@lru_cache(maxsize=4)
def _cached(path: str, modified: int, wanted: tuple[Key, ...]) -> CocoAnnotations:
    return read_coco(path, wanted)


@dataclass(frozen=True)
class CocoBoxes:
    """Boxes of N images; the file is read when the first is asked for.

    Args:
        path: JSON file.
        image_ids: N ids of images in it.
        category_ids: C ids, in order of class index.
    """

    path: str
    image_ids: Sequence[Key]
    category_ids: Sequence[Key]

    def __call__(self, index: int) -> NDArray[np.float32] | None:
        try:
            modified = Path(self.path).stat().st_mtime_ns
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read as a COCO annotation file ({error.strerror}); restore the file"
            ) from error
        places = {category: place for place, category in enumerate(self.category_ids)}
        return _cached(self.path, modified, tuple(self.image_ids)).boxes(self.image_ids[index], places)
