"""The unconstrained-features model: every training feature is a free vector, only the classifier is shared.

A network so flexible that it may place each feature where it likes behaves, at the end of training, like
this model. It has no images and no generalisation, and still shows variability collapse, the simplex
ETF, self-duality and minority collapse, in fractions of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics import (
    angle_summary,
    centred_class_means,
    nc1_trace,
    pairwise_angles,
    self_duality,
)
from mlcnc.metrics.geometry import Centring

Floats = NDArray[np.float64]
Objective = Callable[[Floats, NDArray[np.int64], Floats], tuple[float, Floats, Floats]]
"""From features (N, d), labels (N,) and classifier rows (C, d) to the mean loss, N times its gradient for
the features (N, d), and its gradient for the classifier (C, d)."""

Subject = Literal["class means", "classifier"]


@dataclass(frozen=True)
class Trajectory:
    """What the model did, at F moments on a nearly logarithmic schedule; classes are rows.

    Attributes:
        class_counts: (C,) number of features of each class.
        steps: (F,) steps of gradient descent taken so far, from 0.
        labels: (K,) class of each kept feature.
        features: (F, K, d) float32, the first features of each class.
        class_means: (F, C, d) over all features of the class.
        variances: (F, C) mean squared distance to the class mean.
        classifier: (F, C, d) rows.
        loss: (F,) mean loss over features, without weight decay.
        accuracy: (F,) share of features whose highest logit is their class.
        feature_norms: (F,) mean norm of the features.
        classifier_fixed: whether the classifier was given and never moved.
    """

    class_counts: tuple[int, ...]
    steps: NDArray[np.int64]
    labels: NDArray[np.int64]
    features: NDArray[np.float32]
    class_means: Floats
    variances: Floats
    classifier: Floats
    loss: Floats
    accuracy: Floats
    feature_norms: Floats
    classifier_fixed: bool

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_counts)

    @property
    def nc1(self) -> Floats:
        """(F,) trace ratio of within- and between-class variability, every class of equal weight."""
        pairs = zip(self.class_means, self.variances, strict=True)
        return np.array([nc1_trace(means, variances) for means, variances in pairs])

    @property
    def duality(self) -> Floats:
        """(F,) squared distance of normalised classifier and class means, 0 at self-duality, at most 4."""
        # softmax does not see a common shift of the rows, so it is taken out on either side
        return np.array(
            [
                self_duality(weight, centred_class_means(means, "class"), centre_weight=True).frobenius_squared
                for weight, means in zip(self.classifier, self.class_means, strict=True)
            ]
        )

    @property
    def first_perfect(self) -> int | None:
        """The first kept step from which on the accuracy is 1, or None."""
        wrong = np.flatnonzero(self.accuracy < 1)
        start = 0 if len(wrong) == 0 else int(wrong[-1]) + 1
        return int(self.steps[start]) if start < len(self.steps) else None

    def frame_at(self, step: int) -> int:
        """Return the index of the last frame not after a step."""
        return max(0, int(np.searchsorted(self.steps, step, side="right")) - 1)


@dataclass(frozen=True)
class AngleCourse:
    """Angles between classes over the frames of a trajectory, in degrees.

    Attributes:
        subject: whose angles.
        centring: what was subtracted from class means; classifier rows are always uncentred.
        angles: (F, C, C), diagonal 0.
        mean, minimum, maximum, std: (F,) over the pairs i < j.
    """

    subject: Subject
    centring: Centring
    angles: Floats
    mean: Floats
    minimum: Floats
    maximum: Floats
    std: Floats


def softmax_cross_entropy(
    features: Floats, labels: NDArray[np.int64], weight: Floats
) -> tuple[float, Floats, Floats]:
    r"""Return the mean cross-entropy and its gradients, in the form of :data:`Objective`.

    Formula: $-\frac1N\sum_i \log\frac{e^{w_{y_i}\cdot h_i}}{\sum_k e^{w_k\cdot h_i}}$
    """
    logits = features @ weight.T  # (N, C)
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    total = odds.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(np.mean(np.log(total[:, 0]) - logits[rows, labels]))
    residual = odds / total
    residual[rows, labels] -= 1.0
    return loss, residual @ weight, residual.T @ features / len(labels)


def unconstrained_features(
    class_counts: Sequence[int],
    *,
    dim: int,
    classifier: Literal["trainable"] | Floats = "trainable",
    objective: Objective = softmax_cross_entropy,
    feature_decay: float = 0.05,
    classifier_decay: float = 0.05,
    learning_rate: float = 0.1,
    steps: int = 2000,
    num_frames: int = 80,
    kept_per_class: int = 30,
    seed: int = 0,
) -> Trajectory:
    r"""Train the model by full-batch gradient descent and return what happened.

    Args:
        class_counts: (C,) features of each class, at least 1 each; C at least 2.
        dim: d.
        classifier: ``"trainable"``, or (C, d) rows that stay fixed.
        objective: loss of features, labels and classifier.
        feature_decay, classifier_decay: the two weights $\lambda$ below.
        learning_rate: of both; the features move by N times their gradient, so that their speed does not
            hang on the number of features.
        steps: of gradient descent.
        num_frames: at most so many moments are kept, dense at the start; the first and last always are.
        kept_per_class: features of a class that are kept to be drawn; statistics see all of them.
        seed: of the starting point, standard normal features and rows.

    Raises:
        ValueError: a count below 1, fewer than two classes, or a classifier of another shape.

    Formula: $\frac1N\sum_i \ell(h_i, y_i; W) + \frac{\lambda_H}{2N}\sum_i\lVert h_i\rVert^2
        + \frac{\lambda_W}{2}\lVert W\rVert_F^2$
    Source: Mixon, Parshall and Pi (2020); Fang et al. (2021), layer-peeled model; Zhu et al. (2021).

    Example:
        >>> end = unconstrained_features([5, 5, 5], dim=3, steps=600).class_means[-1]
        >>> round(pairwise_angles(end, centring="class")[0, 1].item())
        120
    """
    counts = [int(count) for count in class_counts]
    if len(counts) < 2 or min(counts) < 1:
        raise ValueError(f"class_counts must hold at least two counts of at least 1, got {counts}")
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)  # (N,)
    features = rng.standard_normal((len(labels), dim))
    weight = rng.standard_normal((len(counts), dim))
    fixed = not isinstance(classifier, str)
    if not isinstance(classifier, str):
        require_shape("classifier", classifier.shape, (len(counts), dim), like="class_counts and dim")
        weight = classifier.astype(np.float64)
    starts = np.cumsum([0, *counts[:-1]])
    within_class = np.arange(len(labels)) - starts[labels]
    kept = np.flatnonzero(within_class < kept_per_class)
    moments = _schedule(steps, num_frames)
    frames: list[tuple[NDArray[np.float32], Floats, Floats, Floats, float, float, float]] = []
    for step in range(steps + 1):
        loss, for_features, for_weight = objective(features, labels, weight)
        if step == moments[len(frames)]:
            means = np.add.reduceat(features, starts) / np.array(counts)[:, None]  # (C, d)
            spread = ((features - means[labels]) ** 2).sum(axis=1)
            frames.append(
                (
                    features[kept].astype(np.float32),
                    means,
                    np.add.reduceat(spread, starts) / counts,
                    weight,
                    loss,
                    float(np.mean((features @ weight.T).argmax(axis=1) == labels)),
                    float(np.linalg.norm(features, axis=1).mean()),
                )
            )
        features = features - learning_rate * (for_features + feature_decay * features)
        if not fixed:
            weight = weight - learning_rate * (for_weight + classifier_decay * weight)
    shown, class_means, variances, rows, losses, accuracies, norms = zip(*frames, strict=True)
    return Trajectory(
        class_counts=tuple(counts),
        steps=moments,
        labels=labels[kept],
        features=np.stack(shown),
        class_means=np.stack(class_means),
        variances=np.stack(variances),
        classifier=np.stack(rows),
        loss=np.array(losses),
        accuracy=np.array(accuracies),
        feature_norms=np.array(norms),
        classifier_fixed=fixed,
    )


def angle_course(
    trajectory: Trajectory, subject: Subject = "class means", centring: Centring = "class"
) -> AngleCourse:
    """Return the angles between class means, or between classifier rows, at every frame.

    Args:
        trajectory: of :func:`unconstrained_features`.
        subject: classifier rows are taken uncentred, whatever ``centring``.
        centring: ``none``, ``class`` or ``sample``; ``all`` needs features of negatives, which the
            model does not have.
    """
    used: Centring = "none" if subject == "classifier" else centring
    rows = trajectory.classifier if subject == "classifier" else trajectory.class_means
    counts = np.array(trajectory.class_counts)
    angles = np.stack([pairwise_angles(row, centring=used, class_counts=counts) for row in rows])
    summaries = [angle_summary(matrix) for matrix in angles]
    return AngleCourse(
        subject=subject,
        centring=used,
        angles=angles,
        mean=np.array([summary.mean for summary in summaries]),
        minimum=np.array([summary.minimum for summary in summaries]),
        maximum=np.array([summary.maximum for summary in summaries]),
        std=np.array([summary.std for summary in summaries]),
    )


def polygon_plane(class_means: Floats) -> Floats:
    """Return the plane in which a simplex ETF of C classes looks like a regular polygon.

    More than three equidistant classes do not fit into a plane; this one shows them in a ring, in order.

    Args:
        class_means: (C, d).

    Returns:
        (d, 2) with orthonormal columns; for class means of an exact ETF their projections are the
        corners of a regular polygon.
    """
    number = len(class_means)
    turns = 2 * np.pi * np.arange(number) / number
    ring = np.stack([np.sin(turns), np.cos(turns)], axis=1)  # (C, 2), the first class on top
    centred = class_means - class_means.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ ring, full_matrices=False)
    plane: Floats = left @ right
    return plane


def _schedule(steps: int, num_frames: int) -> NDArray[np.int64]:
    later = np.geomspace(1, max(steps, 1), max(num_frames - 1, 1)).round().astype(np.int64)
    return np.unique(np.concatenate([[0], later, [steps]]))
