"""digits-lt: scenes of real handwritten digits (UCI, shipped with scikit-learn), exponential tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcnc.data.cache import cached_splits
from mlcnc.data.long_tail import balanced_label_sets, deal_labels, exponential_counts, frequency_groups
from mlcnc.data.pen import shaded, trimmed
from mlcnc.data.pictograms import PALETTE
from mlcnc.data.protocol import ArraySplit, DatasetFacts, DatasetRequest, MultiLabelDataset
from mlcnc.data.scenes import SIZES, Sprite, draw_split
from mlcnc.errors import ConfigError

VERSION = 1
CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COUNTS = tuple(exponential_counts(10, 500, 8))
NUM_VALIDATION, NUM_TEST = 400, 800
SHARES = {"train": (0.0, 0.5), "validation": (0.5, 0.65), "test": (0.65, 1.0)}
"""Share of each digit's glyphs that a split may draw from; they do not overlap."""


def digits_lt(request: DatasetRequest) -> MultiLabelDataset:
    """Return digits-lt: ten classes from 500 down to 8 training scenes, real glyphs.

    Args:
        request: gives seed, size (64, 96 or 128 pixels) and cache folder; the same seed gives the same bits in
            every process.

    Raises:
        ConfigError: another size.
    """
    seed, size = request.seed, request.size or SIZES[0]
    if size not in SIZES:
        raise ConfigError(f"data.image_size of digits-lt must be one of {SIZES}, got {size}")

    def draw() -> dict[str, ArraySplit]:
        glyphs = glyphs_by_split(seed)
        return {
            name: draw_split(name, targets, _sprite(glyphs[name]), seed=seed, size=size, flip=False)
            for name, targets in label_sets(seed).items()
        }

    splits = cached_splits(f"digits-lt-v{VERSION}-seed{seed}-{size}px", draw, request.cache_dir)
    return MultiLabelDataset("digits-lt", CLASS_NAMES, splits["train"], splits["validation"], splits["test"])


def label_sets(seed: int) -> dict[str, NDArray[np.uint8]]:
    """Return the targets (N, 10) of train, validation and test."""
    rng = np.random.Generator(np.random.PCG64([seed, 8]))
    total = sum(COUNTS)
    sizes = _labels_per_scene()
    threes, twos = sizes.count(3), sizes.count(2)
    frequency = np.array(COUNTS, dtype=np.float64)
    # digits mix freely: the wanted co-occurrence is that of independent labels
    wanted = np.rint(np.outer(frequency, frequency) / total * (2 * threes + twos) / len(sizes))
    head = frequency_groups(COUNTS)["head"]
    wanted_pairs = wanted.astype(np.int64)
    np.fill_diagonal(wanted_pairs, np.array(COUNTS, dtype=np.int64))
    train = deal_labels(COUNTS, sizes, wanted_pairs, head, rng)
    balanced = {
        name: balanced_label_sets(10, [1 + index % 4 % 3 for index in range(number)], rng)
        for name, number in (("validation", NUM_VALIDATION), ("test", NUM_TEST))
    }
    return {"train": train[rng.permutation(len(train))], **balanced}


def _labels_per_scene() -> list[int]:
    total = sum(COUNTS)
    threes, twos = total // 12, total // 4
    return [3] * threes + [2] * twos + [1] * (total - 3 * threes - 2 * twos)


FACTS = DatasetFacts(CLASS_NAMES, len(_labels_per_scene()), NUM_VALIDATION, NUM_TEST, SIZES)


def glyphs_by_split(seed: int) -> dict[str, list[NDArray[np.uint8]]]:
    """Return per split a list of ten arrays (n, 8, 8) of glyphs, values 0 to 16, none in two splits."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    rng = np.random.Generator(np.random.PCG64([seed, 9]))
    result: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in SHARES}
    for digit in range(10):
        glyphs = bundle.images[bundle.target == digit].astype(np.uint8)
        # the collection repeats some glyphs: keep one of each, or splits could share them
        glyphs = np.unique(glyphs, axis=0)
        glyphs = glyphs[rng.permutation(len(glyphs))]
        for name, (first, last) in SHARES.items():
            result[name].append(glyphs[int(first * len(glyphs)) : int(last * len(glyphs))])
    return result


def _sprite(glyphs: list[NDArray[np.uint8]]) -> Sprite:
    def draw(label: int, side: int, rng: np.random.Generator) -> Image.Image:
        choices = glyphs[label]
        glyph = choices[int(rng.integers(len(choices)))]
        ink = shaded(PALETTE[int(rng.integers(len(PALETTE)))], 0.55)
        stretched = Image.fromarray((np.minimum(glyph, 15) * 17).astype(np.uint8))
        alpha = stretched.resize((side, side), Image.Resampling.BICUBIC)
        picture = Image.new("RGBA", (side, side), (*ink, 0))
        picture.putalpha(alpha.point(lambda value: min(255, max(0, (value - 60) * 3))))
        return trimmed(picture)

    return draw
