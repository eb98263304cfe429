"""The metrics of one feature space under the names a run stores them by."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.class_statistics import ClassStatistics, positive_rows
from mlcnc.metrics.distance_variance import cdnv, debiased_cdnv, directional_cdnv, shuffled_cdnv
from mlcnc.metrics.geometry import (
    CENTRINGS,
    Centring,
    angle_summary,
    angles_of,
    centred_class_means,
    cosine_summary,
    gram_distance,
    norm_cv,
    pairwise_cosines,
)
from mlcnc.metrics.label_shuffle import label_shuffle_baseline
from mlcnc.metrics.minority import collapse_among
from mlcnc.metrics.multiplicity import MAX_MULTIPLICITY, MultiplicityAccumulator
from mlcnc.metrics.namespace import Array, check_groups, checked_rows, mean_of_defined, ratio, require_real
from mlcnc.metrics.nearest_class import NearestClassAccumulator
from mlcnc.metrics.pseudo_inverse import ProjectedScatterAccumulator, between_directions, nc1_pinv
from mlcnc.metrics.uniformity import hyperspherical_uniformity
from mlcnc.metrics.variability import (
    nc1_per_class,
    nc1_trace,
    shuffled_nc1_per_class,
    shuffled_nc1_trace,
)

NUM_SHUFFLES = 3
PROJECTED_VALUES = ("nc1_pinv", "nc1_pinv_sample_weighted", "nc1_pinv_rank")
"""What :func:`projected_metrics` gives: recomputable from stored variances and singular values."""


@dataclass(frozen=True)
class SpaceFeatures:
    """The features of one space on one split, kept for the second pass.

    Attributes:
        rows: (n, d) positive rows, or (N, d) one feature an image.
        labels: (n,) class of each row, or (N, C) 0 or 1, the classes of each image.
        multiplicity: (n,) or (N,) labels of the image.
        class_features: (N, C, d) with negatives; None where they were too many to keep, and image-wise.
        targets: (N, C), with ``class_features``.
    """

    rows: Array
    labels: Array
    multiplicity: Array
    class_features: Array | None = None
    targets: Array | None = None

    @classmethod
    def of(cls, features: Array, targets: Array) -> SpaceFeatures:
        """Return the record of a whole split: (N, C, d) or image-wise (N, d) features, (N, C) targets."""
        require_real(features, "features")
        require_real(targets, "targets")
        if len(features.shape) == 3:
            return cls(*positive_rows(features, targets), features, targets)
        require_shape("labels", targets.shape, (*features.shape[:1], "C"), like="features")
        targets = checked_rows(features, targets, targets.shape[-1], features.shape[-1])
        xp = array_namespace(targets)
        return cls(features, targets, xp.sum(xp.astype(targets > 0, xp.int64), axis=1))

    @property
    def image_wise(self) -> bool:
        """Whether there is one feature an image, which stands for all of its labels."""
        return len(self.labels.shape) == 2


def second_pass_bytes(num_features: int, num_classes: int, dim: int) -> int:
    """Return how much memory the largest table of :func:`thorough_metrics` takes.

    Args:
        num_features: positive rows, or images of image-wise features.
        num_classes: C.
        dim: d.
    """
    levels = min(MAX_MULTIPLICITY, num_classes)
    return 8 * dim * max(num_features, levels * num_classes)


def space_metrics(
    prefix: str, statistics: ClassStatistics, groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Return everything that statistics of one pass give: NC1, CDNV, NC2 and minority collapse.

    Args:
        prefix: split and space, e.g. ``test.mu``; each name is ``<prefix>/<metric>``. The metrics are
            explained in docs/metrics.md and listed by :func:`mlcnc.metrics.catalogue.describe`.
        statistics: of that split and space.
        groups: class indices of ``head``, ``medium`` and ``tail``.

    Returns:
        NaN where a metric is undefined, e.g. centring ``all`` without negative means.
    """
    statistics.check()
    check_groups(groups, len(statistics.class_counts))
    variances, counts = statistics.variances, statistics.class_counts
    means, overall = _in_their_span(statistics)
    pairs = cdnv(means, variances)
    debiased = debiased_cdnv(means, variances, counts)
    values = {
        "num_classes": float(statistics.present.sum()),
        "nc1_trace": nc1_trace(means, variances),
        "nc1_trace_sample_weighted": nc1_trace(means, variances, class_counts=counts, within="sample"),
        "nc1_trace_shuffled": shuffled_nc1_trace(counts),
        "nc1_trace_negatives": nc1_of_negatives(statistics),
        "nc1_trace_query_only": query_only_nc1(statistics),
        "cdnv_mean": pairs.mean,
        "cdnv_max": pairs.maximum,
        "cdnv_shuffled": mean_of_defined(shuffled_cdnv(counts)),
        "cdnv_debiased_mean": debiased.mean,
        "cdnv_debiased_pairs": float(debiased.num_pairs),
        "nc2_gram": gram_distance(means),
    }
    per_class, baseline = nc1_per_class(means, variances), shuffled_nc1_per_class(counts)
    for group, indices in groups.items():
        values[f"nc1_{group}"] = mean_of_defined(per_class[list(indices)])
        values[f"nc1_{group}_shuffled"] = mean_of_defined(baseline[list(indices)])
    values |= _geometry(means, counts, overall, groups)
    return {f"{prefix}/{name}": value for name, value in values.items()}


