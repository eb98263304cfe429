"""What one measurement of a split puts into a run: scalars and arrays under their final names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.average_precision import average_precision, mean_average_precision
from mlcnc.metrics.class_statistics import Array, ClassStatistics, ClassStatisticsAccumulator
from mlcnc.metrics.geometry import CENTRINGS, angle_summary, gram_distance, pairwise_angles
from mlcnc.metrics.variability import nc1_per_class, nc1_trace


def measure_split(
    split: str,
    *,
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    scores: Array | None = None,
    spaces: Mapping[str, Array | ClassStatistics] | None = None,
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return what a run stores for one split: scalars by metric name, arrays by array name.

    Args:
        split: ``train``, ``validation`` or ``test``.
        targets: (N, C), 1 where the image has the class.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        scores: (N, C) logits or probabilities, or None.
        spaces: per feature space (``f``, ``mu``) the class-wise features (N, C, d) or their
            :class:`ClassStatistics`.

    Returns:
        ``(metrics, arrays)``, ready for ``RunWriter.log_epoch``.

    Raises:
        ValueError: shapes do not fit or scores are not finite.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, NDArray[Any]] = {}
    if scores is not None:
        precisions = average_precision(scores, targets)
        arrays[f"{split}/ap"] = precisions
        arrays[f"{split}/scores"] = _storable_scores(np.asarray(scores))
        for name, value in mean_average_precision(precisions, groups).items():
            metrics[f"{split}/{name}"] = value
    for space, content in (spaces or {}).items():
        if isinstance(content, ClassStatistics):
            statistics = content
        else:
            accumulator = ClassStatisticsAccumulator(content.shape[1], content.shape[2])
            accumulator.update(content, targets)
            statistics = accumulator.compute()
        metrics.update(space_metrics(f"{split}.{space}", statistics, groups))
        arrays[f"{split}.{space}/class_means"] = statistics.class_means.astype(np.float32)
        arrays[f"{split}.{space}/class_counts"] = statistics.class_counts
        arrays[f"{split}.{space}/within_scatter"] = statistics.within_scatter
    return metrics, arrays


def space_metrics(
    prefix: str, statistics: ClassStatistics, groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Return NC1 (trace, per group) and NC2 (angles by centring, Gram distance) of one space.

    Args:
        prefix: split and space, e.g. ``test.mu``; each name is ``<prefix>/<metric>``.
        statistics: of that split and space.
        groups: class indices of ``head``, ``medium`` and ``tail``.
    """
    means, variances = statistics.class_means, statistics.variances
    values = {"nc1_trace": nc1_trace(means, variances), "nc2_gram": gram_distance(means)}
    per_class = nc1_per_class(means, variances)
    for group, indices in groups.items():
        members = per_class[list(indices)]
        defined = members[~np.isnan(members)]
        values[f"nc1_{group}"] = float(defined.mean()) if len(defined) else float("nan")
    for centring in CENTRINGS:
        summary = angle_summary(pairwise_angles(means, centring=centring))
        values[f"angle_mean_{centring}"] = summary.mean
        values[f"angle_min_{centring}"] = summary.minimum
        values[f"angle_std_{centring}"] = summary.std
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _storable_scores(scores: NDArray[Any]) -> NDArray[np.float16]:
    # float16 ends at 65504: beyond it every score would tie at infinity
    stored: NDArray[np.float16] = np.clip(scores, -60000.0, 60000.0).astype(np.float16)
    return stored
