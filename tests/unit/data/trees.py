"""Small trees of generated pictures in the layouts in which data sets of photographs come."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

XML = """<annotation><filename>x.jpg</filename><size><width>{width}</width><height>{height}</height></size>
{objects}</annotation>"""
OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
    "<ymax>{}</ymax></bndbox><part><name>head</name></part></object>"
)


def picture(path, size=(7, 5), seed=0):
    """Write noise of (width, height) and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def copies(first: Path, folder: Path, names) -> None:
    """Give one file many names in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        os.link(first, folder / name)


def xml(*objects, size=(500, 300)) -> str:
    """Return an annotation of objects (name, difficult, xmin, ymin, xmax, ymax)."""
    return XML.format(
        width=size[0], height=size[1], objects="".join(OBJECT.format(*found) for found in objects)
    )


def coco(path: Path, images, annotations, categories) -> Path:
    """Write a COCO JSON of images (id, file name, width, height), annotations (image, category, box), names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "info": {"year": 2017},
        "images": [dict(zip(("id", "file_name", "width", "height"), row, strict=True)) for row in images],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "segmentation": [[1.0, 2.0]],
                **more,
            }
            for i, (image, category, box, more) in enumerate((*row, {})[:4] for row in annotations)
        ],
        "categories": [{"id": number, "name": name, "supercategory": "x"} for number, name in categories],
    }
    path.write_text(json.dumps(content))
    return path
