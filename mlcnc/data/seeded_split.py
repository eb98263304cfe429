"""A split of images whose labels name none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHARES = {"train": 0.7, "test": 0.2, "validation": 0.1}
"""Of all images, where nothing else is needed."""


def seeded_split(targets: NDArray[np.uint8], seed: int) -> list[str]:
    """Return ``train``, ``validation`` or ``test`` for every image.

    First every class gets one training image, the rarest first, then one test and one validation image as far
    as they go; the other images are dealt at random. Shares are those of ``SHARES``, with more for training
    where many classes need an image.

    Args:
        targets: (N, C).
        seed: of the draws.
    """
    num_images = len(targets)
    places = {
        "test": max(1, round(SHARES["test"] * num_images)),
        "validation": round(SHARES["validation"] * num_images),
    }
    places = {"train": num_images - sum(places.values()), **places}
    order = np.random.default_rng([seed, 41]).permutation(num_images)
    split = np.full(num_images, "", dtype="<U10")
    rarest_first = np.argsort(targets.sum(axis=0, dtype=int), kind="stable")
    for name, number in places.items():
        for label in rarest_first:
            having = order[targets[order, label] > 0]
            free = having[split[having] == ""]
            if (
                len(free)
                and not (split[having] == name).any()
                and (name == "train" or (split == name).sum() < number)
            ):
                split[free[0]] = name
    for name in ("test", "validation", "train"):
        free = order[split[order] == ""]
        wanted = len(free) if name == "train" else max(0, places[name] - int((split == name).sum()))
        split[free[:wanted]] = name
    return [str(name) for name in split]
