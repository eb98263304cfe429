"""Neural-collapse and ranking metrics, one implementation for NumPy arrays and torch tensors."""

from mlcnc.metrics.alignment import Alignment, AlignmentAccumulator
from mlcnc.metrics.average_precision import (
    average_precision,
    average_precision_bounds,
    global_map,
    mean_average_precision,
)
from mlcnc.metrics.bootstrap import (
    Interval,
    bootstrap_difference,
    bootstrap_draws,
    bootstrap_map,
    bootstrap_mean_differences,
)
from mlcnc.metrics.class_statistics import ClassStatistics, ClassStatisticsAccumulator, positive_rows
from mlcnc.metrics.concatenated import concatenated_duality
from mlcnc.metrics.decisions import f1_scores
from mlcnc.metrics.distance_variance import cdnv, debiased_cdnv, directional_cdnv, shuffled_cdnv
from mlcnc.metrics.geometry import (
    CENTRINGS,
    AngleSummary,
    angle_summary,
    centre,
    centred_class_means,
    cosine_std_floor,
    cosine_summary,
    gram_distance,
    gram_distance_floor,
    norm_cv,
    pairwise_angles,
    pairwise_cosines,
)
from mlcnc.metrics.label_shuffle import label_shuffle_baseline
from mlcnc.metrics.measurement import measure_split
from mlcnc.metrics.minority import minority_collapse
from mlcnc.metrics.multiplicity import MultiplicityAccumulator
from mlcnc.metrics.nearest_class import NearestClassAccumulator, classifier_agreement
from mlcnc.metrics.precision_recall import PrecisionRecallCurve, precision_recall_curves
from mlcnc.metrics.pseudo_inverse import ProjectedScatterAccumulator, between_directions, nc1_pinv
from mlcnc.metrics.self_duality import contrast_cosines, row_cosines, self_duality
from mlcnc.metrics.summary import SpaceFeatures, nc1_of_negatives, query_only_nc1, space_metrics
from mlcnc.metrics.tag_average import TagAverage, tag_average
from mlcnc.metrics.uniformity import hyperspherical_uniformity
from mlcnc.metrics.variability import (
    nc1_per_class,
    nc1_trace,
    shuffled_nc1_per_class,
    shuffled_nc1_trace,
)

__all__ = [
    "CENTRINGS",
    "Alignment",
    "AlignmentAccumulator",
    "AngleSummary",
    "ClassStatistics",
    "ClassStatisticsAccumulator",
    "Interval",
    "MultiplicityAccumulator",
    "NearestClassAccumulator",
    "PrecisionRecallCurve",
    "ProjectedScatterAccumulator",
    "SpaceFeatures",
    "TagAverage",
    "angle_summary",
    "average_precision",
    "average_precision_bounds",
    "between_directions",
    "bootstrap_difference",
    "bootstrap_draws",
    "bootstrap_map",
    "bootstrap_mean_differences",
    "cdnv",
    "centre",
    "centred_class_means",
    "classifier_agreement",
    "concatenated_duality",
    "contrast_cosines",
    "cosine_std_floor",
    "cosine_summary",
    "debiased_cdnv",
    "directional_cdnv",
    "f1_scores",
    "global_map",
    "gram_distance",
    "gram_distance_floor",
    "hyperspherical_uniformity",
    "label_shuffle_baseline",
    "mean_average_precision",
    "measure_split",
    "minority_collapse",
    "nc1_of_negatives",
    "nc1_per_class",
    "nc1_pinv",
    "nc1_trace",
    "norm_cv",
    "pairwise_angles",
    "pairwise_cosines",
    "positive_rows",
    "precision_recall_curves",
    "query_only_nc1",
    "row_cosines",
    "self_duality",
    "shuffled_cdnv",
    "shuffled_nc1_per_class",
    "shuffled_nc1_trace",
    "space_metrics",
    "tag_average",
]
