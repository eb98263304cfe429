"""NC3, self-duality: do classifier rows (or label embeddings) point where the class means point?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.class_statistics import ClassStatistics
from mlcnc.metrics.geometry import unit_etf_gram, without_rounding
from mlcnc.metrics.namespace import Array, check_finite, checked_means, mean_of_defined, to_numpy

NAN = float("nan")


@dataclass(frozen=True)
class SelfDuality:
    """Classical NC3 of a classifier and class means in one space.

    Attributes:
        frobenius_squared: squared distance of the two unit-Frobenius matrices, in [0, 4].
        frobenius: its root.
        cosines: (C,) cosine of row c with class mean c; ``cosine_mean`` over defined ones.
        etf_distance: distance of the normalised product W M^T to the ETF Gram matrix, in [0, 2].
        dot_variance: variance (divisor C - 1) of the inner products; hangs on scale.
        num_classes: effective C.
    """

    frobenius_squared: float
    frobenius: float
    cosines: NDArray[np.float64]
    cosine_mean: float
    etf_distance: float
    dot_variance: float
    num_classes: int


def self_duality(classifier_weight: Array, centred_means: Array, *, centre_weight: bool = False) -> SelfDuality:
    r"""Return how far the classifier is from dual to the class means (NC3).

    Args:
        classifier_weight: (C, d).
        centred_means: (C, d) class means minus their reference; rows of NaN are left out, with the
            classifier rows of the same classes.
        centre_weight: subtract the mean row of W first. Right for a trainable softmax classifier, which
            a common shift does not change; wrong for sigmoid heads.

    Returns:
        NaN for fewer than two classes, or where W or M is zero.

    Raises:
        ValueError: a weight is not finite or the shapes differ; a class mean of one block has no dual in a
            concatenated classifier, see :func:`concatenated_duality`.

    Formula: $\lVert W/\lVert W\rVert_F-M/\lVert M\rVert_F\rVert_F^2$; $\cos(w_c,m_c-g)$;
        $\lVert WM^\top/\lVert WM^\top\rVert_F-E\rVert_F$; variance of $w_c\cdot(m_c-g)$
    Range: [0, 4]; [-1, 1]; [0, 2]; [0, inf). Dual: 0, 1, (0 if M is an ETF too), 0 for equal norms.
    Convention: g is that of the argument (ours ``class``); classes without a positive left out.
    Source: Papyan, Han and Donoho (2020), NC3; ETF form of Zhu et al. (2021).
    """
    _, means = checked_means(centred_means, "centred_means")
    m = to_numpy(means)
    w = to_numpy(classifier_weight, "classifier_weight")
    require_shape("classifier_weight", w.shape, m.shape, like="centred_means")
    check_finite(w, "classifier_weight")
    present = ~np.isnan(m).any(axis=1)
    number = int(present.sum())
    cosines = row_cosines(w, m)
    w, m = w[present], m[present]
    if centre_weight and number:
        w = without_rounding(w - w.mean(axis=0), w)
        cosines[present] = row_cosines(w, m)
    size_w, size_m = np.linalg.norm(w), np.linalg.norm(m)
    if number < 2 or size_w == 0 or size_m == 0:
        return SelfDuality(NAN, NAN, cosines, mean_of_defined(cosines), NAN, NAN, number)
    squared = float(((w / size_w - m / size_m) ** 2).sum())
    product = w @ m.T
    size = np.linalg.norm(product)
    etf = float(np.linalg.norm(product / size - unit_etf_gram(number))) if size > 0 else NAN
    return SelfDuality(
        frobenius_squared=squared,
        frobenius=float(np.sqrt(squared)),
        cosines=cosines,
        cosine_mean=mean_of_defined(cosines),
        etf_distance=etf,
        dot_variance=float(np.diag(product).var(ddof=1)),
        num_classes=number,
    )


def row_cosines(first: Array, second: Array) -> NDArray[np.float64]:
    r"""Return the cosine of each row of one matrix with the same row of another.

    For ``label_embedding`` and class means of f it is the duality that the alignment loss optimises;
    for the class means used by the calibration loss and those measured now, their staleness.

    Args:
        first, second: (C, d) each.

    Returns:
        (C,) float64; NaN where a row is NaN or zero.

    Raises:
        ValueError: the shapes differ, or a row holds infinity or NaN in places only.

    Formula: $\cos(a_c,b_c)=\frac{a_c\cdot b_c}{\lVert a_c\rVert\,\lVert b_c\rVert}$
    Range: [-1, 1]; 1 where both point the same way.
    Convention: label-embedding duality is taken uncentred (as Eq. 6 is) and centred by ``class``;
        staleness uncentred.
    Source: ours; Eq. 6 and Eq. 8-9 of MLC-NC.
    """
    a, b = to_numpy(checked_means(first, "first")[1]), to_numpy(checked_means(second, "second")[1])
    require_shape("second", b.shape, a.shape, like="first")
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    usable = norms > 0
    inner = (a * b).sum(axis=1)
    return np.where(usable, np.clip(inner / np.where(usable, norms, 1.0), -1.0, 1.0), np.nan)


def contrast_cosines(classifier_weight: Array, statistics: ClassStatistics) -> NDArray[np.float64]:
    r"""Return the cosine of each classifier row with what tells its class from the rest.

    Args:
        classifier_weight: (C, d), over the space of the statistics.
        statistics: with negative means.

    Returns:
        (C,) float64; NaN for a class without a positive or without a negative, where both means coincide, and
        without negative means.

    Raises:
        ValueError: the shapes differ, or a weight is not finite.

    Formula: $\cos(w_c, D_c)$, $D_c=E[x\mid y_c=1]-E[x\mid y_c=0]$
    Range: [-1, 1]; 1 where the classifier points along the difference.
    Convention: no centring: the difference has none. It is what a sigmoid of one class separates.
    Source: ours, on Eq. 10 of MLC-NC.
    """
    weight = to_numpy(classifier_weight, "classifier_weight")
    require_shape("classifier_weight", weight.shape, statistics.class_means.shape, like="class_means")
    check_finite(weight, "classifier_weight")
    statistics.check()
    return row_cosines(weight, without_rounding(statistics.contrast, statistics.class_means))
