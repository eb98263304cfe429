"""How a network sees a whole photograph when it is measured: squashed to a square, or its middle cut out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Interpolation = Literal["bilinear", "bicubic"]

CENTRAL_CUT = {"mlc_nc": 256 / 224}
"""Augmentations whose test images are cut from the middle, and the shorter side before over that after."""

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


LONGEST_RESIZED = 16
"""Sides of the cut-out: a longer strip is cut before it is resized, since it could take gigabytes."""


@dataclass(frozen=True)
class View:
    """A square of ``size`` pixels of any picture.

    Args:
        size: side in pixels.
        shorter_side: None squashes the whole picture to the square; else the shorter side is resized to so many
            pixels and the middle is cut out, so that what lies at the ends of the longer side is not seen.
        interpolation: of the resizing.
        mirrored: every second picture at random, by its place in the split alone, is mirrored left to right.
    """

    size: int
    shorter_side: int | None = None
    interpolation: Interpolation = "bilinear"
    mirrored: bool = False

    def picture(self, picture: Image.Image, index: int) -> Image.Image:
        """Return what is seen of an RGB picture, the ``index``-th of its split."""
        (width, height), (left, top) = self._resized(picture.size)
        how = RESAMPLING[self.interpolation]
        kept = (left, top, left + self.size, top + self.size)
        if max(width, height) > LONGEST_RESIZED * self.size:
            across, down = picture.width / width, picture.height / height
            box = (kept[0] * across, kept[1] * down, kept[2] * across, kept[3] * down)
            seen = picture.resize((self.size, self.size), how, box)
        else:
            seen = picture.resize((width, height), how)
            if (width, height) != (self.size, self.size):
                seen = seen.crop(kept)
        return ImageOps.mirror(seen) if self.is_mirrored(index) else seen

    def boxes(self, shares: NDArray[np.float32], size: tuple[int, int], index: int) -> NDArray[np.float32]:
        """Return (m, 5) rows of class, x0, y0, x1, y1 in pixels of what is seen, of boxes that are.

        Args:
            shares: (M, 5) rows of class, x0, y0, x1, y1, corners as shares of width and height.
            size: width and height of the picture.
            index: its place in the split.
        """
        (width, height), (left, top) = self._resized(size)
        boxes = shares * np.array([1, width, height, width, height], np.float32)
        boxes[:, 1:] = (boxes[:, 1:] - np.array([left, top, left, top], np.float32)).clip(0, self.size)
        if self.is_mirrored(index):
            boxes[:, [1, 3]] = self.size - boxes[:, [3, 1]]
        seen = (boxes[:, 3] > boxes[:, 1]) & (boxes[:, 4] > boxes[:, 2])
        return boxes[seen]

    def is_mirrored(self, index: int) -> bool:
        """Return whether the ``index``-th picture of a split is mirrored."""
        # a key of its own, so that it says nothing of any other draw
        return self.mirrored and bool(np.random.SeedSequence([index, 31]).generate_state(1)[0] & 1)

    def _resized(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return width and height before cutting, and the left and top edge of what is kept."""
        if self.shorter_side is None:
            return (self.size, self.size), (0, 0)
        factor = self.shorter_side / min(size)
        # a side of the cut-out at least, where the shorter side is asked to be smaller than that
        width, height = (max(self.size, round(side * factor)) for side in size)
        return (width, height), ((width - self.size) // 2, (height - self.size) // 2)


def view_of(augmentation: str | None, size: int, interpolation: Interpolation, mirrored: bool = False) -> View:
    """Return how test images are seen under an augmentation by its name: squashed, or for mlc_nc cut.

    Args:
        augmentation: of the settings; None is the light one.
        size: side in pixels.
        interpolation: of the backbone.
        mirrored: as for :class:`View`.
    """
    cut = CENTRAL_CUT.get(augmentation or "")
    return View(size, None if cut is None else round(size * cut), interpolation, mirrored)
