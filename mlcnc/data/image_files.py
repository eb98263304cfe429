"""A split whose images are files, read with Pillow when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mlcnc.data.view import View
from mlcnc.errors import DataError, require_shape


@dataclass(frozen=True)
class ImageFileSplit:
    """N image files with targets, read as RGB, upright as their EXIF orientation says.

    Args:
        name: of the split; part of the image ids.
        paths: N files.
        targets: (N, C) uint8.
        object_boxes: of image ``index``, returns (M, 5) float32 rows of class, x0, y0, x1, y1, or None where
            none are known. Corners are shares of width and height in [0, 1], because files are often smaller
            than the annotated originals.
        ids: N names of the images; None takes the files' names without ending.
        view: what is seen of a picture; None leaves it as it is.
    """

    name: str
    paths: Sequence[str | PathLike[str]]
    targets: NDArray[np.uint8]
    object_boxes: Callable[[int], NDArray[np.float32] | None] | None = None
    ids: Sequence[str] | None = None
    view: View | None = None

    def __post_init__(self) -> None:
        require_shape("targets", self.targets.shape, (len(self.paths), "C"), like="paths")
        if self.ids is not None:
            require_shape("ids", (len(self.ids),), (len(self.paths),), like="paths")

    def __len__(self) -> int:
        return len(self.paths)

    def pil(self, index: int) -> Image.Image:
        """Return image ``index`` as the RGB picture that its file holds, whatever the view.

        Raises:
            DataError: the file is missing or damaged; the message names it.
        """
        path = self.paths[index]
        try:
            with Image.open(path) as file:
                if file.mode in ("I", "F") or file.mode.startswith("I;"):
                    # Pillow would cut all values at 255
                    raise ValueError(f"more than 8 bits a pixel, mode {file.mode}")
                ImageOps.exif_transpose(file, in_place=True)
                return file.convert("RGB")
        except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
            reason = f"{type(error).__name__}: {error}"
            raise DataError(
                f"{path} cannot be read as an image ({reason}); restore or replace the file"
            ) from error

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return what is seen of image ``index`` as (H, W, 3).

        Raises:
            DataError: the file is missing or damaged; the message names it.
        """
        picture = self.pil(index)
        return np.array(picture if self.view is None else self.view.picture(picture, index))

    def boxes(self, index: int) -> NDArray[np.float32] | None:
        """Return (M, 5) rows of class, x0, y0, x1, y1 in pixels of :meth:`image`, or None if unknown."""
        shares = None if self.object_boxes is None else self.object_boxes(index)
        if shares is None:
            return None
        size = self.pil(index).size
        if self.view is not None:
            return self.view.boxes(shares, size, index)
        return shares * np.array([1, *size, *size], np.float32)

    def image_id(self, index: int) -> str:
        return f"{self.name}-{Path(self.paths[index]).stem if self.ids is None else self.ids[index]}"
