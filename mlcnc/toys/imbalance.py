"""Minority collapse in the unconstrained-features model: frequent and rare classes, at one ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlcnc.etf import optimal_angle_degrees
from mlcnc.metrics import angle_summary, minority_collapse, pairwise_angles
from mlcnc.toys.unconstrained_features import Floats, Subject, unconstrained_features


@dataclass(frozen=True)
class ImbalancedEnd:
    """Angles at the end of training with frequent and rare classes, in degrees.

    Attributes:
        ratio: features of a frequent class for each one of a rare class.
        subject: classifier rows (uncentred) or class means (centred by their mean).
        class_counts: (C,), frequent classes first.
        angles: (C, C), diagonal 0.
        frequent: mean angle between two frequent classes.
        rare: mean angle between two rare classes; towards 0 is minority collapse.
        mixed: mean angle between a frequent and a rare class.
        mean, minimum: over all pairs.
        optimum: of a simplex ETF of C classes.
        nc1: variability of the features, trace ratio.
    """

    ratio: int
    subject: Subject
    class_counts: tuple[int, ...]
    angles: Floats
    frequent: float
    rare: float
    mixed: float
    mean: float
    minimum: float
    optimum: float
    nc1: float


def imbalanced_end(
    ratio: int,
    *,
    decay: float = 0.05,
    num_frequent: int = 5,
    num_rare: int = 5,
    rare_count: int = 2,
    seed: int = 0,
) -> dict[Subject, ImbalancedEnd]:
    """Train the model on frequent and rare classes to its end and return the angles there.

    Args:
        ratio: of the counts, at least 1.
        decay: weight decay of features and classifier alike.
        num_frequent, num_rare: classes of either kind, at least 2 each.
        rare_count: features of a rare class.
        seed: of the starting point.

    Returns:
        One record for ``"class means"`` and one for ``"classifier"``.

    Raises:
        ValueError: ratio below 1.
    """
    if ratio < 1:
        raise ValueError(f"ratio must be at least 1, got {ratio}")
    counts = (ratio * rare_count,) * num_frequent + (rare_count,) * num_rare
    trained = unconstrained_features(
        counts,
        dim=len(counts),
        feature_decay=decay,
        classifier_decay=decay,
        learning_rate=1.0,
        steps=1000,
        num_frames=2,
        kept_per_class=0,
        seed=seed,
    )
    means = trained.class_means[-1]
    nc1 = float(trained.nc1[-1])
    rows: dict[Subject, Floats] = {
        "class means": means - means.mean(axis=0),
        "classifier": trained.classifier[-1],
    }
    return {
        subject: _end(ratio, subject, counts, vectors, num_frequent, nc1) for subject, vectors in rows.items()
    }


def _end(
    ratio: int, subject: Subject, counts: Sequence[int], rows: Floats, num_frequent: int, nc1: float
) -> ImbalancedEnd:
    angles = pairwise_angles(rows, centring="none")
    summary = angle_summary(angles)
    number = len(counts)
    return ImbalancedEnd(
        ratio=ratio,
        subject=subject,
        class_counts=tuple(counts),
        angles=angles,
        frequent=minority_collapse(rows, range(num_frequent)).angle_mean,
        rare=minority_collapse(rows, range(num_frequent, number)).angle_mean,
        mixed=float(np.mean(angles[:num_frequent, num_frequent:])),
        mean=summary.mean,
        minimum=summary.minimum,
        optimum=optimal_angle_degrees(number),
        nc1=nc1,
    )
