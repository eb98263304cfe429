"""Class-distance-normalised variance (CDNV): NC1 for a pair of classes, free of any centring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.namespace import ROUNDING, Array, checked_counts, checked_means, checked_variances, to_numpy


@dataclass(frozen=True)
class DistanceVariance:
    """CDNV over all pairs of classes.

    Attributes:
        matrix: (C, C) float64, symmetric, NaN on the diagonal and for pairs that are left out.
        mean, maximum: over the pairs i < j that are used; NaN without one.
        num_pairs: how many pairs were used.
        num_classes: classes with a positive.
    """

    matrix: NDArray[np.float64]
    mean: float
    maximum: float
    num_pairs: int
    num_classes: int


def cdnv(class_means: Array, variances: Array) -> DistanceVariance:
    r"""Return the class-distance-normalised variance of every pair of classes.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        variances: (C,) mean squared distance to the class mean.

    Returns:
        Infinite for a pair whose means coincide.

    Formula: $(v_i+v_j)/(2\lVert m_i-m_j\rVert^2)$
    Range: [0, inf]; 0 is collapse. About (N-1)/2 for two classes of N features without structure.
    Convention: population divisor, no centring. Low for tail classes by chance: see the debiased form
        and :func:`shuffled_cdnv`.
    Source: Galanti, Gyorgy and Hutter (2021).

    Example:
        >>> cdnv(np.array([[0.0], [2.0]]), np.array([1.0, 3.0])).mean
        0.5
    """
    squared = squared_distances(class_means)
    spread = checked_variances(variances, _present(class_means))
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = (spread[:, None] + spread[None, :]) / (2.0 * squared)
    return _summary(matrix, class_means)


def debiased_cdnv(class_means: Array, variances: Array, class_counts: Array) -> DistanceVariance:
    r"""Return CDNV with the bias of small classes taken out of numerator and denominator.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        variances: (C,) mean squared distance to the class mean, population divisor.
        class_counts: (C,) n_c.

    Returns:
        Pairs with a class of fewer than two features, or whose debiased distance is not positive,
        are NaN and left out; ``num_pairs`` says how many remain.

    Formula: $\frac{(\hat v_i+\hat v_j)/2}{\lVert m_i-m_j\rVert^2-\hat v_i/n_i-\hat v_j/n_j}$,
        $\hat v_c = v_c\,n_c/(n_c-1)$
    Range: [0, inf). Numerator and denominator are unbiased, their ratio nearly so.
    Convention: sample divisor n_c - 1. Pairs that drop out are the least separated ones, so a mean over
        few pairs is optimistic: read it with ``num_pairs``.
    Source: ours; unbiased variance and distance of two means.
    """
    squared = squared_distances(class_means)
    counts = checked_counts(class_counts, len(squared))
    usable = np.where(counts >= 2, counts, np.nan)
    unbiased = checked_variances(variances, _present(class_means)) * usable / (usable - 1.0)
    own = unbiased / usable
    distance = squared - own[:, None] - own[None, :]
    matrix = (unbiased[:, None] + unbiased[None, :]) / 2.0 / np.where(distance > 0, distance, np.nan)
    return _summary(matrix, class_means)


def shuffled_cdnv(class_counts: Array) -> NDArray[np.float64]:
    r"""Return the (C, C) CDNV of features without any class structure, from the counts alone.

    Args:
        class_counts: (C,) n_c.

    Returns:
        (C, C) float64; NaN on the diagonal and for empty classes.

    Formula: $\frac{(1-1/n_i)+(1-1/n_j)}{2(1/n_i+1/n_j)}$
    Range: [0, inf); (N-1)/2 for two classes of N features.
    Convention: ratio of expectations over permutations of the rows among the classes.
    Source: ours, as :func:`shuffled_nc1_per_class`.
    """
    counts = checked_counts(class_counts)
    share = 1.0 / np.where(counts > 0, counts, np.nan)
    matrix: NDArray[np.float64] = (2.0 - share[:, None] - share[None, :]) / (
        2.0 * (share[:, None] + share[None, :])
    )
    np.fill_diagonal(matrix, np.nan)
    return matrix


def directional_cdnv(class_means: Array, directional_variances: Array) -> DistanceVariance:
    r"""Return CDNV with the variance along the line that joins the two means only.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        directional_variances: (C, C), entry (i, j) the variance of class i along m_j - m_i; see
            :class:`~mlcnc.metrics.pseudo_inverse.ProjectedScatterAccumulator`.

    Formula: $(v_i(u)+v_j(u))/(2\lVert m_i-m_j\rVert^2)$, $u=(m_j-m_i)/\lVert m_j-m_i\rVert$
    Range: [0, inf]; at most CDNV.
    Convention: population divisor, no centring.
    Source: Luthra, Salunkhe and Galanti (2026).
    """
    squared = squared_distances(class_means)
    along = to_numpy(directional_variances, "directional_variances")
    require_shape("directional_variances", along.shape, squared.shape)
    if np.isinf(along).any() or (along < 0).any():
        raise ValueError("directional_variances must be at least 0 and finite, or NaN where there is no line")
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = (along + along.T) / (2.0 * squared)
    return _summary(matrix, class_means)


def squared_distances(class_means: Array) -> NDArray[np.float64]:
    """Return the (C, C) squared distances between class means, NaN for empty classes.

    They come from the Gram matrix of the centred means, so no (C, C, d) array is made; a pair closer
    than the rounding of that matrix counts as coincident (distance 0).
    """
    _, means = checked_means(class_means)
    rows, present = to_numpy(means), _present(means)
    result = np.full((len(rows), len(rows)), np.nan)
    if not present.any():
        return result
    centred = rows[present] - rows[present].mean(axis=0)
    least = ROUNDING**2 * (rows[present] ** 2).sum(axis=1)
    gram = centred @ centred.T
    norms = np.diag(gram)
    squared = norms[:, None] + norms[None, :] - 2.0 * gram
    rounding = 8 * np.finfo(np.float64).eps * (norms[:, None] + norms[None, :])
    # close pairs again from their difference: the Gram form has lost their digits
    close = squared <= np.maximum(1e8 * rounding, least[:, None] + least[None, :])
    for i, j in np.argwhere(np.triu(close, k=1)):
        gap = float(((centred[i] - centred[j]) ** 2).sum())
        squared[i, j] = squared[j, i] = gap if gap > least[i] + least[j] else 0.0
    np.fill_diagonal(squared, 0.0)
    result[np.ix_(present, present)] = squared
    return result


def _present(class_means: Array) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(to_numpy(class_means)).any(axis=1))


def _summary(matrix: NDArray[np.float64], class_means: Array) -> DistanceVariance:
    matrix = matrix.copy()
    np.fill_diagonal(matrix, np.nan)
    present = _present(class_means)
    values = matrix[np.triu_indices(len(matrix), k=1)]
    values = values[~np.isnan(values)]
    mean = float(values.mean()) if len(values) else float("nan")
    maximum = float(values.max()) if len(values) else float("nan")
    return DistanceVariance(matrix, mean, maximum, len(values), int(present.sum()))
