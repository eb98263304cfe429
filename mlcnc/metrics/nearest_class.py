"""NC4: does the classifier decide as the nearest class mean would?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.accumulation import SumAccumulator
from mlcnc.metrics.class_statistics import ClassStatistics, positive_rows
from mlcnc.metrics.namespace import (
    Array,
    as_float64,
    check_finite,
    checked_batch,
    checked_rows,
    device_array,
    like,
    mean_of_defined,
    membership,
    pieces,
    require_real,
    rows_per_chunk,
    to_numpy,
)

NAN = float("nan")


@dataclass(frozen=True)
class NearestClassAgreement:
    """NC4 of class-wise or image-wise features.

    Attributes:
        identity: share of positive rows whose nearest class mean is their own class's. An image-wise
            feature stands for every label of its image but is nearest to one mean only, so an image with k
            labels gets at most one of its k rows right, and images over rows is the most that can be reached.
        identity_per_class: (C,), NaN for empty classes; ``identity_macro`` is its mean.
        binary_positive, binary_negative: share of positive and of negative cells in which the sign of
            the logit and the nearer of the class's positive and negative mean agree.
        binary_balanced: half the sum of both; ``binary_macro`` the mean over classes of their half-sums.
        binary_all: share over all cells; nine in ten are negatives, so a footnote only.
        binary_positive_per_class, binary_negative_per_class: (C,).
    """

    identity: float
    identity_macro: float
    identity_per_class: NDArray[np.float64]
    binary_positive: float
    binary_negative: float
    binary_balanced: float
    binary_macro: float
    binary_all: float
    binary_positive_per_class: NDArray[np.float64]
    binary_negative_per_class: NDArray[np.float64]


class NearestClassAccumulator(SumAccumulator):
    """Counts agreements with the nearest class mean over a second pass.

    Args:
        statistics: of the split whose means decide (for test features: those of train or of test; say
            which). The binary form needs its negative means.
    """

    def __init__(self, statistics: ClassStatistics) -> None:
        number = len(statistics.class_counts)
        super().__init__(rows=(number,), own=(number,), cells=(2, number), agreements=(2, number), logits=())
        self.statistics = statistics
        self._centre = statistics.centre
        self._means = np.nan_to_num(statistics.class_means - self._centre)
        self._penalty = np.where(statistics.present, (self._means**2).sum(axis=1), np.inf)

    def update(self, features: Array, targets: Array, logits: Array | None = None) -> None:
        """Add a batch.

        Args:
            features: (B, C, d) class-wise or (B, d) image-wise.
            targets: (B, C), 0 or 1.
            logits: (B, C), decided at 0; None leaves the binary form out.

        Raises:
            ValueError: a shape does not fit, a feature or logit is not finite, a target is not 0 or 1, or
                logits come without negative means. Nothing of the batch is added then.
        """
        targets = checked_batch(features, targets, *self._means.shape)
        if logits is not None:
            require_real(logits, "logits")
            logits = like(features, logits)
            require_shape("logits", logits.shape, targets.shape, like="targets")
            check_finite(logits, "logits")
            if features.shape[0] and self.statistics.negative_means is None:
                raise ValueError(
                    "statistics must hold negative_means for the binary form; they come from update, "
                    "not from update_rows"
                )
        if len(features.shape) == 2:
            self.update_rows(features, targets)
        else:
            self.update_rows(*positive_rows(features, targets)[:2])
        if logits is None or features.shape[0] == 0:
            return
        step = rows_per_chunk(features)
        for start in range(0, features.shape[0], step):
            xp, part = as_float64(features[start : start + step])
            agree = self._nearer_positive(part) == like(part, logits[start : start + step] > 0)
            positive = like(part, targets[start : start + step] > 0)
            for row, cells in enumerate((positive, ~positive)):
                self._sums["cells"][row] += to_numpy(xp.sum(xp.astype(cells, xp.float64), axis=0))
                both = xp.astype(agree & cells, xp.float64)
                self._sums["agreements"][row] += to_numpy(xp.sum(both, axis=0))
        self._sums["logits"] += 1

    def update_rows(self, features: Array, labels: Array) -> None:
        """Add features (M, d) to the identity form, labels (M,) of one class each or (M, C) of 0 and 1."""
        number = len(self._means)
        labels = checked_rows(features, labels, *self._means.shape)
        for rows, part in pieces(features, labels):
            xp = array_namespace(rows)
            own = membership(part, number)  # (C, b)
            self._sums["rows"] += to_numpy(xp.sum(own, axis=1))
            self._sums["own"] += to_numpy(xp.sum(own * membership(self._nearest(xp, rows), number), axis=1))

    def compute(self) -> NearestClassAgreement:
        r"""Return the agreements, NC4.

        Formula: identity: $[\arg\min_k \lVert f_i^c-m_k\rVert = c]$ over positives (i,c); binary:
            $[h_{ik}>0] = [\lVert f_i^k-m_k\rVert < \lVert f_i^k-q_k\rVert]$, $q_k$ the negative mean.
        Range: [0, 1]; 1 is full agreement, 1/C resp. 0.5 is chance. Of image-wise features, where $f_i^c$ is
            the same for every c, identity ends at images over rows: one mean only is nearest.
        Convention: raw means, Euclidean, ties to the lowest index; threshold 0 on the logit. Read the
            balanced and macro forms: negatives are nine cells in ten.
        Source: NC4 of Papyan, Han and Donoho (2020); class-wise forms ours.
        """
        present = self.statistics.present
        rows, own = self._sums["rows"] * present, self._sums["own"] * present
        per_class = _share(own, rows)
        cells = self._sums["cells"] * self._decidable
        agreements = self._sums["agreements"] * self._decidable
        shares = _share(agreements, cells)  # (2, C)
        positive, negative = (float(_share(agreements[i].sum(), cells[i].sum())) for i in (0, 1))
        return NearestClassAgreement(
            identity=float(_share(own.sum(), rows.sum())),
            identity_macro=mean_of_defined(per_class),
            identity_per_class=per_class,
            binary_positive=positive,
            binary_negative=negative,
            binary_balanced=(positive + negative) / 2,
            binary_macro=mean_of_defined(shares.mean(axis=0)),
            binary_all=float(_share(agreements.sum(), cells.sum())),
            binary_positive_per_class=shares[0],
            binary_negative_per_class=shares[1],
        )

    @property
    def _decidable(self) -> NDArray[np.bool_]:
        both = self.statistics.present
        # where both means coincide neither is nearer
        return both & (np.nan_to_num(self.statistics.contrast) != 0).any(axis=1)

    def _nearer_positive(self, features: Array) -> Array:
        """Return (b, C): which features lie nearer to the positive than to the negative mean of a class."""
        xp = array_namespace(features)
        # |x - m|^2 < |x - q|^2 as a half-space: no difference of two large squares
        normal = np.nan_to_num(self.statistics.contrast)  # (C, d)
        middle = np.nan_to_num(self.statistics.class_means - self._centre) - normal / 2
        ahead = device_array(features, normal)
        centred = features - device_array(features, self._centre)
        offset = device_array(features, (middle * normal).sum(axis=1))
        along = centred @ ahead.T if len(features.shape) == 2 else xp.vecdot(centred, ahead[None])
        return along > offset[None]

    def _nearest(self, xp: Array, rows: Array) -> Array:
        centred = rows - device_array(rows, self._centre)
        means = device_array(rows, self._means)
        # |x - m|^2 without |x|^2, which is the same for every class
        return xp.argmin(device_array(rows, self._penalty)[None] - 2.0 * centred @ means.T, axis=1)


@dataclass(frozen=True)
class ClassifierAgreement:
    """NC4 of single-label data.

    Attributes:
        agreement: share of rows for which classifier and nearest class mean choose the same class.
        agreement_macro: mean over true classes of that share.
        nearest_accuracy, classifier_accuracy: share of rows that either gets right.
    """

    agreement: float
    agreement_macro: float
    nearest_accuracy: float
    classifier_accuracy: float


def classifier_agreement(
    features: Array,
    labels: Array,
    statistics: ClassStatistics,
    classifier_weight: Array,
    classifier_bias: Array | None = None,
) -> ClassifierAgreement:
    r"""Return how often a linear classifier chooses the nearest class mean (single-label NC4).

    Args:
        features: (n, d).
        labels: (n,) class of each row.
        statistics: whose class means decide.
        classifier_weight: (C, d).
        classifier_bias: (C,) or None.

    Returns:
        NaN throughout without a row.

    Raises:
        ValueError: a shape does not fit, a label is not a class, or a feature, weight or bias is not finite.

    Formula: share of rows with $\arg\max_k (w_k\cdot x+b_k) = \arg\min_k \lVert x-m_k\rVert$
    Range: [0, 1]; 1 at collapse. The notebook reports the mismatch, 1 minus this.
    Convention: raw means, Euclidean, bias included, ties to the lowest index, empty classes never nearest.
    Source: Papyan, Han and Donoho (2020), NC4.
    """
    _, weight = as_float64(classifier_weight, "classifier_weight")
    require_shape("classifier_weight", weight.shape, statistics.class_means.shape, like="class_means")
    check_finite(weight, "classifier_weight")
    require_real(labels, "labels")
    require_shape("labels", labels.shape, ("n",))
    checked_rows(features, labels, *statistics.class_means.shape)
    if classifier_bias is not None:
        _, classifier_bias = as_float64(classifier_bias, "classifier_bias")
        require_shape("classifier_bias", classifier_bias.shape, (weight.shape[0],), like="classifier_weight")
        check_finite(classifier_bias, "classifier_bias")
    if features.shape[0] == 0:
        return ClassifierAgreement(NAN, NAN, NAN, NAN)
    helper = NearestClassAccumulator(statistics)
    nearest_parts, chosen_parts = [], []
    step = rows_per_chunk(features)
    for start in range(0, features.shape[0], step):
        xp, rows = as_float64(features[start : start + step])
        logits = rows @ like(rows, weight).T
        if classifier_bias is not None:
            logits = logits + like(rows, classifier_bias)
        nearest_parts.append(to_numpy(helper._nearest(xp, rows)))
        chosen_parts.append(to_numpy(xp.argmax(logits, axis=1)))
    nearest, chosen, truth = np.concatenate(nearest_parts), np.concatenate(chosen_parts), to_numpy(labels)
    agree = nearest == chosen
    return ClassifierAgreement(
        agreement=float(agree.mean()),
        agreement_macro=float(np.mean([agree[truth == label].mean() for label in np.unique(truth)])),
        nearest_accuracy=float((nearest == truth).mean()),
        classifier_accuracy=float((chosen == truth).mean()),
    )


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.asarray(whole, dtype=np.float64)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
