"""NC1 with the pseudo-inverse of the between-class covariance, without any d x d matrix.

Sigma_B has rank at most C - 1 (C for centrings ``none`` and ``all``), so projecting the deviations
from the class means on its few directions gives tr(Sigma_W Sigma_B^+) exactly. The means must be
final first: this is a second pass over the features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.accumulation import SumAccumulator
from mlcnc.metrics.class_statistics import ClassStatistics, positive_rows
from mlcnc.metrics.distance_variance import squared_distances
from mlcnc.metrics.geometry import Centring, centred_class_means
from mlcnc.metrics.namespace import (
    Array,
    checked_batch,
    checked_counts,
    checked_rows,
    checked_variances,
    device_array,
    like,
    membership,
    pieces,
    positive_pairs,
    rows_per_chunk,
    to_numpy,
)
from mlcnc.metrics.variability import Weights, class_weights

ILL_CONDITIONED = 1e-6
"""Below this ratio of extreme singular values the answer hangs on the cut-off: a warning says so."""


@dataclass(frozen=True)
class BetweenDirections:
    """The directions in which the class means differ.

    Attributes:
        directions: (d, r) orthonormal columns, right singular vectors of the weighted centred means.
        singular_values: (r,) falling; their squares are the non-zero eigenvalues of Sigma_B.
        rank: r, after the cut-off at 8 max(C, d) eps times the greatest singular value.
        full_rank: min(d, C - 1) for centrings ``class`` and ``sample``, else min(d, C); C effective.
        num_classes: effective C.
        reason: why NC1 on them is doubtful or undefined; empty where all is well.
    """

    directions: NDArray[np.float64]
    singular_values: NDArray[np.float64]
    rank: int
    full_rank: int
    num_classes: int
    reason: str


def between_directions(
    statistics: ClassStatistics, *, between: Weights = "class", centring: Centring = "class"
) -> BetweenDirections:
    r"""Return the singular value decomposition of the weighted, centred class means.

    Args:
        statistics: of the whole split.
        between: weights of the classes in Sigma_B.
        centring: of the class means.

    Returns:
        Rank 0 where fewer than two classes have a positive or all means coincide.

    Formula: $B = PSQ^\top$, row c of $B$ is $\sqrt{b_c}\,(m_c-g)$; kept are
        $\sigma > 8\max(C,d)\,\epsilon\,\sigma_1$.
    Convention: the cut is on singular values of B, not on eigenvalues of Sigma_B, in float64.
    Source: ours; thin singular value decomposition.
    """
    statistics.check()
    present = statistics.present
    number = int(present.sum())
    dim = statistics.class_means.shape[1]
    if number < 2:
        empty = np.zeros((dim, 0))
        reason = f"needs two classes with a positive, got {number}"
        return BetweenDirections(empty, np.zeros(0), 0, 0, number, reason)
    counts = statistics.class_counts.astype(np.float64)
    centred = centred_class_means(
        statistics.class_means, centring, class_counts=counts, overall_mean=statistics.overall_mean
    )[present]
    weights = class_weights(between, counts[present], number)
    _, singular, right = np.linalg.svd(np.sqrt(weights)[:, None] * centred, full_matrices=False)
    full_rank = min(dim, number - 1 if centring in ("class", "sample") else number)
    # a centred mean is known to the rounding of the uncentred ones, not of itself
    size = float(np.abs(statistics.class_means[present]).max()) * np.sqrt(dim)
    rounding = 8 * max(number, dim) * np.finfo(np.float64).eps
    cut = max(rounding * float(singular[0]), 8 * np.finfo(np.float64).eps * size)
    rank = min(int((singular > cut).sum()), full_rank)
    reason = ""
    if rank == 0:
        reason = "all class means coincide"
    elif rank < full_rank:
        reason = f"class means span {rank} of {full_rank} dimensions; NC1 is blind to the others"
    elif singular[rank - 1] < ILL_CONDITIONED * singular[0]:
        reason = (
            f"singular values of the class means span {singular[rank - 1] / singular[0]:.1e}; "
            "NC1 hangs on the weakest direction"
        )
    return BetweenDirections(right[:rank].T, singular[:rank], rank, full_rank, number, reason)


class ProjectedScatterAccumulator(SumAccumulator):
    """The spread of every class along the directions of the class means: the second pass of NC1.

    Args:
        statistics: final statistics of the same features.
        directions: of :func:`between_directions`.

    Example:
        >>> from mlcnc.metrics import ClassStatisticsAccumulator
        >>> rows, labels = np.array([[0.0, 1.0], [0.0, -1.0], [3.0, 0.0]]), np.array([0, 0, 1])
        >>> first = ClassStatisticsAccumulator(2, 2)
        >>> first.update_rows(rows, labels)
        >>> second = ProjectedScatterAccumulator(first.compute(), between_directions(first.compute()))
        >>> second.update_rows(rows, labels)
        >>> second.nc1_pinv()  # all spread is across the line that joins the means
        0.0
    """

    def __init__(self, statistics: ClassStatistics, directions: BetweenDirections) -> None:
        number = len(statistics.class_counts)
        super().__init__(scatter=(number, directions.rank), along=(number, number))
        self.statistics = statistics
        self.directions = directions
        self._centre = statistics.centre
        # centred, so that a large common offset costs no digits
        centred = np.nan_to_num(statistics.class_means - self._centre)
        self._coordinates = centred @ directions.directions  # (C, r), of every class mean

    def update(self, features: Array, targets: Array) -> None:
        """Add the positives of a batch: (B, C, d) or (B, d) features and (B, C) targets of 0 or 1."""
        targets = checked_batch(features, targets, *self.statistics.class_means.shape)
        if len(features.shape) == 2:
            self.update_rows(features, targets)
        else:
            self.update_rows(*positive_rows(features, targets)[:2])

    def update_rows(self, features: Array, labels: Array) -> None:
        """Add features (M, d), labels (M,) where each is of one class, or (M, C) of 0 and 1."""
        number, dim = self.statistics.class_means.shape
        labels = checked_rows(features, labels, number, dim)
        if self.directions.rank == 0:
            return
        for placed, part in self._placed(features, labels):
            xp = array_namespace(placed)
            coordinates = device_array(placed, self._coordinates)
            index, classes = positive_pairs(part)
            projected = xp.take(placed, index, axis=0)  # (n, r)
            projected -= xp.take(coordinates, classes, axis=0)
            of_class = membership(classes, number)  # (C, n)
            # along m_j - m_i: the difference of the inner products with m_j and with m_i
            inner = projected @ coordinates.T  # (n, C)
            inner -= xp.take_along_axis(inner, classes[:, None], axis=1)
            self._sums["scatter"] += to_numpy(of_class @ xp.square(projected))
            self._sums["along"] += to_numpy(of_class @ xp.square(inner))

    def _placed(self, features: Array, labels: Array) -> Iterator[tuple[Array, Array]]:
        """Yield the coordinates (b, r) of features along the directions and their labels, many at a time."""
        number, rank = self._sums["scatter"].shape
        step = rows_per_chunk(features, max(rank, number))
        for start in range(0, features.shape[0], step):
            parts = []
            for rows, _ in pieces(features[start : start + step], labels[start : start + step]):
                rows -= device_array(rows, self._centre)
                parts.append(rows @ device_array(rows, self.directions.directions))
            placed = array_namespace(parts[0]).concat(parts)
            yield placed, like(placed, labels[start : start + step])

    def compute(self) -> NDArray[np.float64]:
        """Return (C, r): mean squared deviation of each class along each direction; NaN where empty."""
        return self._sums["scatter"] / self._divisor

    def directional_variances(self) -> NDArray[np.float64]:
        """Return (C, C): variance of class i along the line from m_i to m_j; NaN on the diagonal.

        Exact for centrings ``class`` and ``sample`` at full rank, where the directions span every
        difference of two means.
        """
        lengths = squared_distances(self.statistics.class_means)
        return self._sums["along"] / self._divisor / np.where(lengths > 0, lengths, np.nan)

    def nc1_pinv(self, *, within: Weights = "class") -> float:
        """Return :func:`nc1_pinv` of what was added."""
        return nc1_pinv(
            self.compute(),
            self.directions.singular_values,
            self.statistics.class_counts,
            within=within,
            reason=self.directions.reason,
        )

    @property
    def _divisor(self) -> NDArray[np.float64]:
        counts = self.statistics.class_counts.astype(np.float64)
        return np.where(counts > 0, counts, np.nan)[:, None]


def nc1_pinv(
    projected_variances: Array,
    singular_values: Array,
    class_counts: Array,
    *,
    within: Weights = "class",
    reason: str = "",
) -> float:
    r"""Return NC1 with the pseudo-inverse, tr(Sigma_W Sigma_B^+) / C.

    Args:
        projected_variances: (C, r) of :class:`ProjectedScatterAccumulator`.
        singular_values: (r,) of :class:`BetweenDirections`.
        class_counts: (C,) n_c; empty classes are left out.
        within: weights of the classes in Sigma_W.
        reason: of the directions; a non-empty one is issued as a warning.

    Returns:
        NaN where the means span nothing. Never negative: it is a sum of squares.

    Formula: $\frac1C \mathrm{tr}(\Sigma_W\Sigma_B^+) = \frac1C\sum_c w_c \sum_r s_{cr}/\sigma_r^2$,
        $s_{cr}$ the mean squared deviation of class c along direction r.
    Range: [0, inf); 0 is collapse. About N(C-1)/d for classes of N features without structure.
    Convention: divided by the effective C; weights and centring are those of its inputs, by default
        ``class`` throughout. Invariant to rotation, uniform scale and translation, not to general
        linear maps.
    Source: Papyan, Han and Donoho (2020), NC1; low-rank form ours.
    """
    singular, counts = to_numpy(singular_values, "singular_values"), checked_counts(class_counts)
    require_shape("singular_values", singular.shape, ("r",))
    spread = checked_variances(projected_variances, counts > 0, "projected_variances")
    require_shape("projected_variances", spread.shape, (len(counts), len(singular)))
    if not (np.isfinite(singular) & (singular > 0)).all():
        raise ValueError(f"singular_values must be finite and above 0, got {singular}")
    if len(singular) == 0 or not (counts > 0).any():
        return float("nan")
    if reason:
        warnings.warn(f"nc1_pinv: {reason}", RuntimeWarning, stacklevel=2)
    present = counts > 0
    weights = class_weights(within, counts[present], int(present.sum()))
    value = float((weights @ spread[present] / singular**2).sum()) / int(present.sum())
    assert value >= 0 or np.isnan(value)
    return value
