"""pictogram-lt: drawn scenes with the class names, counts and co-occurrence of VOC-LT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcnc.data import pictograms_living as living
from mlcnc.data import pictograms_things as things
from mlcnc.data.cache import cached_splits
from mlcnc.data.long_tail import balanced_label_sets, deal_labels, frequency_groups
from mlcnc.data.pen import INK, WHITE, Colour, Pen, trimmed
from mlcnc.data.protocol import ArraySplit, DatasetFacts, DatasetRequest, MultiLabelDataset
from mlcnc.data.scenes import SIZES, draw_split
from mlcnc.errors import ConfigError

VERSION = 2
"""Raised whenever a drawing changes; part of the cache's key."""

NUM_VARIANTS = 3

DRAWINGS: dict[str, Callable[[Pen, int], None]] = {
    "aeroplane": things.aeroplane,
    "bicycle": things.bicycle,
    "bird": living.bird,
    "boat": things.boat,
    "bottle": things.bottle,
    "bus": things.bus,
    "car": things.car,
    "cat": living.cat,
    "chair": things.chair,
    "cow": living.cow,
    "diningtable": things.diningtable,
    "dog": living.dog,
    "horse": living.horse,
    "motorbike": things.motorbike,
    "person": living.person,
    "pottedplant": things.pottedplant,
    "sheep": living.sheep,
    "sofa": things.sofa,
    "train": things.train,
    "tvmonitor": things.tvmonitor,
}
CLASS_NAMES = tuple(DRAWINGS)

# Images per class and pairs of classes among the 1,142 training images of VOC-LT (Wu et al., ECCV
# 2020, longtail2012/img_id.txt with the labels of PASCAL VOC 2012). Row c lists classes after c.
COUNTS = (6, 34, 8, 14, 154, 17, 249, 29, 479, 4, 240, 48, 11, 20, 775, 100, 5, 82, 7, 64)
PAIRS = (
    (0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0),
    (0, 1, 5, 1, 17, 0, 1, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0),
    (1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0),
    (1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0),
    (0, 8, 4, 84, 0, 67, 4, 0, 0, 114, 15, 0, 7, 0, 13),
    (12, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0),
    (0, 9, 0, 5, 6, 2, 7, 135, 5, 0, 2, 0, 1),
    (17, 1, 3, 0, 0, 0, 13, 4, 0, 3, 0, 1),
    (0, 198, 16, 1, 0, 242, 71, 0, 53, 0, 46),
    (0, 0, 0, 0, 4, 0, 0, 0, 0, 0),
    (4, 0, 0, 136, 36, 0, 16, 0, 11),
    (0, 0, 34, 3, 0, 4, 0, 0),
    (0, 9, 0, 0, 0, 0, 0),
    (19, 1, 0, 0, 0, 0),
    (47, 5, 42, 7, 40),
    (0, 17, 0, 8),
    (0, 0, 0),
    (0, 8),
    (0,),
)
# VOC-LT has 353, 468, 238, 73, 9, 1 images of 1 to 6 labels; a scene holds at most four objects, and
# the labels of the fuller images move to pairs.
NUM_SCENES = {1: 342, 2: 479, 3: 238, 4: 83}
NUM_VALIDATION, NUM_TEST = 500, 1000

# red, orange, yellow, olive, teal, blue, navy, violet, pink, brown, grey, cream
PALETTE: tuple[Colour, ...] = (
    (196, 62, 54), (222, 130, 48), (226, 194, 72), (128, 142, 62), (52, 140, 136), (70, 124, 196),
    (48, 66, 124), (126, 84, 158), (212, 122, 152), (134, 92, 62), (138, 142, 148), (228, 216, 190),
)  # fmt: skip
WOOD: tuple[Colour, ...] = ((168, 116, 68), (126, 82, 52), (196, 156, 106), (92, 62, 46), (206, 196, 176))
COATS: tuple[Colour, ...] = ((162, 108, 62), (110, 72, 48), (196, 158, 112), (70, 62, 60), (150, 146, 142))


FACTS = DatasetFacts(CLASS_NAMES, sum(NUM_SCENES.values()), NUM_VALIDATION, NUM_TEST, SIZES)


