"""What a run keeps of its images: small pictures, or the ids by which those who have the images find them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcnc.data import ImageSplit, MultiLabelDataset, is_on_disk
from mlcnc.data.small_picture import small_webp
from mlcnc.training.sample_choice import SPLIT_CODES, SampleChoice

LONGEST_SIDE = 160


def image_arrays(
    dataset: MultiLabelDataset, train: ImageSplit, choice: SampleChoice, num_pictures: int
) -> dict[str, NDArray[Any]]:
    """Return what ``samples.safetensors`` holds of the images themselves.

    Args:
        dataset: gives the test split, and whether its images may be copied.
        train: the training images that are measured.
        choice: the sampled pairs and the probe images.
        num_pictures: at most so many small pictures.

    Returns:
        ``probes/size`` (2,): height and width of what the network sees of a probe image. Of images on disk, ids
        of test and of ``train``. Where copies are forbidden, or of images on disk none is asked for, nothing
        else; else ``probes/images`` (P, H, W, 3) and the arrays of :func:`picture_arrays`.
    """
    arrays: dict[str, NDArray[Any]] = {}
    on_disk = is_on_disk(dataset.name) or not dataset.may_be_copied
    if len(choice.probes):
        seen = dataset.test.image(int(choice.probes[0]))
        arrays["probes/size"] = np.array(seen.shape[:2], dtype=np.int64)
    if on_disk:
        arrays |= id_arrays("train", train) | id_arrays("test", dataset.test)
    if not dataset.may_be_copied or (on_disk and num_pictures == 0):
        return arrays
    if len(choice.probes):
        arrays["probes/images"] = np.stack([dataset.test.image(int(i)) for i in choice.probes])
    return arrays | picture_arrays(train, dataset.test, choice, num_pictures)


def id_arrays(name: str, split: ImageSplit) -> dict[str, NDArray[Any]]:
    """Return the ids of a split's images as flat arrays.

    Returns:
        ``name/id_ends`` (N,): the id of image i is ``name/id_bytes[ends[i-1]:ends[i]]``, in UTF-8.
    """
    # a file's name may hold bytes that are no text
    encoded = [split.image_id(index).encode(errors="replace") for index in range(len(split))]
    return {
        f"{name}/id_ends": np.cumsum([len(part) for part in encoded], dtype=np.int64),
        f"{name}/id_bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8),
    }


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
    encoded = [small_webp(Image.fromarray(splits[code].image(index)), LONGEST_SIDE) for code, index in wanted]
    table = np.array(wanted, dtype=np.int64)  # (n, 2)
    return {
        "pictures/split": table[:, 0].astype(np.uint8),
        "pictures/index": table[:, 1],
        "pictures/ends": np.cumsum([len(part) for part in encoded], dtype=np.int64),
        "pictures/bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8),
    }
