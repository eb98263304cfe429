"""A sheet with examples of every class, to see whether a person can name them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.protocol import MultiLabelDataset
from mlcnc.data.view import View

MOST_ROWS = 500
"""Classes on a sheet; of more it would be too high for most viewers."""

_LABEL_WIDTH = 150


def contact_sheet(
    dataset: MultiLabelDataset, per_class: int = 10, zoom: int = 2, *, side: int = 96, boxes: bool = False
) -> Image.Image:
    """Return a picture with one row a class: name, training count and test images having it.

    Images with few labels come first, so that it is clear which object is meant.

    Args:
        dataset: whose test split is shown; its first ``MOST_ROWS`` classes.
        per_class: images a row.
        zoom: whole-number enlargement of images of one size; photographs are squashed to a square instead.
        side: of that square in pixels, at least 16.
        boxes: draw those of the row's class, where they are known.

    Raises:
        DataError: a photograph, or with ``boxes`` its annotation, cannot be read.
    """
    test = dataset.test
    if isinstance(test, ImageFileSplit):
        test, zoom = replace(test, view=View(side)), 1
    first = test.image(0)
    height, width = first.shape[0] * zoom, first.shape[1] * zoom
    margin, gap = 8, 4
    names = dataset.class_names[:MOST_ROWS]
    sheet = Image.new(
        "RGB",
        (_LABEL_WIDTH + per_class * (width + gap) + margin, len(names) * (height + gap) + margin),
        (250, 250, 250),
    )
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    crowd = test.targets.sum(axis=1)
    for row, name in enumerate(names):
        top = margin + row * (height + gap)
        text = f"{_shortened(name, font)}\n{int(dataset.class_counts[row])} in training"
        pen.text((margin, top + height // 2 - 20), text, fill=(20, 20, 20), font=font)
        having = np.flatnonzero(test.targets[:, row])
        for column, index in enumerate(having[np.argsort(crowd[having], kind="stable")][:per_class].tolist()):
            image = Image.fromarray(test.image(index)).resize((width, height), Image.Resampling.NEAREST)
            known = test.boxes(index) if boxes else None
            for label, *corners in () if known is None else known.tolist():
                if label == row:
                    _frame(image, [zoom * corner for corner in corners])
            sheet.paste(image, (_LABEL_WIDTH + column * (width + gap), top))
    return sheet


def _shortened(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    name = name.replace("\n", " ")
    room = _LABEL_WIDTH - 12
    if font.getlength(name) <= room:
        return name
    while name and font.getlength(f"{name}...") > room:
        name = name[:-1]
    return f"{name}..."


def _frame(image: Image.Image, corners: list[float]) -> None:
    """Draw a box that is seen on dark and on bright ground."""
    pen = ImageDraw.Draw(image)
    pen.rectangle(corners, outline=(0, 0, 0), width=3)
    pen.rectangle(corners, outline=(255, 220, 0), width=1)
