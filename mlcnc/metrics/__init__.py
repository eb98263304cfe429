"""Neural-collapse and ranking metrics, one implementation for NumPy arrays and torch tensors."""

from mlcnc.metrics.average_precision import (
    average_precision,
    average_precision_bounds,
    mean_average_precision,
)
from mlcnc.metrics.class_statistics import ClassStatistics, ClassStatisticsAccumulator
from mlcnc.metrics.geometry import AngleSummary, angle_summary, gram_distance, pairwise_angles
from mlcnc.metrics.measurement import measure_split, space_metrics
from mlcnc.metrics.variability import nc1_per_class, nc1_trace

__all__ = [
    "AngleSummary",
    "ClassStatistics",
    "ClassStatisticsAccumulator",
    "angle_summary",
    "average_precision",
    "average_precision_bounds",
    "gram_distance",
    "mean_average_precision",
    "measure_split",
    "nc1_per_class",
    "nc1_trace",
    "pairwise_angles",
    "space_metrics",
]
