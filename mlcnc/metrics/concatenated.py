"""NC3 for MLC-NC's classifier, which lives over the concatenation of all projected features.

Logit k reads every block, so a class mean of one block has no classifier vector to be dual to. What
can be compared: the mean of whole concatenations over the images with label k (``concat``), its
difference to the images without it (``contrast``, which is what a per-class sigmoid separates), and
the class's own block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.class_statistics import ClassStatistics
from mlcnc.metrics.geometry import centred_class_means
from mlcnc.metrics.namespace import Array, mean_of_defined, to_numpy
from mlcnc.metrics.self_duality import SelfDuality, contrast_cosines, row_cosines, self_duality

SMALL_GAP = 1e-6
"""Below this size of the whole logit gap the share of the own block is noise and left undefined."""


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
    classifier_weight: Array, concat: ClassStatistics, mu: ClassStatistics
) -> ConcatenatedDuality:
    r"""Return NC3 of MLC-NC's classifier: concat, contrast, block energy and own-block forms.

    Args:
        classifier_weight: (C, C*p), block c of a row at entries c*p to c*p + p - 1.
        concat: of all projected features of an image, joined; with negative means.
        mu: of the projected features, with negative means.

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
    weight = to_numpy(classifier_weight, "classifier_weight")
    cosines = contrast_cosines(weight, concat)
    number = len(weight)
    blocks = weight.reshape(number, number, -1)  # (C, block, p)
    energy = (blocks**2).sum(axis=2)
    energy /= np.where(energy.sum(axis=1) > 0, energy.sum(axis=1), np.nan)[:, None]
    own = blocks[np.arange(number), np.arange(number)]  # (C, p)
    whole, part = (weight * concat.contrast).sum(axis=1), (own * mu.contrast).sum(axis=1)
    usable = np.abs(whole) >= SMALL_GAP  # NaN is not usable
    own_cosines = row_cosines(own, mu.class_means)
    return ConcatenatedDuality(
        concat=self_duality(weight, centred_class_means(concat.class_means, "class")),
        contrast_cosines=cosines,
        contrast_cosine_mean=mean_of_defined(cosines),
        independent_ceiling=np.sqrt(np.diag(energy)),
        block_energy=energy,
        own_block_energy_mean=mean_of_defined(np.diag(energy)),
        own_block_cosines=own_cosines,
        own_block_cosine_mean=mean_of_defined(own_cosines),
        own_logit_gap_share=np.where(usable, part / np.where(usable, whole, 1.0), np.nan),
    )
