"""A scene of drawn objects with chosen labels, to show what an image of several labels is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.pictograms import CLASS_NAMES, draw_object
from mlcnc.data.scenes import draw_scene


@dataclass(frozen=True)
class DrawnScene:
    """A scene and where its objects are.

    Attributes:
        image: (size, size, 3) uint8.
        labels: (K,) class names, one an object.
        boxes: (K, 4) x0, y0, x1, y1 in pixels, in the order of the labels.
    """

    image: NDArray[np.uint8]
    labels: tuple[str, ...]
    boxes: NDArray[np.float64]


def drawn_scene(labels: Sequence[str], *, seed: int, size: int = 192) -> DrawnScene:
    """Return a scene as the built-in data sets draw them, with one object of each label.

    Args:
        labels: names of pictogram classes, each once.
        seed: of the drawing; the same one gives the same picture on every machine.
        size: side in pixels.

    Raises:
        ValueError: a label is no pictogram class.
    """
    unknown = [label for label in labels if label not in CLASS_NAMES]
    if unknown:
        raise ValueError(
            f"labels must be among the pictogram classes {', '.join(CLASS_NAMES)}, got {', '.join(unknown)}"
        )
    classes = [CLASS_NAMES.index(label) for label in labels]
    stream = np.random.Generator(np.random.PCG64(seed))
    image, objects = draw_scene(classes, draw_object, stream, size=size, flip=True)
    boxes = {int(found[0]): found[1:] for found in objects}
    return DrawnScene(np.asarray(image), tuple(labels), np.array([boxes[index] for index in classes], float))