def nc1_of_negatives(statistics: ClassStatistics) -> float:
    r"""Return NC1 of what a class query makes of images without the class: what collapses without its class.

    Args:
        statistics: of class-wise features. Of image-wise ones it says nothing: all classes have nearly the same
            images then.

    Returns:
        NaN where negatives were not seen.

    Formula: :func:`nc1_trace` of the mean and variance of each class over the images with $y_{ic}=0$.
    Range: [0, inf]; NC1 that is not well below it shows the query, not the class.
    Convention: population divisor; classes weighed alike, of those with a positive and an image without the
        class; centring ``class``.
    Source: ours.
    """
    statistics.check()
    means, variances = statistics.negative_means, statistics.negative_variances
    if means is None or variances is None:
        return float("nan")
    both = statistics.present[:, None] & np.isfinite(means)  # (C, d)
    return nc1_trace(np.where(both, means, np.nan), variances)


def query_only_nc1(statistics: ClassStatistics) -> float:
    r"""Return NC1 of as many images without each class: what its query alone makes.

    The means of few images scatter, which lowers NC1 where a class is rare; so :func:`nc1_of_negatives` is
    taken to the counts of the positives, as the ratio of the expectations of both parts over draws of images.

    Args:
        statistics: of class-wise features.

    Returns:
        NaN where negatives were not seen.

    Formula: $\frac{\overline{(1-1/n_c)u_c}}{B+(1-1/C)\overline{u_c/n_c}}$, u_c the variance of the feature
        of class c over images without it, B the between-class trace of their means, bars means over classes.
    Range: [0, inf]; NC1 that is not well below it shows the query, not the class.
    Convention: as :func:`nc1_of_negatives`; draws with replacement.
    Source: ours.
    """
    within, distances = _query_only_parts(statistics)
    both = np.isfinite(within)
    return ratio(float(within[both].mean()), float(distances[both].mean())) if both.any() else float("nan")


def query_only_nc1_per_class(statistics: ClassStatistics) -> NDArray[np.float64]:
    r"""Return NC1 of every class over as many images without it, (C,): what its query alone makes.

    Args:
        statistics: of class-wise features.

    Returns:
        NaN of a class without positives or without negatives, and of all where negatives were not seen.

    Formula: $\frac{(1-1/n_c)u_c}{|m_c-g|^2+(1-1/C)^2u_c/n_c+\sum_{j\neq c}u_j/(n_jC^2)}$, m_c and u_c mean and
        variance over images without the class, g the mean of the m_c; numerators and denominators average to
        those of :func:`query_only_nc1`.
    Range: [0, inf]; NC1 of the class that is not well below it shows the query, not the class.
    Convention: as :func:`query_only_nc1`.
    Source: ours.
    """
    within, distances = _query_only_parts(statistics)
    return np.array([ratio(*parts) for parts in zip(within.tolist(), distances.tolist(), strict=True)])


