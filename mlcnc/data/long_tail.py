"""Class counts, co-occurrence, frequency groups, and label sets drawn to given counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def class_counts(targets: NDArray[Any]) -> NDArray[np.int64]:
    """Return (C,) images per class of targets (N, C)."""
    return (targets > 0).sum(axis=0, dtype=np.int64)


def co_occurrence(targets: NDArray[Any]) -> NDArray[np.int64]:
    """Return (C, C) images having both classes; the diagonal holds the class counts."""
    present = (targets > 0).astype(np.int64)
    return present.T @ present


def frequency_groups(
    counts: Sequence[int] | NDArray[Any], head_min: int = 100, tail_max: int = 20
) -> dict[str, list[int]]:
    """Return class indices by frequency: head n >= head_min, tail n < tail_max, medium between.

    Source: Wu et al. (2020) for VOC-LT and COCO-LT.

    Example:
        >>> frequency_groups([775, 20, 19])
        {'head': [0], 'medium': [1], 'tail': [2]}
    """
    groups: dict[str, list[int]] = {"head": [], "medium": [], "tail": []}
    for index, count in enumerate(counts):
        name = "head" if count >= head_min else "tail" if count < tail_max else "medium"
        groups[name].append(index)
    return groups


def tail_with_head(targets: NDArray[Any], groups: Mapping[str, Sequence[int]]) -> tuple[int, int]:
    """Return how many images with a tail class also have a head class, and how many have a tail class.

    Args:
        targets: (N, C).
        groups: class indices of ``head`` and ``tail``.

    Example:
        >>> tail_with_head(np.array([[1, 1], [0, 1], [1, 0]]), {"head": [0], "tail": [1]})
        (1, 2)
    """
    head, tail = (targets[:, list(groups[name])].any(axis=1) for name in ("head", "tail"))
    return int((head & tail).sum()), int(tail.sum())


def long_tail_sentence(targets: NDArray[Any], groups: Mapping[str, Sequence[int]]) -> str:
    """Return the long-tail statistics of a training set in one sentence.

    Args:
        targets: (N, C), every class with an image.
        groups: class indices of ``head``, ``medium`` and ``tail``.

    Example:
        >>> long_tail_sentence(np.array([[1, 1], [1, 0]]), {"head": [0], "medium": [], "tail": [1]})
        '2 training images with 1.50 labels each; images a class 1 to 2, imbalance 2.0; classes: head 1, \
medium 0, tail 1; 1 of 1 images with a tail class also have a head class'
    """
    counts = class_counts(targets)
    both, tail = tail_with_head(targets, groups)
    classes = ", ".join(f"{name} {len(groups[name])}" for name in ("head", "medium", "tail"))
    return (
        f"{len(targets):,} training images with {counts.sum() / len(targets):.2f} labels each; images a class "
        f"{counts.min():,} to {counts.max():,}, imbalance {counts.max() / counts.min():.1f}; classes: "
        f"{classes}; {both:,} of {tail:,} images with a tail class also have a head class"
    )


def exponential_counts(num_classes: int, largest: int, smallest: int) -> list[int]:
    """Return counts that fall geometrically from ``largest`` to ``smallest``.

    Example:
        >>> exponential_counts(3, 100, 1)
        [100, 10, 1]
    """
    ratio = (smallest / largest) ** (1.0 / max(1, num_classes - 1))
    return [round(largest * ratio**index) for index in range(num_classes)]


def co_occurrence_distance(actual: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return the sum over pairs i < j of |actual - wanted| over the sum of ``wanted``; 0 is equal.

    Args:
        actual: (C, C) co-occurrence; the diagonal is not looked at.
        wanted: (C, C) with at least one pair.

    Example:
        >>> co_occurrence_distance(np.array([[9, 3], [3, 9]]), np.array([[5, 4], [4, 5]]))
        0.25
    """
    rows, columns = np.triu_indices(len(wanted), k=1)
    difference = np.abs(actual[rows, columns].astype(float) - wanted[rows, columns])
    return float(difference.sum() / wanted[rows, columns].sum())


