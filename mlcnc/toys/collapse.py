"""One run of the unconstrained-features model with everything the lessons draw of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.etf import optimal_angle_degrees
from mlcnc.toys.unconstrained_features import (
    AngleCourse,
    Floats,
    angle_course,
    polygon_plane,
    unconstrained_features,
)


@dataclass(frozen=True)
class CollapseCourse:
    """Balanced classes collapsing, at F moments, seen in the plane where their ETF is a regular polygon.

    Attributes:
        decay: weight decay of features and classifier alike.
        steps: (F,) of gradient descent.
        labels: (K,) class of each drawn feature.
        points: (F, K, 2) float32, features in the plane.
        means: (F, C, 2) float32, class means in the plane.
        scaled_means, scaled_rows: (F, C, 2) float32, class means and classifier rows in the plane, each
            minus its mean and divided by its Frobenius norm: they coincide at self-duality.
        nc1: (F,) trace ratio.
        duality: (F,) squared distance of the two scaled matrices in all dimensions.
        accuracy: (F,) on the training features.
        feature_norms: (F,) mean norm.
        first_perfect: step from which on the accuracy is 1, or None.
        angles: between class means, centred by their mean.
        optimum: of a simplex ETF, degrees.
    """

    decay: float
    steps: NDArray[np.int64]
    labels: NDArray[np.int64]
    points: NDArray[np.float32]
    means: NDArray[np.float32]
    scaled_means: NDArray[np.float32]
    scaled_rows: NDArray[np.float32]
    nc1: Floats
    duality: Floats
    accuracy: Floats
    feature_norms: Floats
    first_perfect: int | None
    angles: AngleCourse
    optimum: float

    def frame_at(self, step: int) -> int:
        """Return the index of the last frame not after a step."""
        return max(0, int(np.searchsorted(self.steps, step, side="right")) - 1)

    def drawn_angles(self, first: int, second: int) -> Floats:
        """Return the (F,) angles of two centred class means as the plane shows them, degrees."""
        one, other = (self.scaled_means[:, index].astype(np.float64) for index in (first, second))
        across = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
        return np.asarray(np.degrees(np.abs(np.arctan2(across, (one * other).sum(axis=1)))))


def collapse_course(
    *, decay: float = 0.05, num_classes: int = 5, per_class: int = 20, num_frames: int = 50, seed: int = 0
) -> CollapseCourse:
    """Train balanced classes from a random start and return what there is to see.

    Args:
        decay: weight decay of features and classifier alike; 0 for none.
        num_classes: C, in C dimensions.
        per_class: features of each class.
        num_frames: at most so many moments.
        seed: of the starting point.
    """
    run = unconstrained_features(
        (per_class,) * num_classes,
        dim=num_classes,
        feature_decay=decay,
        classifier_decay=decay,
        num_frames=num_frames,
        kept_per_class=per_class,
        seed=seed,
    )
    plane = polygon_plane(run.class_means[-1])  # (d, 2)
    return CollapseCourse(
        decay=decay,
        steps=run.steps,
        labels=run.labels,
        points=(run.features @ plane).astype(np.float32),
        means=(run.class_means @ plane).astype(np.float32),
        scaled_means=(_scaled(run.class_means) @ plane).astype(np.float32),
        scaled_rows=(_scaled(run.classifier) @ plane).astype(np.float32),
        nc1=run.nc1,
        duality=run.duality,
        accuracy=run.accuracy,
        feature_norms=run.feature_norms,
        first_perfect=run.first_perfect,
        angles=angle_course(run),
        optimum=optimal_angle_degrees(num_classes),
    )


def _scaled(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    scaled: Floats = centred / np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    return scaled
