"""How class-wise features point: to their own label embedding, and to those of the other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.accumulation import SumAccumulator
from mlcnc.metrics.namespace import (
    Array,
    as_float64,
    checked_batch,
    like,
    require_real,
    rows_per_chunk,
    to_numpy,
)


@dataclass(frozen=True)
class Alignment:
    """Mean cosines of class-wise features with label embeddings, by class; NaN where a class has no such image.

    Attributes:
        positive_own: (C,) of images with the class, with the label embedding of the class.
        positive_others: (C,) of the same features, with the label embeddings of the other classes.
        negative_own, negative_others: (C,) the same of images without the class.
    """

    positive_own: NDArray[np.float64]
    positive_others: NDArray[np.float64]
    negative_own: NDArray[np.float64]
    negative_others: NDArray[np.float64]

    @property
    def stacked(self) -> NDArray[np.float64]:
        """(4, C), in the order of the attributes."""
        return np.stack([self.positive_own, self.positive_others, self.negative_own, self.negative_others])


class AlignmentAccumulator(SumAccumulator):
    """Accumulates :class:`Alignment` over batches of any size and order.

    Args:
        num_classes: C, at least 2.

    Raises:
        ValueError: there are fewer.

    Example:
        >>> found = AlignmentAccumulator(num_classes=2)
        >>> embedding = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> found.update(np.array([[[2.0, 0.0], [3.0, 0.0]]]), np.array([[1, 0]]), embedding)
        >>> found.compute().positive_own, found.compute().negative_own
        (array([ 1., nan]), array([nan,  0.]))
    """

    def __init__(self, num_classes: int) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2 for an alignment with others, got {num_classes}")
        super().__init__(counts=(2, num_classes), cosines=(2, 2, num_classes))  # positive or not; own or others

    def update(self, features: Array, targets: Array, label_embedding: Array) -> None:
        """Add one batch.

        Args:
            features: (B, C, d) class-wise, float, NumPy or torch on any device.
            targets: (B, C), 1 where the image has the class.
            label_embedding: (C, d), any norm.

        Raises:
            ValueError: the shapes do not fit, a feature is not finite or a target is not 0 or 1.
        """
        num_classes = self._sums["counts"].shape[1]
        require_real(label_embedding, "label_embedding")
        require_shape("label_embedding", label_embedding.shape, (num_classes, "d"))
        targets = checked_batch(features, targets, num_classes, label_embedding.shape[1])
        require_shape("class_features", features.shape, ("B", *label_embedding.shape))
        xp, embedding = as_float64(like(features, label_embedding))
        unit = _unit(xp, embedding)  # (C, d)
        total = xp.sum(unit, axis=0)  # (d,)
        step = rows_per_chunk(features)
        for start in range(0, features.shape[0], step):
            _, part = as_float64(features[start : start + step])
            part = _unit(xp, part)  # (b, C, d)
            own = xp.vecdot(part, unit)  # (b, C)
            others = (part @ total - own) / (num_classes - 1)  # (b, C)
            positive = xp.astype(targets[start : start + step] > 0, xp.float64)  # (b, C)
            for place, chosen in enumerate((positive, 1.0 - positive)):
                self._sums["counts"][place] += to_numpy(xp.sum(chosen, axis=0))
                self._sums["cosines"][place, 0] += to_numpy(xp.sum(chosen * own, axis=0))
                self._sums["cosines"][place, 1] += to_numpy(xp.sum(chosen * others, axis=0))

    def compute(self) -> Alignment:
        r"""Return the mean cosines of everything seen so far.

        Formula: $\frac1{n_c}\sum_{i: y_{ic}=1}\cos(f_{ic}, l_c)$ and
            $\frac1{n_c}\sum_{i: y_{ic}=1}\frac1{C-1}\sum_{k\ne c}\cos(f_{ic}, l_k)$; the same over images
            without the class.
        Range: [-1, 1]; where f lies on the label embedding of a simplex ETF the own cosine is 1 and the others'
            -1/(C-1), to which Eq. 6 draws the own cosine of images without the class.
        Convention: a feature of zero has cosine 0 with everything.
        Source: the cosine of Eq. 6 of the MLC-NC paper.
        """
        counts = self._sums["counts"]
        means = self._sums["cosines"] / np.where(counts > 0, counts, np.nan)[:, None]  # (2, 2, C)
        return Alignment(means[0, 0], means[0, 1], means[1, 0], means[1, 1])


def _unit(xp: Any, rows: Array) -> Array:
    norms = xp.linalg.vector_norm(rows, axis=-1, keepdims=True)
    return rows / xp.where(norms > 0, norms, xp.ones_like(norms))