def _query_only_parts(statistics: ClassStatistics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both parts of NC1 over as many images without each class, in expectation: (C,), NaN of no use."""
    statistics.check()
    means, variances = statistics.negative_means, statistics.negative_variances
    within, distances = np.full((2, len(statistics.class_counts)), np.nan)
    if means is None or variances is None:
        return within, distances
    both = statistics.present & np.isfinite(means).all(axis=1)  # (C,)
    number = int(both.sum())
    if number < 2:
        return within, distances
    counts, spread, centres = statistics.class_counts[both], variances[both], means[both]
    noise = spread / counts  # of the mean of as many images
    within[both] = spread - noise
    apart = ((centres - centres.mean(axis=0)) ** 2).sum(axis=1)
    distances[both] = apart + (1 - 2 / number) * noise + noise.sum() / number**2
    return within, distances


def thorough_metrics(
    prefix: str,
    statistics: ClassStatistics,
    features: SpaceFeatures,
    *,
    logits: Array | None = None,
    num_shuffles: int = NUM_SHUFFLES,
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return what needs the features a second time, with the arrays from which it can be recomputed.

    Args:
        prefix: split and space.
        statistics: final, of the same features.
        features: of the whole split.
        logits: (N, C) for the binary form of NC4, which also needs negatives.
        num_shuffles: permutations of the label-shuffle baseline.

    Returns:
        ``(metrics, arrays)``: NC1 by pseudo-inverse with rank and shuffle baseline, directional CDNV,
        multiplicity share, NC4; of image-wise features each image counts once for every label it has.
    """
    directions = between_directions(statistics)
    projected = ProjectedScatterAccumulator(statistics, directions)
    projected.update_rows(features.rows, features.labels)
    number = len(statistics.class_counts)
    levels = MultiplicityAccumulator(statistics)
    levels.update_rows(features.rows, features.labels, features.multiplicity)
    share = levels.compute()
    nearest = NearestClassAccumulator(statistics)
    whole, targets = features.class_features, features.targets
    if features.image_wise:
        whole, targets = features.rows, features.labels
    with_negatives = whole is not None and logits is not None and statistics.negative_means is not None
    if with_negatives:
        nearest.update(whole, targets, logits)
    else:
        nearest.update_rows(features.rows, features.labels)
    decided = nearest.compute()
    shuffled = (
        label_shuffle_baseline(features.rows, features.labels, number, num_shuffles=num_shuffles)
        if num_shuffles and directions.rank
        else {"nc1_pinv": np.array([np.nan])}
    )
    arrays = {
        "projected_variances": projected.compute(),
        "singular_values": directions.singular_values,
        "multiplicity_share": share.share,
        "multiplicity_counts": share.counts,
        "nc4_identity": decided.identity_per_class,
    }
    if with_negatives:
        arrays["nc4_binary"] = np.stack([decided.binary_positive_per_class, decided.binary_negative_per_class])
    metrics = {
        "nc1_pinv_shuffled": mean_of_defined(shuffled["nc1_pinv"]),
        "cdnv_directional_mean": directional_cdnv(
            statistics.class_means, projected.directional_variances()
        ).mean,
        "multiplicity_share": mean_of_defined(share.share),
        "nc4_identity": decided.identity,
        "nc4_identity_macro": decided.identity_macro,
        "nc4_binary_positive": decided.binary_positive,
        "nc4_binary_negative": decided.binary_negative,
        "nc4_binary_balanced": decided.binary_balanced,
        "nc4_binary_macro": decided.binary_macro,
    }
    named = {f"{prefix}/{name}": value for name, value in metrics.items()}
    named |= projected_metrics(
        prefix, arrays["projected_variances"], directions.singular_values, statistics.class_counts
    )
    return named, {f"{prefix}/{name}": array for name, array in arrays.items()}


def projected_metrics(
    prefix: str,
    projected_variances: NDArray[Any],
    singular_values: NDArray[Any],
    class_counts: NDArray[Any],
) -> dict[str, float]:
    """Return NC1 by pseudo-inverse, both weightings, and the rank it rests on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the rank stands beside the value
        values = (
            nc1_pinv(projected_variances, singular_values, class_counts),
            nc1_pinv(projected_variances, singular_values, class_counts, within="sample"),
            float(len(singular_values)),
        )
    return {f"{prefix}/{name}": value for name, value in zip(PROJECTED_VALUES, values, strict=True)}


def _in_their_span(statistics: ClassStatistics) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return class means and overall mean, in at most C + 1 coordinates where the space is far wider.

    Distances and angles are the same, and what is computed from them costs nothing then.
    """
    means, overall, present = statistics.class_means, statistics.overall_mean, statistics.present
    rows = means[present] if overall is None else np.vstack([means[present], overall])
    if len(rows) == 0 or rows.shape[1] <= 2 * len(rows):
        return means, overall
    coordinates = np.asarray(np.linalg.qr(rows.T, mode="r")).T  # (C + 1, C + 1)
    narrow = np.full((len(means), len(rows)), np.nan)
    narrow[present] = coordinates[: int(present.sum())]
    return narrow, None if overall is None else coordinates[-1]


def _geometry(
    means: NDArray[np.float64],
    counts: NDArray[np.int64],
    overall: NDArray[np.float64] | None,
    groups: Mapping[str, Sequence[int]],
) -> dict[str, float]:
    values: dict[str, float] = {}
    for centring in CENTRINGS:
        if centring == "all" and overall is None:
            centred = np.full(means.shape, np.nan)
        else:
            centred = centred_class_means(means, centring, class_counts=counts, overall_mean=overall)
        cosines = pairwise_cosines(centred)
        angles = angle_summary(angles_of(cosines))
        values[f"angle_mean_{centring}"] = angles.mean
        values[f"angle_min_{centring}"] = angles.minimum
        values[f"angle_std_{centring}"] = angles.std
        if centring in ("none", "class"):
            values[f"nc2_norm_cv_{centring}"] = norm_cv(centred)
            values[f"cos_std_{centring}"] = cosine_summary(cosines).std
            for group in groups:
                found = collapse_among(cosines, groups[group])
                values[f"angle_mean_{group}_{centring}"] = found.angle_mean
                values[f"angle_min_{group}_{centring}"] = found.angle_min
        if centring == "class":
            spread = cosine_summary(cosines)
            energy = hyperspherical_uniformity(centred)
            values |= {
                "cos_deviation_class": spread.deviation,
                "nc2_distance_variance": energy.distance_variance,
                "nc2_log_energy_gap": energy.log_energy_gap,
                "nc2_riesz_energy_gap": energy.riesz_energy_gap,
            }
    return values


def centred_or_none(statistics: ClassStatistics, centring: Centring) -> NDArray[np.float64] | None:
    """Return the (C, d) centred class means, or None for ``all`` where negatives were not seen."""
    if centring == "all" and statistics.overall_mean is None:
        return None
    centred: NDArray[np.float64] = centred_class_means(
        statistics.class_means,
        centring,
        class_counts=statistics.class_counts,
        overall_mean=statistics.overall_mean,
    )
    return centred
