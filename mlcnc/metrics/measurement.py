"""What one measurement of a split puts into a run: scalars and arrays under their final names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.alignment import Alignment
from mlcnc.metrics.average_precision import average_precision, global_map, mean_average_precision
from mlcnc.metrics.class_statistics import ClassStatistics, ClassStatisticsAccumulator
from mlcnc.metrics.concatenated import concatenated_duality
from mlcnc.metrics.decisions import f1_scores
from mlcnc.metrics.geometry import centred_class_means
from mlcnc.metrics.namespace import Array, check_finite, mean_of_defined, require_real, to_numpy
from mlcnc.metrics.self_duality import SelfDuality, contrast_cosines, row_cosines, self_duality
from mlcnc.metrics.summary import (
    SpaceFeatures,
    centred_or_none,
    second_pass_bytes,
    space_metrics,
    thorough_metrics,
)
from mlcnc.metrics.tag_average import tag_average


def measure_split(
    split: str,
    *,
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    scores: Array | None = None,
    logits: Array | None = None,
    spaces: Mapping[str, Array | ClassStatistics] | None = None,
    features: Mapping[str, SpaceFeatures] | None = None,
    thorough: bool = True,
    budget_bytes: int | None = None,
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return what a run stores for one split: scalars by metric name, arrays by array name.

    Args:
        split: ``train``, ``validation`` or ``test``.
        targets: (N, C), 1 where the image has the class.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        scores: (N, C) logits or probabilities to rank, or None.
        logits: (N, C), decided at 0 in the binary form of NC4; None takes ``scores``, decided at 0.5
            where all of them lie within [0, 1] and at 0 elsewhere.
        spaces: per feature space (``f``, ``mu``, ``z``) the features, class-wise (N, C, d) or image-wise
            (N, d), or their :class:`ClassStatistics`.
        features: per space what is needed a second time, where ``spaces`` holds statistics.
        thorough: also compute what needs the features a second time, and, of image-wise features where
            images have several labels, multi-label NC.
        budget_bytes: a space whose second pass would take more memory is measured without it; None is no
            bound. See :func:`~mlcnc.metrics.summary.second_pass_bytes`.

    Returns:
        ``(metrics, arrays)``, ready for ``RunWriter.log_epoch``.

    Raises:
        ValueError: shapes do not fit, scores, logits or features are not finite, or targets are not 0 or 1.
    """
    metrics: dict[str, float] = {}
    arrays: dict[str, NDArray[Any]] = {}
    require_real(targets, "targets")
    if logits is not None:
        require_real(logits, "logits")
        require_shape("logits", logits.shape, targets.shape, like="targets")
        check_finite(logits, "logits")
    if scores is not None:
        precisions = average_precision(scores, targets)
        arrays[f"{split}/ap"] = precisions
        metrics.update(_named(split, mean_average_precision(precisions, groups)))
        metrics[f"{split}/g_map"] = global_map(scores, targets)
        decided = f1_scores(_decided(logits, scores), targets)
        metrics.update(_named(split, {name: decided[name] for name in ("f1_micro", "f1_macro")}))
        arrays[f"{split}/scores"] = _storable_scores(to_numpy(scores))
    for space, content in (spaces or {}).items():
        prefix = f"{split}.{space}"
        kept = (features or {}).get(space)
        number = int(targets.shape[1])
        if isinstance(content, ClassStatistics):
            statistics = content
        else:
            require_real(content, f"spaces[{space!r}]")
            wanted = ("N", number, "d") if len(content.shape) == 3 else ("N", "d")
            require_shape(f"spaces[{space!r}]", content.shape, wanted)
            accumulator = ClassStatisticsAccumulator(number, content.shape[-1])
            accumulator.update(content, targets)
            statistics = accumulator.compute()
            kept = SpaceFeatures.of(content, targets) if thorough else None
        metrics.update(space_metrics(prefix, statistics, groups))
        arrays.update(statistics_arrays(prefix, statistics))
        if not thorough or kept is None:
            continue
        needed = second_pass_bytes(kept.rows.shape[0], *statistics.class_means.shape)
        if budget_bytes is not None and needed > budget_bytes:
            continue
        values, parts = thorough_metrics(prefix, statistics, kept, logits=_decided(logits, scores))
        metrics.update(values)
        arrays.update(parts)
        if kept.image_wise and (to_numpy(kept.multiplicity) > 1).any():
            metrics.update(tag_metrics(prefix, kept.rows, kept.labels))
    return metrics, arrays


def statistics_arrays(prefix: str, statistics: ClassStatistics) -> dict[str, NDArray[Any]]:
    """Return the arrays from which :func:`space_metrics` can be recomputed."""
    arrays: dict[str, NDArray[Any]] = {
        f"{prefix}/class_means": statistics.class_means.astype(np.float32),
        f"{prefix}/class_counts": statistics.class_counts,
        f"{prefix}/within_scatter": statistics.within_scatter,
    }
    if statistics.negative_means is not None:
        arrays[f"{prefix}/negative_means"] = statistics.negative_means.astype(np.float32)
        if statistics.negative_scatter is not None:
            arrays[f"{prefix}/negative_scatter"] = statistics.negative_scatter
        arrays[f"{prefix}/num_images"] = np.array(statistics.num_images, dtype=np.int64)
    return arrays