def deal_labels(
    counts: Sequence[int],
    num_labels: Sequence[int],
    wanted: NDArray[np.int64],
    head: Sequence[int],
    rng: np.random.Generator,
    num_swaps: int = 120_000,
) -> NDArray[np.uint8]:
    """Return label sets with exact class counts and set sizes, close to a wanted co-occurrence.

    Classes are dealt to the scenes with most free places, largest class first; then random swaps of
    two labels between two scenes are kept while they do not take co-occurrence away from ``wanted``.
    Every scene ends with a head class.

    Args:
        counts: (C,) scenes per class.
        num_labels: (N,) labels per scene; sums to the sum of ``counts``.
        wanted: (C, C) co-occurrence to approach.
        head: classes of which every scene has at least one.
        rng: of dealing and swapping; only integers are drawn, so every platform agrees.
        num_swaps: proposals.

    Returns:
        (N, C) uint8.

    Raises:
        ValueError: the sums differ, a scene is to have no label, no scene set without repetition
            exists, or a scene is left without a head class.
    """
    if sum(counts) != sum(num_labels):
        raise ValueError(f"num_labels must sum to {sum(counts)} like counts, got {sum(num_labels)}")
    if min(num_labels, default=0) < 1:
        raise ValueError("num_labels must be at least 1 in every scene")
    free = list(num_labels)
    scenes: list[list[int]] = [[] for _ in free]
    for label in sorted(range(len(counts)), key=lambda c: -counts[c]):
        order = sorted(range(len(free)), key=lambda scene: -free[scene])[: counts[label]]
        if counts[label] > len(free) or (counts[label] and free[order[-1]] == 0):
            raise ValueError("counts do not fit num_labels without repeating a label in a scene")
        for scene in order:
            scenes[scene].append(label)
            free[scene] -= 1
    together = np.zeros_like(wanted)
    for labels in scenes:
        for first in labels:
            for second in labels:
                together[first, second] += 1
    excess = (together - wanted).tolist()
    is_head = [index in set(head) for index in range(len(counts))]
    draws = rng.integers(0, 2**31, size=(num_swaps, 4)).tolist()
    for first_draw, second_draw, third_draw, fourth_draw in draws:
        one, two = scenes[first_draw % len(scenes)], scenes[second_draw % len(scenes)]
        a, b = third_draw % len(one), fourth_draw % len(two)
        x, y = one[a], two[b]
        if x == y or x in two or y in one:
            continue
        rest_one, rest_two = one[:a] + one[a + 1 :], two[:b] + two[b + 1 :]
        worse = _lost_head(rest_one, x, y, is_head) + _lost_head(rest_two, y, x, is_head)
        change = 10_000 * worse + _change(excess, rest_one, x, y) + _change(excess, rest_two, y, x)
        if change <= 0:
            for rest, out, new in ((rest_one, x, y), (rest_two, y, x)):
                for other in rest:
                    excess[out][other] -= 1
                    excess[other][out] -= 1
                    excess[new][other] += 1
                    excess[other][new] += 1
            one[a], two[b] = y, x
    targets = np.zeros((len(scenes), len(counts)), dtype=np.uint8)
    for scene, labels in enumerate(scenes):
        targets[scene, labels] = 1
    if not targets[:, list(head)].any(axis=1).all():
        raise ValueError("a scene is left without a head class; raise num_swaps")
    return targets


def _change(excess: list[list[int]], rest: list[int], out: int, new: int) -> int:
    total = 0
    for other in rest:
        total += -1 if excess[out][other] > 0 else 1
        total += 1 if excess[new][other] >= 0 else -1
    return total


def _lost_head(rest: list[int], out: int, new: int, is_head: list[bool]) -> int:
    if any(is_head[label] for label in rest):
        return 0
    return int(is_head[out]) - int(is_head[new])


def balanced_label_sets(
    num_classes: int, num_labels: Sequence[int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return (N, C) label sets in which all classes are about equally frequent.

    Labels are dealt from shuffled decks of all classes; a repeated label waits for the next scene.

    Args:
        num_classes: C.
        num_labels: (N,) labels per scene, at most C.
        rng: of the shuffles.

    Raises:
        ValueError: a scene is to have more labels than there are classes.
    """
    if max(num_labels, default=0) > num_classes:
        raise ValueError(f"num_labels must be at most num_classes = {num_classes}, got {max(num_labels)}")
    targets = np.zeros((len(num_labels), num_classes), dtype=np.uint8)
    deck: list[int] = []
    for scene, size in enumerate(num_labels):
        chosen: list[int] = []
        waiting: list[int] = []
        while len(chosen) < size:
            if not deck:
                deck = rng.permutation(num_classes).tolist()
            label = deck.pop()
            (waiting if label in chosen else chosen).append(label)
        deck.extend(waiting)
        targets[scene, chosen] = 1
    return targets
