"""NC3 for MLC-NC's classifier, which lives over the concatenation of all projected features.

Logit k reads every block, so a class mean of one block has no classifier vector to be dual to. What
can be compared: the mean of whole concatenations over the images with label k (``concat``), its
difference to the images without it (``contrast``, which is what a per-class sigmoid separates), and
the class's own block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.accumulation import SumAccumulator
from mlcnc.metrics.class_statistics import ClassStatistics
from mlcnc.metrics.geometry import centred_class_means
from mlcnc.metrics.namespace import Array, as_float64, checked_batch, mean_of_defined, rows_per_chunk, to_numpy
from mlcnc.metrics.self_duality import SelfDuality, row_cosines, self_duality

SMALL_GAP = 1e-6
"""Below this size of the whole logit gap the share of the own block is noise and left undefined."""


@dataclass(frozen=True)
class ConcatenatedMeans:
    """Means of concatenated features (all blocks of an image) by label.

    Attributes:
        positive: (C, C*p) mean over the images with label k; NaN rows where there is none.
        negative: (C, C*p) mean over the images without it; NaN rows where there is none.
        class_counts: (C,) images with label k.
        num_images: N.
    """

    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    class_counts: NDArray[np.int64]
    num_images: int

    @property
    def overall_mean(self) -> NDArray[np.float64]:
        """(C*p,) mean over all images."""
        share = self.class_counts[0] / max(self.num_images, 1)
        mean: NDArray[np.float64] = share * np.nan_to_num(self.positive[0])
        return mean + (1.0 - share) * np.nan_to_num(self.negative[0])


class ConcatenatedMeansAccumulator(SumAccumulator):
    """Accumulates :class:`ConcatenatedMeans` over batches.

    Args:
        num_classes: C.
        dim: p, of one block.
    """

    def __init__(self, num_classes: int, dim: int) -> None:
        width = num_classes * dim
        super().__init__(
            positive=(num_classes, width), negative=(num_classes, width), counts=(num_classes,), images=()
        )
        self.num_classes = num_classes
        self.dim = dim

    def update(self, class_features: Array, targets: Array) -> None:
        """Add a batch: (B, C, p) projected features and (B, C) targets of 0 or 1."""
        require_shape("class_features", class_features.shape, ("B", self.num_classes, self.dim))
        targets = checked_batch(class_features, targets)
        xp = array_namespace(class_features)
        step = rows_per_chunk(class_features)
        for start in range(0, class_features.shape[0], step):
            _, part = as_float64(class_features[start : start + step])
            rows = xp.reshape(part, (part.shape[0], -1))  # (b, C*p)
            present = xp.astype(targets[start : start + step] > 0, xp.float64)  # (b, C)
            self._sums["positive"] += to_numpy(present.T @ rows)
            self._sums["negative"] += to_numpy((1.0 - present).T @ rows)
            self._sums["counts"] += to_numpy(xp.sum(present, axis=0))
            self._sums["images"] += rows.shape[0]

    def compute(self) -> ConcatenatedMeans:
        """Return the means of everything seen so far."""
        counts = self._sums["counts"]
        absent = float(self._sums["images"]) - counts
        return ConcatenatedMeans(
            positive=self._sums["positive"] / np.where(counts > 0, counts, np.nan)[:, None],
            negative=self._sums["negative"] / np.where(absent > 0, absent, np.nan)[:, None],
            class_counts=counts.astype(np.int64),
            num_images=int(self._sums["images"]),
        )


@dataclass(frozen=True)
class ConcatenatedDuality:
    """NC3 of a classifier over concatenated class-wise features.

    Attributes:
        concat: classical NC3 with the means of whole concatenations, centred by their mean.
        contrast_cosines: (C,) cos(v_k, D_k), D_k positive minus negative mean; recommended.
        contrast_cosine_mean: over defined classes.
        independent_ceiling: (C,) sqrt(e_kk), what the contrast cosine can reach if labels were
            independent; above it the model uses co-occurrence.
        block_energy: (C, C) share of classifier vector k in block c; rows sum to 1.
        own_block_energy_mean: mean of its diagonal; 1/C for a random ETF, (C-1)/C for a block-aligned one.
        own_block_cosines: (C,) cos of block c of v_c with the class mean m_c of ``mu``.
        own_block_cosine_mean: over defined classes.
        own_logit_gap_share: (C,) part of the positive-negative logit gap that the own block makes;
            unbounded, NaN where the gap is below 1e-6.
    """

    concat: SelfDuality
    contrast_cosines: NDArray[np.float64]
    contrast_cosine_mean: float
    independent_ceiling: NDArray[np.float64]
    block_energy: NDArray[np.float64]
    own_block_energy_mean: float
    own_block_cosines: NDArray[np.float64]
    own_block_cosine_mean: float
    own_logit_gap_share: NDArray[np.float64]


def concatenated_duality(
    classifier_weight: Array, means: ConcatenatedMeans, statistics: ClassStatistics
) -> ConcatenatedDuality:
    r"""Return NC3 of MLC-NC's classifier: concat, contrast, block energy and own-block forms.

    Args:
        classifier_weight: (C, C*p), block c of a row at entries c*p to c*p + p - 1.
        means: of the concatenated features.
        statistics: of ``mu``, with negative means.

    Raises:
        ValueError: the shapes differ.

    Formula: $\cos(v_k,D_k)$, $D_k=E[\mu\mid y_k=1]-E[\mu\mid y_k=0]$;
        $e_{kc}=\lVert v_k^{(c)}\rVert^2/\lVert v_k\rVert^2$; $\cos(v_c^{(c)},m_c)$;
        $v_c^{(c)}\cdot(m_c-q_c)\,/\,v_c\cdot D_c$
    Range: cosines [-1, 1]; energy [0, 1]; the gap share is unbounded. Full duality (1) is out of reach
        for a random ETF unless other blocks move with the label: see ``independent_ceiling``.
    Convention: no centring in contrast and own-block forms; ``concat`` centred by ``class``.
    Source: ours, on Eq. 10 of MLC-NC.
    """
    weight = to_numpy(classifier_weight)
    require_shape("classifier_weight", weight.shape, means.positive.shape, like="concatenated means")
    number = len(weight)
    blocks = weight.reshape(number, number, -1)  # (C, block, p)
    energy = (blocks**2).sum(axis=2)
    energy /= np.where(energy.sum(axis=1) > 0, energy.sum(axis=1), np.nan)[:, None]
    own = blocks[np.arange(number), np.arange(number)]  # (C, p)
    contrast = means.positive - means.negative
    cosines = row_cosines(weight, np.nan_to_num(contrast))
    cosines = np.where(np.isnan(contrast).any(axis=1), np.nan, cosines)
    whole = (weight * contrast).sum(axis=1)
    negative = statistics.negative_means
    gap = np.full(own.shape, np.nan) if negative is None else statistics.class_means - negative
    part = (own * gap).sum(axis=1)
    usable = np.abs(whole) >= SMALL_GAP  # NaN is not usable
    own_cosines = np.where(statistics.present, row_cosines(own, np.nan_to_num(statistics.class_means)), np.nan)
    return ConcatenatedDuality(
        concat=self_duality(weight, centred_class_means(means.positive, "class")),
        contrast_cosines=cosines,
        contrast_cosine_mean=mean_of_defined(cosines),
        independent_ceiling=np.sqrt(np.diag(energy)),
        block_energy=energy,
        own_block_energy_mean=mean_of_defined(np.diag(energy)),
        own_block_cosines=own_cosines,
        own_block_cosine_mean=mean_of_defined(own_cosines),
        own_logit_gap_share=np.where(usable, part / np.where(usable, whole, 1.0), np.nan),
    )
