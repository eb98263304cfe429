"""What every stored metric name means: title, unit, optimum, conventions and the function behind it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from mlcnc.etf import optimal_angle_degrees
from mlcnc.metrics.class_statistics import ClassStatistics
from mlcnc.metrics.geometry import CENTRINGS, cosine_std_floor, gram_distance_floor

SPLITS = ("train", "validation", "test")
GROUPS = ("head", "medium", "tail")


@dataclass(frozen=True)
class MetricInfo:
    """One metric as it is stored.

    Attributes:
        name: without split and space, e.g. ``angle_min_class``.
        title: for axes and reports, with the centring where there is one.
        unit: ``%``, ``°`` or empty.
        optimum: ``0``, ``1``, ``100``, ``angle`` (the ETF's) or empty where there is none.
        weights: of the classes, where the metric has a choice.
        centring: of the class means, where the metric has one.
        function: in :mod:`mlcnc.metrics` that computes it; its docstring has formula and source.
        split, space: of the full name, empty where it has none.
    """

    name: str
    title: str
    unit: str
    optimum: str
    weights: str
    centring: str
    function: str
    split: str = ""
    space: str = ""

    @property
    def conventions(self) -> str:
        """The choices behind the number in one phrase."""
        parts = [f"{self.split} features {self.space}" if self.space else self.split]
        parts += [f"classes weighed by {self.weights}"] if self.weights else []
        parts += [f"centring {self.centring}"] if self.centring else []
        return ", ".join(part for part in parts if part)


_BY_FUNCTION = {
    "ClassStatistics": [
        ("num_classes", "classes with a positive (effective C)", "", "", "", ""),
    ],
    "nc1_trace": [
        ("nc1_trace", "NC1, trace ratio", "", "0", "class", "class"),
        ("nc1_trace_sample_weighted", "NC1, trace ratio, rows weighed alike", "", "0", "sample", "class"),
    ],
    "shuffled_nc1_trace": [
        ("nc1_trace_shuffled", "NC1 trace ratio with labels shuffled", "", "", "class", "class"),
    ],
    "nc1_of_negatives": [
        ("nc1_trace_negatives", "NC1 trace ratio of images without the class", "", "", "class", "class"),
    ],
    "query_only_nc1": [
        (
            "nc1_trace_query_only",
            "NC1 trace ratio of as many images without the class",
            "",
            "",
            "class",
            "class",
        ),
    ],
    "AlignmentAccumulator.compute": [
        ("alignment_positive", "cosine with the own label embedding", "", "1", "class", "none"),
        ("alignment_positive_others", "cosine with other label embeddings", "", "", "class", "none"),
        (
            "alignment_negative",
            "cosine with the own label embedding, images without the class",
            "",
            "",
            "class",
            "none",
        ),
        (
            "alignment_negative_others",
            "cosine with other label embeddings, images without the class",
            "",
            "",
            "class",
            "none",
        ),
    ],
    "nc1_pinv": [
        ("nc1_pinv", "NC1, pseudo-inverse", "", "0", "class", "class"),
        ("nc1_pinv_sample_weighted", "NC1, pseudo-inverse, rows weighed alike", "", "0", "sample", "class"),
    ],
    "between_directions": [
        ("nc1_pinv_rank", "dimensions spanned by the class means", "", "", "class", "class"),
    ],
    "label_shuffle_baseline": [
        ("nc1_pinv_shuffled", "NC1 pseudo-inverse with labels shuffled", "", "", "class", "class"),
    ],
    "cdnv": [
        ("cdnv_mean", "CDNV, mean over pairs", "", "0", "", ""),
        ("cdnv_max", "CDNV, worst pair", "", "0", "", ""),
    ],
    "shuffled_cdnv": [
        ("cdnv_shuffled", "CDNV with labels shuffled", "", "", "", ""),
    ],
    "debiased_cdnv": [
        ("cdnv_debiased_mean", "CDNV, debiased, mean over usable pairs", "", "0", "", ""),
        ("cdnv_debiased_pairs", "pairs in the debiased CDNV", "", "", "", ""),
    ],
    "directional_cdnv": [
        ("cdnv_directional_mean", "CDNV along the line of the two means", "", "0", "", ""),
    ],
    "MultiplicityAccumulator.compute": [
        ("multiplicity_share", "share of spread between alone and in a crowd", "", "0", "class", ""),
    ],
    "gram_distance": [
        ("nc2_gram", "distance of the Gram matrix to an ETF", "", "0", "", "class"),
        ("nc3_classifier_gram", "distance of the classifier's Gram matrix to an ETF", "", "0", "", "none"),
        ("etf_drift", "distance of the classifier's Gram matrix to an ETF", "", "0", "", "none"),
    ],
    "cosine_summary": [
        ("cos_deviation_class", "mean distance of the cosines to the ETF's", "", "0", "", "class"),
    ],
    "hyperspherical_uniformity": [
        ("nc2_distance_variance", "variance of distances between class directions", "", "0", "", "class"),
        ("nc2_log_energy_gap", "log energy above the simplex", "", "0", "", "class"),
        ("nc2_riesz_energy_gap", "Riesz energy above the simplex", "", "0", "", "class"),
    ],
    "row_cosines": [
        (
            "nc3_label_embedding_none",
            "cosine of class mean and label embedding, uncentred",
            "",
            "1",
            "class",
            "none",
        ),
        (
            "nc3_label_embedding_class",
            "cosine of class mean and label embedding, centred",
            "",
            "1",
            "class",
            "class",
        ),
        (
            "class_means_used_cosine",
            "class means used by the calibration loss against measured ones",
            "",
            "1",
            "class",
            "none",
        ),
        ("class_means_used_cosine_min", "the same, worst class", "", "1", "", "none"),
        ("drift_cosine", "label embedding against its start", "", "", "class", "none"),
    ],
    "contrast_cosines": [
        ("nc3_contrast_cosine", "cosine of classifier and positive minus negative mean", "", "1", "class", ""),
    ],
    "concatenated_duality": [
        ("nc3_independent_ceiling", "contrast cosine if labels were independent", "", "", "class", ""),
        ("nc3_own_block_cosine", "cosine of classifier and class mean in the own block", "", "1", "class", ""),
        ("nc3_own_block_energy", "share of the classifier in its own block", "", "", "class", ""),
        (
            "nc3_own_logit_gap_share",
            "share of the logit gap made by the own block, median",
            "",
            "",
            "class",
            "",
        ),
    ],
    "self_duality": [
        ("nc3_cosine", "cosine of classifier and class mean", "", "1", "class", "class"),
        ("nc3_frobenius_squared", "distance of classifier and class means", "", "0", "", "class"),
        ("nc3_etf_distance", "distance of classifier times means to an ETF", "", "0", "", "class"),
    ],
    "NearestClassAccumulator.compute": [
        ("nc4_identity", "nearest class mean is the own class", "", "1", "sample", "none"),
        (
            "nc4_identity_macro",
            "nearest class mean is the own class, mean over classes",
            "",
            "1",
            "class",
            "none",
        ),
        ("nc4_binary_positive", "logit agrees with the nearer mean, positives", "", "1", "sample", "none"),
        ("nc4_binary_negative", "logit agrees with the nearer mean, negatives", "", "1", "sample", "none"),
        ("nc4_binary_balanced", "logit agrees with the nearer mean, balanced", "", "1", "sample", "none"),
        ("nc4_binary_macro", "logit agrees with the nearer mean, mean over classes", "", "1", "class", "none"),
    ],
    "classifier_agreement": [
        ("nc4_agreement", "classifier chooses the nearest class mean", "", "1", "sample", "none"),
        (
            "nc4_agreement_macro",
            "classifier chooses the nearest class mean, mean over classes",
            "",
            "1",
            "class",
            "none",
        ),
        ("nearest_accuracy", "accuracy of the nearest class mean", "", "1", "sample", "none"),
        ("classifier_accuracy", "accuracy of the classifier", "", "1", "sample", ""),
    ],
    "tag_average": [
        ("ncm_ratio", "multi-label NC_m, matching over all angles", "", "0", "", "none"),
        ("ncm_residual", "distance of pair means to the sum of single means", "", "0", "", "none"),
        ("ncm_pairs", "label pairs in NC_m", "", "", "", ""),
        ("ncm_coverage", "share of tag sets that NC_m can judge", "", "", "", ""),
    ],
    "global_map": [
        ("g_map", "G-mAP, over images", "%", "100", "", ""),
    ],
    "f1_scores": [
        ("f1_micro", "F1, micro", "%", "100", "", ""),
        ("f1_macro", "F1, macro", "%", "100", "", ""),
    ],
    "mean_average_precision": [
        ("map_total", "mAP, all classes", "%", "100", "class", ""),
    ],
}
"""Function to rows of name, title, unit, optimum, weights, centring."""


def _table() -> dict[str, MetricInfo]:
    found = {row[0]: MetricInfo(*row, function) for function, rows in _BY_FUNCTION.items() for row in rows}
    words = {"none": "uncentred", "class": "centred", "sample": "sample-centred", "all": "all-centred"}
    for group in GROUPS:
        for kind, title in (("mean", "mean angle"), ("min", "smallest angle")):
            for name in (f"angle_{kind}_{group}", f"nc3_classifier_angle_{kind}_{group}"):
                text = f"{title} among classifier vectors of {group} classes"
                found[name] = MetricInfo(name, text, "°", "angle", "", "none", "minority_collapse")
        found[f"map_{group}"] = MetricInfo(
            f"map_{group}", f"mAP, {group} classes", "%", "100", "class", "", "mean_average_precision"
        )
        title = f"cosine with the own label embedding, {group} classes"
        found[f"alignment_{group}"] = MetricInfo(
            f"alignment_{group}", title, "", "1", "class", "none", "AlignmentAccumulator.compute"
        )
        found[f"nc1_{group}"] = MetricInfo(
            f"nc1_{group}", f"NC1, mean of {group} classes", "", "0", "class", "class", "nc1_per_class"
        )
        name = f"nc1_{group}_shuffled"
        title = f"NC1 of {group} classes with labels shuffled"
        found[name] = MetricInfo(name, title, "", "", "class", "class", "shuffled_nc1_per_class")
    for centring in CENTRINGS:
        for kind, title, optimum in (
            ("mean", "mean angle", "angle"),
            ("min", "smallest angle", "angle"),
            ("std", "spread of angles", "0"),
        ):
            name = f"angle_{kind}_{centring}"
            text = f"{title} of class means, {words[centring]}"
            found[name] = MetricInfo(name, text, "°", optimum, "", centring, "pairwise_angles")
            if kind != "std" and centring in ("none", "class"):
                for group in GROUPS:
                    name = f"angle_{kind}_{group}_{centring}"
                    text = f"{title} among {group} classes, {words[centring]}"
                    found[name] = MetricInfo(name, text, "°", optimum, "", centring, "minority_collapse")
        if centring in ("none", "class"):
            name = f"nc2_norm_cv_{centring}"
            text = f"variation of class-mean norms, {words[centring]}"
            found[name] = MetricInfo(name, text, "", "0", "", centring, "norm_cv")
            name = f"cos_std_{centring}"
            text = f"spread of cosines, {words[centring]}"
            found[name] = MetricInfo(name, text, "", "0", "", centring, "cosine_summary")
    return found


CATALOGUE: dict[str, MetricInfo] = _table()
"""From metric name, without split and space, to what it means."""


UNTRAINED = frozenset({"alignment_positive", "alignment_negative", "nc1_trace", "nc2_gram", "angle_min_class"})
"""Also logged of the untrained network, as ``NAME_untrained`` in the line of the first epoch."""


def describe(name: str) -> MetricInfo | None:
    """Return what a stored metric means, of whatever space, or None for one that mlcnc does not define.

    Example:
        >>> describe("test.z/angle_min_class").title
        'smallest angle of class means, centred'
        >>> describe("train.my_space/nc4_identity").space
        'my_space'
    """
    prefix, _, metric = name.rpartition("/")
    of_untrained = metric.removesuffix("_untrained") in UNTRAINED and metric not in UNTRAINED
    info = CATALOGUE.get(metric.removesuffix("_untrained") if of_untrained else metric)
    if info is None:
        return None
    if of_untrained:
        info = replace(info, name=metric, title=f"{info.title}, untrained network", optimum="")
    split, _, space = prefix.partition(".")
    if split not in SPLITS:
        return info
    return replace(info, split=split, space=space)


def metric_optimum(name: str, num_classes: int) -> float | None:
    """Return the value of a metric at complete collapse onto a simplex ETF, or None where there is none."""
    info = describe(name)
    if info is None or not info.optimum:
        return None
    if info.optimum == "angle":
        return optimal_angle_degrees(num_classes) if num_classes >= 2 else None
    return float(info.optimum)


def metric_floor(name: str, num_classes: int, dim: int) -> float | None:
    """Return the least value a metric can take in this dimension, where that is above its optimum."""
    metric = name.rpartition("/")[2]
    if num_classes < 2 or dim >= num_classes - 1:
        return None
    if metric == "nc2_gram":
        return gram_distance_floor(num_classes, dim)
    return cosine_std_floor(num_classes, dim) if metric == "cos_std_class" else None


def reason_undefined(name: str, value: float, statistics: ClassStatistics) -> str:
    """Return why a metric is NaN or infinite, in a phrase; empty where it is finite.

    Args:
        name: full metric name.
        value: as computed.
        statistics: of its split and space.
    """
    if math.isfinite(value):
        return ""
    metric = name.rpartition("/")[2]
    present = int(statistics.present.sum())
    if math.isinf(value):
        return "class means coincide while features of a class differ"
    if present < 2:
        return f"needs two classes with a positive, got {present}"
    of_negatives = metric.endswith(("_all", "_negatives", "_query_only"))
    if of_negatives and statistics.overall_mean is None:
        return "needs features of negatives, which rows of one class each do not have"
    if metric.startswith("nc4_binary"):
        return "needs logits and the features of negatives"
    if metric.endswith("energy_gap") and present > statistics.class_means.shape[1] + 1:
        return f"the optimum is unknown for {present} classes in {statistics.class_means.shape[1]} dimensions"
    if "debiased" in metric:
        return "no pair of classes has two features each and a debiased distance above 0"
    if metric.startswith("ncm_"):
        return "no observed label pair has both classes alone in an image too"
    if re.search(r"_(head|medium|tail)(_|$)", metric):
        needed = "two classes" if metric.startswith("angle") else "a class"
        return f"the group needs {needed} with a positive and a mean apart from the centre"
    if metric == "multiplicity_share":
        return "the features of no class differ"
    if metric in ("nc3_contrast_cosine", "nc3_own_logit_gap_share"):
        return "no class has a mean apart from that of the images without it"
    if metric.startswith(("nc1", "cdnv", "angle", "nc2", "nc3", "cos")):
        return "class means coincide"
    return "not defined for these features"
