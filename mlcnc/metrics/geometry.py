"""NC2, the geometry of the class means: norms, pairwise angles and the distance to a simplex ETF.

Always name the centring beside an angle. Centred by their own mean (``class``), means of equal norm
have a mean cosine of exactly -1/(C-1) whatever their geometry; only spread, minimum and Gram
distance say anything then. Uncentred (``none``) is the parity value for Figure 3 of MLC-NC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.etf import optimal_cosine
from mlcnc.metrics.namespace import (
    Array,
    check_finite,
    checked_counts,
    checked_means,
    device_array,
    present_classes,
    to_numpy,
)

Centring = Literal["none", "class", "sample", "all"]
CENTRINGS: tuple[Centring, ...] = ("none", "class", "sample", "all")
NAN = float("nan")

LEAST_SHARE = 1e-6
"""Of the longest class mean: shorter differences of means are rounding, of float32 as they are stored."""


@dataclass(frozen=True)
class AngleSummary:
    """Statistics over the pairs i < j of classes that have a positive; degrees.

    Attributes:
        mean: mean angle. Under ``class`` centring an identity for equal norms: never rank by it.
        minimum: smallest angle.
        maximum: largest angle.
        std: standard deviation over pairs (divisor: number of pairs).
        closest_pair: class indices of the smallest angle, or None.
        num_classes: how many classes entered.
    """

    mean: float
    minimum: float
    maximum: float
    std: float
    closest_pair: tuple[int, int] | None
    num_classes: int


@dataclass(frozen=True)
class CosineSummary:
    """Statistics of the cosines over the pairs i < j of present classes, t = -1/(C-1).

    Attributes:
        mean, std: over pairs, divisor the number of pairs.
        deviation: mean of |cos - t|.
        max_deviation: greatest |cos - t|.
        coherence: greatest |cos|.
        num_classes: effective C.
    """

    mean: float
    std: float
    deviation: float
    max_deviation: float
    coherence: float
    num_classes: int


def centre(
    class_means: Array,
    centring: Centring,
    *,
    class_counts: Array | None = None,
    overall_mean: Array | None = None,
) -> Array:
    r"""Return the (d,) reference g from which class means are measured.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        centring: ``none`` 0, ``class`` the mean of the class means, ``sample`` the mean of all
            positive rows, ``all`` the mean of every class-wise feature, negatives included.
        class_counts: (C,) n_c, needed for ``sample``.
        overall_mean: (d,), needed for ``all``.

    Returns:
        (d,) in the namespace of ``class_means``; zeros where no class has a positive.

    Raises:
        ValueError: an unknown centring, or what it needs is missing.

    Formula: $g = 0$, $\frac1C\sum_c m_c$, $\sum_c \frac{n_c}{n} m_c$, or $\frac1{NC}\sum_{i,c} f_i^c$.
    Convention: empty classes are left out and C is the number of the others.
    Source: Papyan, Han and Donoho (2020) for ``class``; the others as published codes have them.
    """
    xp, means = checked_means(class_means)
    present = present_classes(means)
    zero = xp.sum(means[:0], axis=0)  # (d,)
    if centring not in CENTRINGS:
        raise ValueError(f"centring must be one of {CENTRINGS}, got {centring!r}")
    if centring == "none" or not bool(xp.any(present)):
        return zero
    if centring == "class":
        return xp.mean(means[present], axis=0)
    if centring == "sample":
        if class_counts is None:
            raise ValueError("class_counts must be given for centring 'sample', got None")
        counts = device_array(means, checked_counts(class_counts, means.shape[0]))[present]
        return xp.sum(means[present] * counts[:, None], axis=0) / xp.sum(counts)
    if overall_mean is None:
        raise ValueError(
            "overall_mean must be given for centring 'all', got None; it needs the features of "
            "negatives too, which rows of positives do not have"
        )
    overall = to_numpy(overall_mean, "overall_mean")
    require_shape("overall_mean", overall.shape, (means.shape[1],), like="class_means")
    check_finite(overall, "overall_mean")
    return device_array(means, overall)


def centred_class_means(
    class_means: Array,
    centring: Centring,
    *,
    class_counts: Array | None = None,
    overall_mean: Array | None = None,
) -> Array:
    """Return the (C, d) class means minus their reference; arguments as :func:`centre`.

    A mean that coincides with the reference, as that of a class on every image does with ``all``, is exactly 0
    and so has no direction: see :func:`without_rounding`.
    """
    _, means = checked_means(class_means)
    reference = centre(means, centring, class_counts=class_counts, overall_mean=overall_mean)
    return means if centring == "none" else without_rounding(means - reference, means)


def without_rounding(differences: Array, rows: Array) -> Array:
    """Return the (C, d) differences between rows, 0 where one is shorter than 1e-6 of the longest of ``rows``.

    What is left of equal rows is noise, other noise after storage, and its angles would look like any other.

    Args:
        differences: (C, d) float64, e.g. class means minus their reference.
        rows: (C, d) float64 before the subtraction; rows of NaN are left out.
    """
    xp = array_namespace(rows)
    sizes = xp.linalg.vector_norm(rows[present_classes(rows)], axis=1)
    if sizes.shape[0] == 0:
        return differences
    short = xp.linalg.vector_norm(differences, axis=1, keepdims=True) < LEAST_SHARE * xp.max(sizes)
    return xp.where(short, xp.zeros_like(differences), differences)


def norm_cv(centred_means: Array, *, ddof: int = 0) -> float:
    r"""Return the coefficient of variation of the norms (equinorm), std/mean.

    Args:
        centred_means: (C, d) class means minus their reference, or classifier rows; rows of NaN are
            left out.
        ddof: 0 is ours, 1 the notebook's of Papyan et al. (larger by sqrt(C/(C-1))).

    Returns:
        NaN for fewer than two rows or when all norms are 0.

    Formula: $\mathrm{std}_c(\lVert m_c-g\rVert) / \mathrm{mean}_c(\lVert m_c-g\rVert)$
    Range: [0, sqrt(C-1)]; 0 when all norms are equal.
    Convention: of the centring of its argument.
    Source: Papyan, Han and Donoho (2020), NC2 equinorm.
    """
    xp, rows = checked_means(centred_means, "centred_means")
    norms = to_numpy(xp.linalg.vector_norm(rows[present_classes(rows)], axis=1))
    if len(norms) < 2 or norms.mean() == 0:
        return NAN
    return float(norms.std(ddof=ddof) / norms.mean())


def pairwise_cosines(centred_means: Array) -> Array:
    """Return the (C, C) cosines between rows, in [-1, 1]; NaN for rows of NaN or of norm zero.

    Raises:
        ValueError: not a matrix, or a row holds infinity or NaN in places only.
    """
    xp, rows = checked_means(centred_means, "centred_means")
    norms = xp.linalg.vector_norm(rows, axis=1, keepdims=True)
    unit = rows / xp.where(norms > 0, norms, xp.full_like(norms, NAN))
    return xp.clip(unit @ unit.T, -1.0, 1.0)


def cosine_summary(cosines: Array) -> CosineSummary:
    r"""Return mean, spread and distance to the ETF of the cosines over pairs of present classes.

    Args:
        cosines: (C, C) of :func:`pairwise_cosines`.

    Returns:
        All NaN where fewer than two classes have one.

    Raises:
        ValueError: not a square matrix, or an entry is neither NaN nor in [-1, 1].

    Formula: over i<j with $t=-1/(C-1)$: mean and std of $\cos_{ij}$, mean and max of
        $|\cos_{ij}-t|$, max of $|\cos_{ij}|$.
    Range: mean in [t, 1]; std in [0, 1]; deviations in [0, 1-t]; coherence in [0, 1]. At an ETF the
        mean is t, std and deviations are 0, coherence is -t.
    Convention: of the centring of the means; effective C; divisor the number of pairs. The mean under
        centring ``class`` is t for equal norms whatever the geometry.
    Source: Papyan, Han and Donoho (2020), NC2.
    """
    matrix = _checked_pairs(cosines, "cosines", 1.0)
    rows, columns = np.triu_indices(len(matrix), k=1)
    values = matrix[rows, columns]
    values = values[~np.isnan(values)]
    num_classes = int((~np.isnan(np.diag(matrix))).sum())
    if len(values) == 0:
        return CosineSummary(NAN, NAN, NAN, NAN, NAN, num_classes)
    gaps = np.abs(values - optimal_cosine(num_classes))
    return CosineSummary(
        mean=float(values.mean()),
        std=float(values.std()),
        deviation=float(gaps.mean()),
        max_deviation=float(gaps.max()),
        coherence=float(np.abs(values).max()),
        num_classes=num_classes,
    )


def pairwise_angles(
    class_means: Array,
    *,
    centring: Centring,
    class_counts: Array | None = None,
    overall_mean: Array | None = None,
) -> NDArray[np.float64]:
    r"""Return the (C, C) angles between class means in degrees.

    Args:
        class_means: (C, d); rows of NaN for classes without a positive.
        centring: ``none``, ``class``, ``sample`` or ``all``.
        class_counts: (C,) n_c, needed for ``sample``.
        overall_mean: (d,), needed for ``all``.

    Returns:
        (C, C) float64, diagonal 0; NaN for empty classes and for means of norm zero.

    Formula: $\arccos \frac{(m_i-g)\cdot(m_j-g)}{\lVert m_i-g\rVert\,\lVert m_j-g\rVert}$
    Range: [0, 180] degrees; arccos(-1/(C-1)) at a simplex ETF.
    Convention: the centring is the caller's and must be named beside every angle.
    Source: Papyan, Han and Donoho (2020), NC2; Figure 3 of MLC-NC (centring ``none``, see figure3).

    Example:
        >>> pairwise_angles(np.array([[1.0, 0.0], [0.0, 2.0]]), centring="none")[0, 1].item()
        90.0
    """
    centred = centred_class_means(class_means, centring, class_counts=class_counts, overall_mean=overall_mean)
    return angles_of(pairwise_cosines(centred))


def angles_of(cosines: Array) -> NDArray[np.float64]:
    """Return the (C, C) angles in degrees of a matrix of cosines, the diagonal exactly 0."""
    angles: NDArray[np.float64] = np.degrees(np.arccos(np.clip(to_numpy(cosines), -1.0, 1.0)))
    # arccos turns a cosine of 1 - 1e-16 into 1e-8 degrees; the angle with itself is exactly 0
    np.fill_diagonal(angles, np.where(np.isnan(np.diag(angles)), np.nan, 0.0))
    return angles


def angle_summary(angles: NDArray[np.float64]) -> AngleSummary:
    """Return mean, extremes and spread over the pairs i < j of a (C, C) matrix in degrees.

    Pairs with NaN are left out; all values are NaN where no pair is left.

    Raises:
        ValueError: not a square matrix, or an entry is neither NaN nor in [0, 180].

    Range: [0, 180] degrees each.
    Convention: divisor the number of pairs; the mean of angles is not the angle of the mean cosine.
    Source: Papyan, Han and Donoho (2020), NC2 equiangularity.
    """
    angles = _checked_pairs(angles, "angles", 180.0)
    rows, columns = np.triu_indices(len(angles), k=1)
    values = angles[rows, columns]
    usable = ~np.isnan(values)
    num_classes = int((~np.isnan(np.diag(angles))).sum())
    if not usable.any():
        return AngleSummary(NAN, NAN, NAN, NAN, None, num_classes)
    kept = values[usable]
    smallest = int(np.flatnonzero(usable)[int(kept.argmin())])
    return AngleSummary(
        mean=float(kept.mean()),
        minimum=float(kept.min()),
        maximum=float(kept.max()),
        std=float(kept.std()),
        closest_pair=(int(rows[smallest]), int(columns[smallest])),
        num_classes=num_classes,
    )


def _checked_pairs(values: Array, name: str, most: float) -> NDArray[np.float64]:
    matrix = to_numpy(values, name)
    require_shape(name, matrix.shape, ("C", *matrix.shape[:1]))
    # a matrix of the caller's own may be off by rounding
    if (np.abs(matrix) > most * (1 + 1e-6)).any():
        raise ValueError(
            f"{name} must be at most {most:g}, or NaN for a pair that has none, got {np.nanmax(matrix):g}"
        )
    return matrix


def gram_distance(
    class_means: Array,
    *,
    centring: Centring = "class",
    class_counts: Array | None = None,
    overall_mean: Array | None = None,
) -> float:
    r"""Return the distance of the Gram matrix of the class means to that of a simplex ETF.

    Args:
        class_means: (C, d) class means or, with centring ``none``, classifier rows; rows of NaN
            (empty classes) are left out and C counts the rest.
        centring: of the class means.
        class_counts, overall_mean: as in :func:`centre`.

    Returns:
        NaN for fewer than two classes or when all means coincide.

    Formula: $\lVert K/\lVert K\rVert_F - E\rVert_F$, $K=(M-g)(M-g)^\top$, $E=(I-\frac1C 11^\top)/\sqrt{C-1}$
    Range: [0, sqrt 2]; 0 exactly at a simplex ETF. Where d < C - 1 the floor is above 0:
        :func:`gram_distance_floor`.
    Convention: rows keep their norms, so unequal norms count; default centring ``class``.
    Source: Zhu et al. (2021).
    """
    _, means = checked_means(class_means)
    means = centred_class_means(means, centring, class_counts=class_counts, overall_mean=overall_mean)
    means = means[present_classes(means)]
    return distance_of_gram(to_numpy(means @ means.T))


def distance_of_gram(gram: NDArray[np.float64]) -> float:
    """Return :func:`gram_distance` of a (C, C) Gram matrix; NaN for fewer than two rows or a zero matrix."""
    norm = float(np.linalg.norm(gram))
    if len(gram) < 2 or norm == 0.0:
        return NAN
    return float(np.linalg.norm(gram / norm - unit_etf_gram(len(gram))))


def unit_etf_gram(num_classes: int) -> NDArray[Any]:
    """Return E, the (C, C) Gram matrix of a simplex ETF scaled to Frobenius norm 1."""
    return (np.eye(num_classes) - 1.0 / num_classes) / np.sqrt(num_classes - 1)


def gram_distance_floor(num_classes: int, dim: int) -> float:
    r"""Return the smallest possible :func:`gram_distance` in dimension ``dim``.

    Formula: $\sqrt{2-2\sqrt{r/(C-1)}}$, $r=\min(d, C-1)$
    Range: [0, sqrt 2); 0 where a simplex ETF fits (d >= C - 1). 0.9968 for C = 80 and d = 20.
    Convention: any centring: K has rank at most d, and E is C - 1 equal eigenvalues.
    Source: ours; the best approximation of E by a matrix of rank r.
    """
    rank = min(dim, num_classes - 1)
    if rank == num_classes - 1:
        return 0.0
    return float(np.sqrt(max(0.0, 2.0 - 2.0 * np.sqrt(rank / (num_classes - 1)))))


def cosine_std_floor(num_classes: int, dim: int) -> float:
    r"""Return the smallest possible standard deviation of the cosines at the ETF's mean cosine.

    Formula: $\sqrt{\max(0, \frac{C/r-1}{C-1} - t^2)}$, $r=\min(d,C-1)$, $t=-1/(C-1)$
    Range: [0, 1); 0 where a simplex ETF fits. 0.1945 for C = 80 and d = 20.
    Convention: centring ``class`` with equal norms, where the mean cosine is t.
    Source: the Welch bound on the sum of squared cosines.
    """
    rank = min(dim, num_classes - 1)
    if rank == num_classes - 1:
        return 0.0
    bound = (num_classes / rank - 1) / (num_classes - 1) - optimal_cosine(num_classes) ** 2
    return float(np.sqrt(max(0.0, bound)))