def voc_lt_co_occurrence() -> NDArray[np.int64]:
    """Return the (20, 20) co-occurrence of VOC-LT's training images, diagonal = class counts."""
    matrix = np.diag(np.array(COUNTS, dtype=np.int64))
    for first, row in enumerate(PAIRS):
        matrix[first, first + 1 :] = row
        matrix[first + 1 :, first] = row
    return matrix


def pictogram_lt(request: DatasetRequest) -> MultiLabelDataset:
    """Return pictogram-lt: 1,142 long-tailed training scenes, 500 and 1,000 near-balanced others.

    Class counts of the training scenes are VOC-LT's; co-occurrence is close to it (see
    ``co_occurrence_distance``), and every scene carries a head class as every image of VOC-LT does.

    Args:
        request: gives seed, size (64, 96 or 128 pixels) and cache folder; the same seed gives the same bits in
            every process.

    Raises:
        ConfigError: another size.
    """
    return _pictograms("pictogram-lt", request, label_sets)


def _pictograms(
    name: str, request: DatasetRequest, sets: Callable[[int], dict[str, NDArray[np.uint8]]]
) -> MultiLabelDataset:
    seed, size = request.seed, request.size or SIZES[0]
    if size not in SIZES:
        raise ConfigError(f"data.image_size of {name} must be one of {SIZES}, got {size}")

    def draw() -> dict[str, ArraySplit]:
        return {
            split: draw_split(split, targets, draw_object, seed=seed, size=size, flip=True)
            for split, targets in sets(seed).items()
        }

    splits = cached_splits(f"{name}-v{VERSION}-seed{seed}-{size}px", draw, request.cache_dir)
    return MultiLabelDataset(name, CLASS_NAMES, splits["train"], splits["validation"], splits["test"])


def pictogram_balanced(request: DatasetRequest) -> MultiLabelDataset:
    """Return pictogram-balanced: the scenes of pictogram-lt, but every class in as many training scenes.

    Training scenes are as many and hold as many objects, 117 or 118 of each class, which is a head class
    therefore; validation and test are those of pictogram-lt. What differs between both sets is the counts of
    the training classes, and which of them stand together.

    Args:
        request: as for :func:`pictogram_lt`.

    Raises:
        ConfigError: another size.
    """
    return _pictograms("pictogram-balanced", request, balanced_sets)


def balanced_sets(seed: int) -> dict[str, NDArray[np.uint8]]:
    """Return the targets (N, 20) of train, validation and test where no class is rare."""
    rng = np.random.Generator(np.random.PCG64([seed, 8]))
    sizes = rng.permutation([size for size, number in NUM_SCENES.items() for _ in range(number)])
    return {**label_sets(seed), "train": balanced_label_sets(20, sizes.tolist(), rng)}


def label_sets(seed: int) -> dict[str, NDArray[np.uint8]]:
    """Return the targets (N, 20) of train, validation and test."""
    rng = np.random.Generator(np.random.PCG64([seed, 7]))
    sizes = [size for size, number in NUM_SCENES.items() for _ in range(number)]
    train = deal_labels(COUNTS, sizes, voc_lt_co_occurrence(), frequency_groups(COUNTS)["head"], rng)
    balanced = {
        name: balanced_label_sets(20, [1 + index % 4 % 3 for index in range(number)], rng)
        for name, number in (("validation", NUM_VALIDATION), ("test", NUM_TEST))
    }
    return {"train": train[rng.permutation(len(train))], **balanced}


def draw_object(label: int, side: int, rng: np.random.Generator) -> Image.Image:
    """Return one object of class ``label`` in random variant and colours, trimmed."""
    name = CLASS_NAMES[label]
    main, second = _colours(name, rng)
    pen = Pen(side, rng, main, second)
    DRAWINGS[name](pen, int(rng.integers(NUM_VARIANTS)))
    return trimmed(pen.image)


def _colours(name: str, rng: np.random.Generator) -> tuple[Colour, Colour]:
    if name in ("cat", "dog", "horse", "cow", "sheep"):
        choices = COATS
    elif name in ("chair", "diningtable"):
        choices = WOOD
    else:
        choices = PALETTE
    main = choices[int(rng.integers(len(choices)))]
    second = PALETTE[int(rng.integers(len(PALETTE)))]
    if second == main:
        second = WHITE if main != WHITE else INK
    jitter = rng.integers(-14, 15, size=3)
    red, green, blue = (min(250, max(20, c + int(j))) for c, j in zip(main, jitter, strict=True))
    return (red, green, blue), second
