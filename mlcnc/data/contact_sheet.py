"""A sheet with examples of every class, to see whether a person can name them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mlcnc.data.protocol import MultiLabelDataset


def contact_sheet(dataset: MultiLabelDataset, per_class: int = 10, zoom: int = 2) -> Image.Image:
    """Return a picture with one row a class: name, training count and test images having it.

    Images with few labels come first, so that it is clear which object is meant.

    Args:
        dataset: whose test split is shown.
        per_class: images a row.
        zoom: whole-number enlargement.
    """
    first = dataset.test.image(0)
    height, width = first.shape[0] * zoom, first.shape[1] * zoom
    margin, label_width, gap = 8, 150, 4
    sheet = Image.new(
        "RGB",
        (label_width + per_class * (width + gap) + margin, dataset.num_classes * (height + gap) + margin),
        (250, 250, 250),
    )
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    crowd = dataset.test.targets.sum(axis=1)
    for row, name in enumerate(dataset.class_names):
        top = margin + row * (height + gap)
        count = int(dataset.class_counts[row])
        pen.text((margin, top + height // 2 - 20), f"{name}\nn = {count}", fill=(20, 20, 20), font=font)
        having = np.flatnonzero(dataset.test.targets[:, row])
        for column, index in enumerate(having[np.argsort(crowd[having], kind="stable")][:per_class]):
            image = Image.fromarray(dataset.test.image(int(index)))
            enlarged = image.resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (label_width + column * (width + gap), top))
    return sheet
