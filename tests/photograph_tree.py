"""A small folder of generated photographs in the layout of voc07-lt, and a run that names them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mlcnc.data.voc import voc07_lt_splits
from mlcnc.store import RunStore, RunWriter

RED, BLUE = (200, 30, 40), (30, 60, 190)


def photographs(root, number=3, split="test"):
    """Write the first photographs of a split, 100 by 60, the left 40 columns red, the rest blue; return their ids."""
    folder = root / "voc07-lt" / "VOCdevkit" / "VOC2007" / "JPEGImages"
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.full((60, 100, 3), BLUE, np.uint8)
    picture[:, :40] = RED
    names = voc07_lt_splits()[split].ids[:number]
    for name in names:
        Image.fromarray(picture).save(folder / f"{name}.jpg", quality=95)
    return [f"{split}-{name}" for name in names]


def id_arrays(split, ids):
    encoded = [name if isinstance(name, bytes) else name.encode() for name in ids]
    return {
        f"{split}/id_ends": np.cumsum([len(name) for name in encoded]),
        f"{split}/id_bytes": np.frombuffer(b"".join(encoded), np.uint8),
    }


def run_naming(root, ids, run_id="named", data=None, arrays=None):
    """Write a run of one class whose test images have these ids, and open it."""
    config = {"data": {"dataset": "voc07-lt", **(data or {})}}
    with RunWriter.create(root, run_id, class_names=["a"], class_counts=[1], config=config) as run:
        run.log_samples({"probes/size": np.array([64, 64]), **id_arrays("test", ids), **(arrays or {})})
    return RunStore(root).open(run_id)
