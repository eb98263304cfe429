"""Small encoded pictures of the images a reader of a run may want to open."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.data import ImageSplit
from mlcnc.training.sample_choice import SPLIT_CODES, SampleChoice

LONGEST_SIDE = 160
QUALITY = 80


def picture_arrays(
    train: ImageSplit, test: ImageSplit, choice: SampleChoice, limit: int
) -> dict[str, NDArray[Any]]:
    """Return WebP pictures of sampled images, probe images and further test images, as flat arrays.

    Args:
        train, test: the splits in which the sample was chosen.
        choice: whose images come first.
        limit: at most so many pictures; 0 keeps none.

    Returns:
        ``pictures/split`` and ``pictures/index`` (n,), ``pictures/ends`` (n,): picture i is
        ``pictures/bytes[ends[i-1]:ends[i]]``. Empty without pictures.
    """
    pairs = zip(choice.split.tolist(), choice.image_index.tolist(), strict=True)
    probes = ((SPLIT_CODES["test"], int(index)) for index in choice.probes)
    rest = ((SPLIT_CODES["test"], index) for index in range(len(test)))
    wanted = sorted(list(dict.fromkeys([*probes, *pairs, *rest]))[:limit])
    if not wanted:
        return {}
    splits = {SPLIT_CODES["train"]: train, SPLIT_CODES["test"]: test}
    encoded = [_encoded(splits[code].image(index)) for code, index in wanted]
    table = np.array(wanted, dtype=np.int64)  # (n, 2)
    return {
        "pictures/split": table[:, 0].astype(np.uint8),
        "pictures/index": table[:, 1],
        "pictures/ends": np.cumsum([len(part) for part in encoded], dtype=np.int64),
        "pictures/bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8),
    }


def _encoded(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=QUALITY, method=4)
    return stream.getvalue()
