"""NC1, the variability of features within their class, relative to the spread of the class means.

Three choices make an NC1 number, and each function names them: how classes are weighed in the
within-class covariance (``class``: every class 1/C, ``sample``: every row 1/n), how in the
between-class covariance, and where the class means are centred. Ours are ``class``, ``class``,
``class``; the literature's on imbalanced data is usually ``sample``, ``class``, ``class``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.geometry import Centring, centred_class_means
from mlcnc.metrics.namespace import (
    Array,
    checked_counts,
    checked_means,
    checked_variances,
    present_classes,
    ratio,
    to_numpy,
)

Weights = Literal["class", "sample"]


def nc1_trace(
    class_means: Array,
    variances: Array,
    *,
    class_counts: Array | None = None,
    overall_mean: Array | None = None,
    within: Weights = "class",
    between: Weights = "class",
    centring: Centring = "class",
) -> float:
    r"""Return the trace ratio tr(Sigma_W) / tr(Sigma_B).

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        variances: (C,) mean squared distance to the class mean.
        class_counts: (C,) n_c; needed for weights or centring by ``sample``.
        overall_mean: (d,), needed for centring ``all``.
        within, between: weights of the classes in either covariance.
        centring: of the class means in Sigma_B.

    Returns:
        NaN when fewer than two classes have a positive or all features coincide; infinity where
        only the class means coincide.

    Raises:
        ValueError: ``class_counts`` is missing, or an unknown weight or centring.

    Formula: $\mathrm{tr}\,\Sigma_W / \mathrm{tr}\,\Sigma_B$, $\Sigma_W = \sum_c w_c \Sigma_c$,
        $\Sigma_B = \sum_c b_c (m_c-g)(m_c-g)^\top$.
    Range: [0, inf]; 0 is complete collapse. Invariant to rotation, uniform scale and translation.
    Convention: population divisor n_c; w_c = b_c = 1/C and g the mean of class means by default.
    Source: Tirer, Huang and Niles-Weed (2023); trace form of Papyan, Han and Donoho (2020).

    Example:
        >>> nc1_trace(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, 0.1]))
        0.3
    """
    spread, distances, counts = _spread_and_distance(
        class_means, variances, class_counts, centring, overall_mean
    )
    if len(spread) < 2:
        return float("nan")
    return ratio(
        float((class_weights(within, counts, len(spread)) * spread).sum()),
        float((class_weights(between, counts, len(spread)) * distances).sum()),
    )


def nc1_per_class(class_means: Array, variances: Array) -> NDArray[np.float64]:
    r"""Return v_c / |m_c - g|^2 for every class.

    Args:
        class_means: (C, d), rows of NaN for classes without a positive.
        variances: (C,) mean squared distance to the class mean.

    Returns:
        (C,) float64; NaN for a class without a positive and where fewer than two classes have one, 0 for a
        class with a single positive (which says nothing: never rank head against tail without class counts).

    Formula: $v_c / \lVert m_c - g \rVert^2$, $v_c = \frac1{n_c}\sum_i \lVert x_{ic} - m_c \rVert^2$.
    Range: [0, inf]; 0 is complete collapse of the class.
    Convention: population divisor; g the unweighted mean of the class means. Biased low for few
        features: compare with :func:`shuffled_nc1_per_class`.
    Source: the per-class quotient of Papyan, Han and Donoho (2020).
    """
    present = to_numpy(present_classes(checked_means(class_means)[1])) > 0
    values = np.full(len(present), np.nan)
    spread, distances, _ = _spread_and_distance(class_means, variances, None, "class")
    if len(spread) < 2:
        return values
    values[present] = [ratio(float(v), float(d)) for v, d in zip(spread, distances, strict=True)]
    return values


def shuffled_nc1_per_class(class_counts: Array) -> NDArray[np.float64]:
    r"""Return what :func:`nc1_per_class` would be for features without any class structure.

    The ratio of the expectations of both parts over all permutations of the rows among the classes.
    It hangs on the class counts alone, so it needs no permutation.

    Args:
        class_counts: (C,) n_c.

    Returns:
        (C,) float64; NaN for an empty class or fewer than two classes with a positive.

    Formula: $\frac{1 - 1/n_c}{(1-2/C)/n_c + C^{-2}\sum_j 1/n_j}$
    Range: [0, inf); near n_c - 1 when counts are equal. Draw it as a dashed line: NC1 at the line
        means no collapse at all, and it is far lower for tail classes.
    Convention: population divisor, centring ``class``, effective C.
    Source: ours; the covariance of means drawn without replacement (Cochran 1977, section 2).
    """
    counts = checked_counts(class_counts)
    result = np.full(len(counts), np.nan)
    used = counts[counts > 0]
    if len(used) >= 2:
        number = len(used)
        distance = (1 - 2 / number) / used + (1 / used).sum() / number**2
        result[counts > 0] = (1 - 1 / used) / distance
    return result


def shuffled_nc1_trace(class_counts: Array, *, within: Weights = "class") -> float:
    r"""Return what :func:`nc1_trace` would be for features without any class structure.

    Args:
        class_counts: (C,) n_c.
        within: weights of the classes in Sigma_W.

    Returns:
        NaN for fewer than two classes with a positive.

    Formula: $\sum_c w_c (1-1/n_c) \big/ \big(\frac1C (1-\frac1C) \sum_c 1/n_c\big)$
    Range: [0, inf).
    Convention: between-class weights and centring ``class``; ratio of expectations over permutations.
    Source: ours, as :func:`shuffled_nc1_per_class`.

    Example:
        >>> round(shuffled_nc1_trace([50, 50]), 6)  # (50 - 1) / (1 - 1/2)
        98.0
    """
    counts = checked_counts(class_counts)
    used = counts[counts > 0]
    if len(used) < 2:
        return float("nan")
    number = len(used)
    numerator = float((class_weights(within, used, number) * (1 - 1 / used)).sum())
    return numerator / float((1 - 1 / number) * (1 / used).sum() / number)


def class_weights(
    weights: Weights, class_counts: NDArray[np.float64] | None, number: int
) -> NDArray[np.float64]:
    """Return the (C,) weights of the present classes: 1/C each or n_c/n.

    Raises:
        ValueError: an unknown kind, or ``sample`` without counts.
    """
    if weights == "class":
        return np.full(number, 1.0 / number)
    if weights != "sample":
        raise ValueError(f"weights must be 'class' or 'sample', got {weights!r}")
    if class_counts is None:
        raise ValueError("class_counts must be given for weights 'sample'; got None")
    return np.asarray(class_counts / class_counts.sum())


def _spread_and_distance(
    class_means: Array,
    variances: Array,
    class_counts: Array | None,
    centring: Centring,
    overall_mean: Array | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    xp, means = checked_means(class_means)
    present = to_numpy(present_classes(means)) > 0
    centred = centred_class_means(means, centring, class_counts=class_counts, overall_mean=overall_mean)
    distances = to_numpy(xp.sum(centred**2, axis=1))[present]
    counts = None if class_counts is None else checked_counts(class_counts, len(present))[present]
    return checked_variances(variances, present)[present], distances, counts