def alignment_metrics(
    prefix: str, alignment: Alignment, groups: Mapping[str, Sequence[int]]
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return the mean cosines with label embeddings, classes weighed alike, and those of every class.

    Args:
        prefix: split and space.
        alignment: of that split and space.
        groups: class indices of ``head``, ``medium`` and ``tail``.

    Returns:
        ``(metrics, arrays)``; the array ``alignment`` is (4, C): positives with their own label embedding and
        with the others, then images without the class.
    """
    values = {
        "alignment_positive": alignment.positive_own,
        "alignment_positive_others": alignment.positive_others,
        "alignment_negative": alignment.negative_own,
        "alignment_negative_others": alignment.negative_others,
    }
    values |= {f"alignment_{group}": alignment.positive_own[list(rows)] for group, rows in groups.items()}
    metrics = {f"{prefix}/{name}": mean_of_defined(value) for name, value in values.items()}
    return metrics, {f"{prefix}/alignment": alignment.stacked}


def duality_metrics(
    split: str,
    label_embedding: NDArray[Any],
    f: ClassStatistics,
    mu: ClassStatistics,
    *,
    class_means_used: NDArray[Any] | None = None,
) -> dict[str, float]:
    """Return the duality of f with the label embedding, and the staleness of the class means used.

    Args:
        split: the split measured.
        label_embedding: (C, d).
        f, mu: statistics of either space on the split.
        class_means_used: (C, p) of the calibration loss, zero rows for classes not seen yet; or None.
    """
    metrics: dict[str, float] = {}
    for centring in ("none", "class"):
        centred = centred_or_none(f, centring)
        if centred is not None and centred.shape == label_embedding.shape:
            cosines = row_cosines(label_embedding, np.nan_to_num(centred))
            cosines = np.where(f.present, cosines, np.nan)
            metrics[f"{split}.f/nc3_label_embedding_{centring}"] = mean_of_defined(cosines)
    if class_means_used is not None and class_means_used.shape == mu.class_means.shape:
        stale = row_cosines(class_means_used, np.nan_to_num(mu.class_means))
        metrics[f"{split}.mu/class_means_used_cosine"] = mean_of_defined(stale)
        defined = stale[~np.isnan(stale)]
        metrics[f"{split}.mu/class_means_used_cosine_min"] = (
            float(defined.min()) if len(defined) else float("nan")
        )
    return metrics


def classifier_metrics(
    split: str,
    space: str,
    classifier_weight: Array,
    statistics: ClassStatistics,
    *,
    softmax: bool = False,
) -> dict[str, float]:
    """Return NC3 of a linear classifier over an image-wise space, as ``<split>.<space>/nc3_...``.

    Args:
        split: the split measured.
        space: whose features the classifier reads, e.g. ``z``.
        classifier_weight: (C, d).
        statistics: of that space on the split, with negative means.
        softmax: over the classes of single-label images, which does not see a shift that all rows share, so
            that the mean row is subtracted; one sigmoid a class sees it.

    Returns:
        ``nc3_cosine``, ``nc3_frobenius_squared``, ``nc3_etf_distance`` and, of sigmoids,
        ``nc3_contrast_cosine``.
    """
    centred = centred_class_means(statistics.class_means, "class")
    values = _self_duality_values(self_duality(classifier_weight, centred, centre_weight=softmax))
    if not softmax:
        values["nc3_contrast_cosine"] = mean_of_defined(contrast_cosines(classifier_weight, statistics))
    return _named(f"{split}.{space}", values)


def concatenated_metrics(
    split: str, classifier_weight: Array, concat: ClassStatistics, mu: ClassStatistics
) -> dict[str, float]:
    """Return NC3 of the classifier over concatenated features.

    Args:
        split: the split measured.
        classifier_weight: (C, C*p).
        concat: statistics of the image-wise space of that name on the split.
        mu: of the projected features.
    """
    dual = concatenated_duality(classifier_weight, concat, mu)
    share = dual.own_logit_gap_share
    values = {
        "nc3_contrast_cosine": dual.contrast_cosine_mean,
        "nc3_independent_ceiling": mean_of_defined(dual.independent_ceiling),
        "nc3_own_block_cosine": dual.own_block_cosine_mean,
        "nc3_own_block_energy": dual.own_block_energy_mean,
        "nc3_own_logit_gap_share": float(np.nanmedian(share)) if np.isfinite(share).any() else float("nan"),
    }
    return _named(f"{split}.mu", values) | _named(f"{split}.concat", _self_duality_values(dual.concat))


def tag_metrics(prefix: str, image_features: Array, targets: Array) -> dict[str, float]:
    """Return multi-label NC of image-wise features with its coverage, as ``<prefix>/ncm_...``."""
    found = tag_average(image_features, targets)
    values = {
        "ncm_ratio": found.ratio,
        "ncm_residual": found.residual,
        "ncm_pairs": float(len(found.pairs)),
        "ncm_coverage": found.num_usable_sets / found.num_tag_sets if found.num_tag_sets else float("nan"),
    }
    return _named(prefix, values)


def _self_duality_values(dual: SelfDuality) -> dict[str, float]:
    return {
        "nc3_cosine": dual.cosine_mean,
        "nc3_frobenius_squared": dual.frobenius_squared,
        "nc3_etf_distance": dual.etf_distance,
    }


def _named(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _decided(logits: Array | None, scores: Array | None) -> Array | None:
    if logits is not None or scores is None:
        return logits
    values = to_numpy(scores)
    # probabilities are decided at one half, not at 0
    return scores - 0.5 if values.size and values.min() >= 0 and values.max() <= 1 else scores


def _storable_scores(scores: NDArray[Any]) -> NDArray[np.float16]:
    # float16 ends at 65504: beyond it every score would tie at infinity
    stored: NDArray[np.float16] = np.clip(scores, -60000.0, 60000.0).astype(np.float16)
    return stored
