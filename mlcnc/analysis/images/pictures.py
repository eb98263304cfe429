"""Small pictures of images by split and index, for galleries."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import RunFormatError
from mlcnc.store import ArrayFile, Run

SPLITS = ("train", "test")
"""Stored as 0 and 1."""

LARGEST_SIDE = 4096
"""Of a small picture, in pixels; a few bytes may claim a side of 16,383."""


@dataclass(frozen=True)
class PictureIndex:
    """Which images have a picture in one run.

    Attributes:
        positions: from (split, image index) to the picture's position in the file.
        ends: (n,) where each picture's bytes end.
    """

    positions: dict[tuple[str, int], int]
    ends: NDArray[np.int64]


def picture_index(run: Run) -> PictureIndex:
    """Return which images have a picture; none where the run kept no pictures.

    Raises:
        RunFormatError: the file is damaged.
    """
    samples = run.samples()
    if samples is None or "pictures/ends" not in samples:
        return PictureIndex({}, np.empty(0, dtype=np.int64))
    codes, indices = samples.get("pictures/split").tolist(), samples.get("pictures/index").tolist()
    positions = {
        (SPLITS[code], int(index)): position
        for position, (code, index) in enumerate(zip(codes, indices, strict=True))
        if code in (0, 1)
    }
    ends = samples.get("pictures/ends").astype(np.int64)
    if (np.diff(ends, prepend=0) < 0).any():
        raise samples.damaged("pictures/ends does not rise")
    return PictureIndex(positions, ends)


def picture_bytes(run: Run, index: PictureIndex, split: str, image: int) -> bytes | None:
    """Return one picture as WebP, or None where the image has none.

    Args:
        run: of which.
        index: of that run, from ``picture_index``.
        split: ``train`` or ``test``.
        image: index into the split.

    Raises:
        RunFormatError: the file is damaged, or holds something else than a picture.
    """
    position = index.positions.get((split, image))
    samples = run.samples()
    if position is None or samples is None:
        return None
    return _stored(run, samples, index.ends, position)


def encoded_pictures(run: Run, images: tuple[tuple[str, int], ...]) -> tuple[bytes | None, ...]:
    """Return the pictures of several images, each by split and index, as WebP; None of those that have none.

    Raises:
        RunFormatError: the file is damaged, or holds something else than a picture.
    """
    index = picture_index(run)
    return tuple(picture_bytes(run, index, split, image) for split, image in images)


def picture(run: Run, index: PictureIndex, split: str, image: int) -> NDArray[np.uint8] | None:
    """Return one picture as (H, W, 3) uint8, or None where the image has none.

    Raises:
        RunFormatError: the file is damaged, or holds something else than a picture.
    """
    from PIL import Image, UnidentifiedImageError

    encoded = picture_bytes(run, index, split, image)
    if encoded is None:
        return None
    try:
        with Image.open(io.BytesIO(encoded), formats=["WEBP"]) as opened:
            return np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise RunFormatError(f"a picture of run {run.run_id} is damaged: {error}") from error


def _stored(run: Run, samples: ArrayFile, ends: NDArray[np.int64], position: int) -> bytes:
    start = int(ends[position - 1]) if position else 0
    encoded = bytes(samples.get("pictures/bytes", slice(start, int(ends[position]))))
    sides = webp_sides(encoded)
    if sides is None:
        raise RunFormatError(f"picture {position} of run {run.run_id} is not a WebP picture")
    if max(sides) > LARGEST_SIDE:
        raise RunFormatError(
            f"picture {position} of run {run.run_id} is damaged: it would have {sides[0]} by {sides[1]} pixels"
        )
    return encoded


def webp_sides(encoded: bytes) -> tuple[int, int] | None:
    """Return width and height that the header of a WebP picture claims (RFC 9649), None where it is none.

    Libraries set memory aside for as many pixels when they open it, long before they decode one.
    """
    if len(encoded) < 25 or encoded[:4] != b"RIFF" or encoded[8:12] != b"WEBP":
        return None
    kind, body = encoded[12:16], encoded[20:30]
    if kind == b"VP8X" and len(body) == 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(body) == 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None
