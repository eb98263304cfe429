"""A split whose images are files, read with Pillow when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mlcnc.errors import DataError, require_shape


@dataclass(frozen=True)
class ImageFileSplit:
    """N image files with targets, read as RGB, upright as their EXIF orientation says.

    Args:
        name: of the split; part of the image ids.
        paths: N files.
        targets: (N, C) uint8.
        object_boxes: (M, 6) float32 rows of image, class, x0, y0, x1, y1, sorted by image, or None. Corners are
            shares of width and height in [0, 1], because files are often smaller than the annotated originals.
        ids: N names of the images; None takes the files' names without ending.
        size: side in pixels to which images are resized, to a square; None leaves them as they are.
    """

    name: str
    paths: Sequence[str | PathLike[str]]
    targets: NDArray[np.uint8]
    object_boxes: NDArray[np.float32] | None = None
    ids: Sequence[str] | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        require_shape("targets", self.targets.shape, (len(self.paths), "C"), like="paths")
        if self.ids is not None:
            require_shape("ids", (len(self.ids),), (len(self.paths),), like="paths")

    def __len__(self) -> int:
        return len(self.paths)

    def pil(self, index: int) -> Image.Image:
        """Return image ``index`` as an RGB picture.

        Raises:
            DataError: the file is missing or damaged; the message names it.
        """
        path = self.paths[index]
        try:
            with Image.open(path) as file:
                ImageOps.exif_transpose(file, in_place=True)
                picture = file.convert("RGB")
        except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
            reason = f"{type(error).__name__}: {error}"
            raise DataError(
                f"{path} cannot be read as an image ({reason}); restore or replace the file"
            ) from error
        return (
            picture if self.size is None else picture.resize((self.size, self.size), Image.Resampling.BILINEAR)
        )

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return image ``index`` as (H, W, 3).

        Raises:
            DataError: the file is missing or damaged; the message names it.
        """
        return np.array(self.pil(index))

    def boxes(self, index: int) -> NDArray[np.float32] | None:
        """Return (M, 5) rows of class, x0, y0, x1, y1 in pixels of :meth:`image`, or None if unknown."""
        if self.object_boxes is None:
            return None
        width, height = (self.size, self.size) if self.size else self.pil(index).size
        first, last = np.searchsorted(self.object_boxes[:, 0], [index, index + 1])
        return self.object_boxes[first:last, 1:] * np.array([1, width, height, width, height], np.float32)

    def image_id(self, index: int) -> str:
        return f"{self.name}-{Path(self.paths[index]).stem if self.ids is None else self.ids[index]}"
