"""Fixed, trainable and correlated label embeddings under a softmax loss and under the alignment loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlcnc.etf import optimal_angle_degrees, simplex_etf
from mlcnc.metrics import AngleSummary, angle_summary, pairwise_angles
from mlcnc.toys.alignment import alignment_loss
from mlcnc.toys.unconstrained_features import Floats, unconstrained_features

Kind = Literal["etf", "trainable", "correlated"]
KINDS: tuple[Kind, ...] = ("etf", "trainable", "correlated")
Loss = Literal["alignment", "softmax"]

NUM_FREQUENT, NUM_RARE, RARE_COUNT = 5, 5, 2
NUM_CLASSES = NUM_FREQUENT + NUM_RARE
RELATED = ((1, 2), (4, 6))
"""Pairs with similar names: two frequent classes, and a frequent one with a rare one."""

RELATED_DEGREES = 27.0


@dataclass(frozen=True)
class EmbeddingEnd:
    """The end of training with one kind of label embedding; all angles uncentred, in degrees.

    Attributes:
        kind, loss: as asked for.
        ratio: features of a frequent class for each one of a rare class.
        class_counts: (C,), frequent classes first.
        embedding_angles: (C, C) between label embeddings at the end, diagonal 0.
        feature_angles: (C, C) between the class means of the positive features.
        embedding, features: their summaries.
        moved: smallest cosine of a label embedding with its start; 1 where it stayed.
        copied: largest difference of the two matrices of angles; 0 where features copy the embedding.
        correlation: of the two angles over all pairs; NaN where one of them is constant.
        optimum: angle of a simplex ETF of C classes.
    """

    kind: Kind
    loss: Loss
    ratio: int
    class_counts: tuple[int, ...]
    embedding_angles: Floats
    feature_angles: Floats
    embedding: AngleSummary
    features: AngleSummary
    moved: float
    copied: float
    correlation: float
    optimum: float

    @property
    def related_embedding(self) -> float:
        """Mean embedding angle of the pairs with similar names."""
        return float(np.mean([self.embedding_angles[pair] for pair in RELATED]))

    @property
    def related_features(self) -> float:
        """Mean angle of their class features."""
        return float(np.mean([self.feature_angles[pair] for pair in RELATED]))


def correlated_embedding(
    num_classes: int, dim: int, pairs: Sequence[tuple[int, int]], degrees: float, *, seed: int = 0
) -> Floats:
    """Return a simplex ETF whose given pairs are turned towards each other, as word vectors of similar names.

    Args:
        num_classes: C.
        dim: at least C - 1.
        pairs: of class indices, no class twice.
        degrees: angle of each pair afterwards.
        seed: of the orientation.

    Returns:
        (C, d) unit rows.

    Raises:
        ValueError: a class stands in two pairs.

    Example:
        >>> rows = correlated_embedding(4, 4, [(0, 1)], 27.0)
        >>> round(float(np.degrees(np.arccos(rows[0] @ rows[1]))), 6)
        27.0
    """
    members = [index for pair in pairs for index in pair]
    if len(set(members)) < len(members):
        raise ValueError(f"no class may stand in two pairs, got {list(pairs)}")
    rows = simplex_etf(num_classes, dim, seed=seed)
    half = np.radians(degrees) / 2
    for first, second in pairs:
        middle, across = rows[first] + rows[second], rows[first] - rows[second]
        middle, across = middle / np.linalg.norm(middle), across / np.linalg.norm(across)
        rows[first] = np.cos(half) * middle + np.sin(half) * across
        rows[second] = np.cos(half) * middle - np.sin(half) * across
    return rows


def embedding_end(kind: Kind, loss: Loss, ratio: int, *, length: float = 1.0, seed: int = 0) -> EmbeddingEnd:
    """Train free features towards one kind of label embedding and return the angles at the end.

    Under ``softmax`` each image has one feature and the label embeddings are the classifier's rows.
    Under ``alignment`` each image has one feature a class, as in Eq. 5, without weight decay, which a
    loss of cosines cannot balance.

    Args:
        kind: ``etf`` and ``correlated`` stay fixed, ``trainable`` starts at random.
        loss: ``softmax`` or ``alignment``.
        ratio: of frequent to rare counts, at least 1.
        length: of the fixed rows; only ``softmax`` sees it.
        seed: of embedding and features.

    Raises:
        ValueError: an unknown kind or loss, or ratio below 1.
    """
    if kind not in KINDS or loss not in ("alignment", "softmax"):
        raise ValueError(f"kind must be one of {KINDS} and loss alignment or softmax, got {kind!r}, {loss!r}")
    if ratio < 1:
        raise ValueError(f"ratio must be at least 1, got {ratio}")
    counts = (ratio * RARE_COUNT,) * NUM_FREQUENT + (RARE_COUNT,) * NUM_RARE
    pairs = RELATED if kind == "correlated" else ()
    fixed = None
    if kind != "trainable":
        fixed = length * correlated_embedding(NUM_CLASSES, NUM_CLASSES, pairs, RELATED_DEGREES, seed=seed)
    solve = _softmax_end if loss == "softmax" else _alignment_end
    means, start, end = solve(counts, fixed, seed)
    angles, wanted = (pairwise_angles(rows, centring="none") for rows in (means, end))
    cosines = (start * end).sum(axis=1) / np.linalg.norm(start, axis=1) / np.linalg.norm(end, axis=1)
    upper = np.triu_indices(NUM_CLASSES, k=1)
    return EmbeddingEnd(
        kind=kind,
        loss=loss,
        ratio=ratio,
        class_counts=counts,
        embedding_angles=wanted,
        feature_angles=angles,
        embedding=angle_summary(wanted),
        features=angle_summary(angles),
        moved=float(cosines.min()),
        copied=float(np.abs(angles - wanted).max()),
        correlation=_correlation(wanted[upper], angles[upper]),
        optimum=optimal_angle_degrees(NUM_CLASSES),
    )


def _softmax_end(counts: tuple[int, ...], fixed: Floats | None, seed: int) -> tuple[Floats, Floats, Floats]:
    trained = unconstrained_features(
        counts,
        dim=NUM_CLASSES,
        classifier="trainable" if fixed is None else fixed,
        learning_rate=1.0,
        steps=1000,
        num_frames=2,
        kept_per_class=0,
        seed=seed,
    )
    return trained.class_means[-1], trained.classifier[0], trained.classifier[-1]


def _alignment_end(
    counts: tuple[int, ...], fixed: Floats | None, seed: int, steps: int = 200
) -> tuple[Floats, Floats, Floats]:
    labels = np.repeat(np.arange(NUM_CLASSES), counts)
    targets = labels[:, None] == np.arange(NUM_CLASSES)
    rng = np.random.default_rng(seed)
    # drawn first, so that every ratio starts from the same embedding
    embedding = rng.standard_normal((NUM_CLASSES, NUM_CLASSES))
    if fixed is not None:
        embedding = fixed
    embedding = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    start = embedding
    features = rng.standard_normal((len(labels), NUM_CLASSES, NUM_CLASSES))
    features /= np.linalg.norm(features, axis=2, keepdims=True)
    for step in range(steps):
        # the slope of |.| does not vanish at the best cosine, so the step has to
        rate = 0.5 * (1 + np.cos(np.pi * step / steps))
        _, for_features, for_embedding = alignment_loss(features, embedding, targets)
        features = features - rate * features[:, :, 0].size * for_features
        if fixed is None:
            embedding = embedding - rate * NUM_CLASSES * for_embedding
    starts = np.cumsum([0, *counts[:-1]])
    positive = features[np.arange(len(labels)), labels]  # (N, d)
    return np.add.reduceat(positive, starts) / np.array(counts)[:, None], start, embedding


def _correlation(one: Floats, other: Floats) -> float:
    if min(one.std(), other.std()) < 1e-6:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
