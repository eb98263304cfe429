"""Scenes of drawn objects on muted, textured ground; every scene from a random stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mlcnc.data.pen import mixed
from mlcnc.data.protocol import ArraySplit

Sprite = Callable[[int, int, np.random.Generator], Image.Image]
"""Draws an object: (class index, side in pixels, random stream) -> transparent image, trimmed."""

SPLITS = {"train": 0, "validation": 1, "test": 2}
SIZES = (64, 96, 128)

# largest side of an object in percent of the scene, by number of objects
SIZE_RANGES = {1: (46, 68), 2: (42, 58), 3: (38, 50), 4: (34, 46)}
LARGEST_OVERLAP = 0.3


def draw_split(
    name: str, targets: NDArray[np.uint8], sprite: Sprite, *, seed: int, size: int, flip: bool
) -> ArraySplit:
    """Return a split of drawn scenes.

    Args:
        name: train, validation or test; part of every scene's seed.
        targets: (N, C) label sets, one object a label.
        sprite: draws an object of a class.
        seed: of the data set.
        size: side of the scenes in pixels.
        flip: mirror objects at random.

    Returns:
        Images (N, size, size, 3) with the box of every object.
    """
    images = np.empty((len(targets), size, size, 3), dtype=np.uint8)
    boxes: list[tuple[float, ...]] = []
    for index, row in enumerate(targets):
        stream = np.random.Generator(np.random.PCG64([seed, SPLITS[name], index]))
        labels = np.flatnonzero(row).tolist()
        image, objects = draw_scene(labels, sprite, stream, size=size, flip=flip)
        images[index] = np.asarray(image)
        boxes.extend((index, *item) for item in objects)
    return ArraySplit(name, images, targets, np.array(boxes, dtype=np.float32).reshape(-1, 6))


def draw_scene(
    labels: Sequence[int], sprite: Sprite, rng: np.random.Generator, *, size: int, flip: bool
) -> tuple[Image.Image, list[tuple[float, ...]]]:
    """Return one scene and its objects as (class, x0, y0, x1, y1) in pixels."""
    scene = _ground(rng, size)
    low, high = SIZE_RANGES[min(4, max(1, len(labels)))]
    objects: list[tuple[float, ...]] = []
    placed: list[tuple[int, int, int, int]] = []
    canvas = 96 if size <= 64 else 2 * 96
    for label in [labels[i] for i in rng.permutation(len(labels))]:
        picture = sprite(label, canvas, rng)
        side = int(rng.integers(low, high + 1)) * size / 100.0
        factor = side / max(picture.size)
        width = max(4, round(picture.width * factor * (0.9 + 0.2 * float(rng.random()))))
        height = max(4, round(picture.height * factor))
        picture = picture.resize((min(width, size), min(height, size)), Image.Resampling.BOX)
        mirrored, angle = bool(rng.integers(2)), int(rng.integers(-10, 11))
        if flip and mirrored:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        picture = picture.rotate(angle, resample=Image.Resampling.BILINEAR, expand=True)
        # the faint fringe of the rotation is no part of the object
        box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 100 else 0).getbbox()
        picture = picture.crop(box or (0, 0, picture.width, picture.height))
        x, y = _place(rng, picture.size, placed, size)
        scene.paste(picture, (x, y), picture)
        area = (x, y, x + picture.width, y + picture.height)
        placed.append(area)
        objects.append((label, max(0, area[0]), max(0, area[1]), min(size, area[2]), min(size, area[3])))
    return scene, objects


def _place(
    rng: np.random.Generator,
    extent: tuple[int, int],
    placed: list[tuple[int, int, int, int]],
    size: int,
) -> tuple[int, int]:
    best, least = (0, 0), float("inf")
    for _ in range(24):
        x = int(rng.integers(0, max(1, size - extent[0] + 1)))
        y = int(rng.integers(0, max(1, size - extent[1] + 1)))
        overlap = max((_overlap((x, y, x + extent[0], y + extent[1]), other) for other in placed), default=0.0)
        if overlap < least:
            best, least = (x, y), overlap
        if overlap <= LARGEST_OVERLAP:
            break
    return best


def _overlap(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return width * height / smaller


def _ground(rng: np.random.Generator, size: int) -> Image.Image:
    """Return a muted ground: two close greyish colours mixed by a smooth field, and faint clutter."""
    grey = 120.0 + 90.0 * rng.random()
    first = grey + 26.0 * (rng.random(3) - 0.5)
    second = grey + 26.0 * (rng.random(3) - 0.5) + 34.0 * (rng.random() - 0.5)
    cells = int(rng.integers(2, 7))
    field = Image.fromarray((255 * rng.random((cells, cells))).astype(np.uint8))
    share = np.asarray(field.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64) / 255.0
    pixels = mixed(first[None, None, :], second[None, None, :], share[:, :, None])
    pixels = pixels + 8.0 * (rng.random((size, size, 1)) - 0.5)
    ground = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(ground)
    for _ in range(int(rng.integers(0, 5))):
        x, y, dx, dy = (int(value) for value in rng.integers(0, size, 4))
        colour = tuple(
            int(c) for c in np.clip(grey + 44.0 * (rng.random() - 0.5) + 14.0 * (rng.random(3) - 0.5), 0, 255)
        )
        kind = int(rng.integers(3))
        corner = (x, y, x + dx // 3 + 3, y + dy // 3 + 3)
        if kind == 0:
            pen.line((x, y, x + dx - size // 2, y + dy - size // 2), fill=colour, width=max(1, size // 40))
        elif kind == 1:
            pen.ellipse(corner, fill=colour)
        else:
            pen.rectangle(corner, fill=colour)
    return ground
