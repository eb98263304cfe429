"""Images with one or two labels and one free feature each: where does the feature of two labels go?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlcnc.etf import optimal_angle_degrees
from mlcnc.toys.unconstrained_features import Floats

LabelSet = tuple[int, ...]


@dataclass(frozen=True)
class SeveralLabelsEnd:
    """The end of training; K label sets, those with one label first.

    Attributes:
        single_counts: (C,) features of images with this label alone.
        pair_count: features of each pair of labels.
        label_sets: (K,) class indices of each set, rising.
        set_means: (K, d) mean feature of each set.
        variance: largest mean squared distance of a feature to the mean of its set.
        classifier: (C, d) rows.
        loss: mean pick-all-labels loss, without weight decay.
        optimum: angle of a simplex ETF of C classes, degrees.
    """

    single_counts: tuple[int, ...]
    pair_count: int
    label_sets: tuple[LabelSet, ...]
    set_means: Floats
    variance: float
    classifier: Floats
    loss: float
    optimum: float

    def mean_of(self, *labels: int) -> Floats:
        """Return the (d,) mean feature of the images with exactly these labels."""
        mean: Floats = self.set_means[self.label_sets.index(tuple(sorted(labels)))]
        return mean


@dataclass(frozen=True)
class BetweenCentres:
    """The feature of two labels in the plane of the two class centres.

    Attributes:
        first, second: class indices.
        apart: angle between the two centres, degrees.
        to_first, to_second: angles of the feature to them, degrees.
        to_average: angle of the feature to the average of the two centres, degrees.
        length_ratio: length of the feature over that of the average of the two centres.
        outside: share of the feature's squared length outside the plane; 0 where it is a weighted average.
        centres: (C, 2) all class centres projected onto the plane; the two first ones lie in it.
        feature: (2,) likewise.
        classifier_ratio: length of the first class's classifier row over the second's.
    """

    first: int
    second: int
    apart: float
    to_first: float
    to_second: float
    to_average: float
    length_ratio: float
    outside: float
    centres: Floats
    feature: Floats
    classifier_ratio: float


def pick_all_labels(features: Floats, targets: Floats, weight: Floats) -> tuple[float, Floats, Floats]:
    r"""Return the pick-all-labels cross-entropy and its gradients.

    Args:
        features: (N, d).
        targets: (N, C), 0 or 1, at least one 1 in a row.
        weight: (C, d).

    Returns:
        The mean loss over the N features, N times its gradient for the features, and its gradient for
        the classifier.

    Formula: $-\frac1N\sum_i\sum_{k: y_i^k=1}\log\frac{e^{w_k\cdot h_i}}{\sum_j e^{w_j\cdot h_i}}$
    Source: Li et al. (2023), arXiv 2310.15903.
    """
    logits = features @ weight.T  # (N, C)
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    total = odds.sum(axis=1, keepdims=True)
    number = targets.sum(axis=1, keepdims=True)
    loss = float(np.sum(number * np.log(total) - (targets * logits).sum(axis=1, keepdims=True)) / len(features))
    residual = number * odds / total - targets
    return loss, residual @ weight, residual.T @ features / len(features)


def several_labels(
    single_counts: Sequence[int],
    pair_count: int = 3,
    *,
    decay: float = 0.05,
    learning_rate: float = 0.25,
    steps: int = 2000,
    seed: int = 0,
) -> SeveralLabelsEnd:
    """Train one free feature an image and a classifier on images with one label and with each pair of labels.

    Args:
        single_counts: (C,) images with this label alone, at least 1 each; C at least 3.
        pair_count: images of each of the C (C-1) / 2 pairs, at least 1.
        decay: weight decay of features and classifier.
        learning_rate: of both; features move by N times their gradient.
        steps: of gradient descent.
        seed: of the starting point.

    Raises:
        ValueError: too few classes or a count below 1.
    """
    number = len(single_counts)
    if number < 3 or min(*single_counts, pair_count) < 1:
        raise ValueError(
            f"at least 3 classes and counts of at least 1 are needed, got {list(single_counts)}, {pair_count}"
        )
    pairs = list(combinations(range(number), 2))
    label_sets: tuple[LabelSet, ...] = (*((index,) for index in range(number)), *pairs)
    counts = np.array([*single_counts, *[pair_count] * len(pairs)])
    set_of = np.repeat(np.arange(len(label_sets)), counts)  # (N,)
    targets = np.zeros((len(label_sets), number))
    for index, labels in enumerate(label_sets):
        targets[index, list(labels)] = 1.0
    targets = targets[set_of]  # (N, C)
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((len(set_of), number))
    weight = rng.standard_normal((number, number))
    for _ in range(steps):
        _, for_features, for_weight = pick_all_labels(features, targets, weight)
        features = features - learning_rate * (for_features + decay * features)
        weight = weight - learning_rate * (for_weight + decay * weight)
    starts = np.cumsum([0, *counts[:-1]])
    means = np.add.reduceat(features, starts) / counts[:, None]
    spread = ((features - means[set_of]) ** 2).sum(axis=1)
    return SeveralLabelsEnd(
        single_counts=tuple(int(count) for count in single_counts),
        pair_count=pair_count,
        label_sets=label_sets,
        set_means=means,
        variance=float((np.add.reduceat(spread, starts) / counts).max()),
        classifier=weight,
        loss=pick_all_labels(features, targets, weight)[0],
        optimum=optimal_angle_degrees(number),
    )


def between_centres(end: SeveralLabelsEnd, first: int, second: int) -> BetweenCentres:
    """Return where the feature of two labels lies between the centres of the images with one of them.

    Raises:
        ValueError: not two different classes of the toy.
    """
    if first == second:
        raise ValueError(f"two different classes are needed, got {first} twice")
    one, other, feature = end.mean_of(first), end.mean_of(second), end.mean_of(first, second)
    average = (one + other) / 2
    # the difference of the directions points to the second class, their sum to the middle
    right = other / np.linalg.norm(other) - one / np.linalg.norm(one)
    up = other / np.linalg.norm(other) + one / np.linalg.norm(one)
    plane = np.stack([right / np.linalg.norm(right), up / np.linalg.norm(up)], axis=1)  # (d, 2)
    rows = np.linalg.norm(end.classifier, axis=1)
    return BetweenCentres(
        first=first,
        second=second,
        apart=_angle(one, other),
        to_first=_angle(feature, one),
        to_second=_angle(feature, other),
        to_average=_angle(feature, average),
        length_ratio=float(np.linalg.norm(feature) / np.linalg.norm(average)),
        outside=float(max(0.0, 1 - np.sum((feature @ plane) ** 2) / np.sum(feature**2))),
        centres=end.set_means[: len(end.single_counts)] @ plane,
        feature=feature @ plane,
        classifier_ratio=float(rows[first] / rows[second]),
    )


def _angle(one: Floats, other: Floats) -> float:
    cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
