"""Confidence intervals of mAP by resampling images, for one run or for the difference of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape
from mlcnc.metrics.average_precision import _checked, average_precision, mean_average_precision
from mlcnc.metrics.namespace import Array, require_real

CHUNK = 250
"""Resamples handled at a time: an (N, 250) table of weights is 10 MB at 5,000 images."""


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval, in percent or percentage points.

    Attributes:
        value: on all images.
        low, high: of the shifted resamples at the confidence.
        confidence: e.g. 0.95.
        num_resamples: resamples in which the value was defined.
        share_above_zero: share of the shifted resamples above 0; of interest for differences.
    """

    value: float
    low: float
    high: float
    confidence: float
    num_resamples: int
    share_above_zero: float


def bootstrap_map(
    scores: Array,
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    *,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    r"""Return confidence intervals of total and bucket mAP over images.

    Args:
        scores: (N, C).
        targets: (N, C), 0 or 1.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        num_resamples: R.
        confidence: of the percentile interval, between 0 and 1.
        seed: of the resamples.

    Returns:
        ``map_total`` and ``map_<group>``; NaN where no class of the group has a positive.

    Raises:
        ValueError: shapes differ, a score is not finite, a target is not 0 or 1, or ``num_resamples``
            or ``confidence`` is out of range.

    Formula: $\widehat{mAP} + $ percentiles of $mAP^*_r - \overline{mAP^*}$ over R draws of N images with
        replacement.
    Range: [0, 100] percent.
    Convention: images are drawn, not image-label pairs, since the labels of one image are dependent. A
        class without a positive in a draw is left out of that draw's mean. Draws are shifted to the
        value: an image drawn twice ties with itself, which raises every draw's average precision and
        would put the value itself outside the plain percentiles. It covers the choice of test
        images, not the seed of the training.
    Source: Efron (1979); percentiles of the draws' deviations from their mean.
    """
    drawn, value = _resampled([scores], targets, groups, num_resamples, confidence, seed)
    return {name: _interval(value[0][name], rows[0], confidence) for name, rows in drawn.items()}


def bootstrap_difference(
    first_scores: Array,
    second_scores: Array,
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    *,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    r"""Return confidence intervals of the mAP of the first run minus that of the second, paired.

    Args:
        first_scores, second_scores: (N, C) of the same images in the same order.
        targets, groups, num_resamples, confidence, seed: as in :func:`bootstrap_map`.

    Returns:
        ``map_total`` and ``map_<group>`` in percentage points.

    Raises:
        ValueError: as :func:`bootstrap_map`, or the scores differ in shape.

    Formula: the difference plus percentiles of the draws' deviations, both runs on the same draw.
    Range: [-100, 100] percentage points; an interval without 0 is evidence for these test images.
    Convention: paired: each draw serves both runs; shifted as in :func:`bootstrap_map`. Not a
        statement about other training seeds.
    Source: Efron (1979); paired bootstrap.
    """
    require_real(first_scores, "first_scores")
    require_real(second_scores, "second_scores")
    require_shape("second_scores", second_scores.shape, first_scores.shape, like="first_scores")
    pair = [first_scores, second_scores]
    drawn, value = _resampled(pair, targets, groups, num_resamples, confidence, seed)
    return {
        name: _interval(value[0][name] - value[1][name], rows[0] - rows[1], confidence)
        for name, rows in drawn.items()
    }


def bootstrap_mean_differences(
    scores: Mapping[str, Sequence[Array]],
    reference: str,
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    *,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    r"""Return confidence intervals of the mean mAP of several runs minus that of the reference's, paired.

    Args:
        scores: by name, the (N, C) scores of one or more runs of a method, e.g. of several seeds.
        reference: the name whose mean is subtracted.
        targets: (N, C), 0 or 1.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        num_resamples: R.
        confidence: of the percentile interval, between 0 and 1.
        seed: of the resamples.

    Returns:
        By name but the reference's, ``map_total`` and ``map_<group>`` in percentage points.

    Raises:
        ValueError: as :func:`bootstrap_map`, or there is no such reference.

    Formula: the difference of the means over runs plus percentiles of the draws' deviations, all runs on the
        same draw.
    Range: [-100, 100] percentage points; an interval without 0 is evidence for these test images.
    Convention: paired, and shifted as in :func:`bootstrap_map`. Runs are not resampled: it says nothing about
        other training seeds.
    Source: Efron (1979); paired bootstrap.
    """
    if reference not in scores:
        raise ValueError(f"reference must be one of {', '.join(scores)}, got {reference!r}")
    systems = [table for tables in scores.values() for table in tables]
    drawn, values = _resampled(systems, targets, groups, num_resamples, confidence, seed)
    rows, start = {}, 0
    for name, tables in scores.items():
        rows[name] = slice(start, start + len(tables))
        start += len(tables)
    found: dict[str, dict[str, Interval]] = {}
    for name in scores:
        if name == reference:
            continue
        found[name] = {}
        for metric, draws in drawn.items():
            ours, theirs = (float(np.mean([v[metric] for v in values[rows[of]]])) for of in (name, reference))
            deviations = draws[rows[name]].mean(axis=0) - draws[rows[reference]].mean(axis=0)
            found[name][metric] = _interval(ours - theirs, deviations, confidence)
    return found


def bootstrap_draws(
    scores: Array,
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Return total and bucket mAP of one run on each draw of images, in percent.

    Runs scored on as many images with one ``seed`` have the same draws, so that the difference of two is that
    of a paired bootstrap, and a run is scored once for all its pairs.

    Args:
        scores, targets, groups, num_resamples, seed: as in :func:`bootstrap_map`.

    Returns:
        ``map_total`` and ``map_<group>``, (R,) each; NaN where no class of the group has a positive.

    Raises:
        ValueError: as :func:`bootstrap_map`.
    """
    drawn, _ = _resampled([scores], targets, groups, num_resamples, 0.95, seed)
    return {name: rows[0] for name, rows in drawn.items()}


def _resampled(
    systems: list[Array],
    targets: Array,
    groups: Mapping[str, Sequence[int]],
    num_resamples: int,
    confidence: float,
    seed: int,
) -> tuple[dict[str, NDArray[np.float64]], list[dict[str, float]]]:
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, got {num_resamples}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    values = [mean_average_precision(average_precision(scores, targets), groups) for scores in systems]
    tables = []
    for scores in systems:
        table, positive = _checked(scores, targets)
        tables.append(table)
    number, num_classes = positive.shape
    rng = np.random.default_rng(seed)
    members = {"map_total": list(range(num_classes)), **{f"map_{k}": list(v) for k, v in groups.items()}}
    drawn = {name: np.full((len(systems), num_resamples), np.nan) for name in members}
    for start in range(0, num_resamples, CHUNK):
        size = min(CHUNK, num_resamples - start)
        # (N, R): how often each image is in each draw
        weights = rng.multinomial(number, np.full(number, 1.0 / number), size=size).T.astype(np.float32)
        for index, table in enumerate(tables):
            precisions = np.full((num_classes, size), np.nan)
            for label in range(num_classes):
                precisions[label] = _weighted_average_precision(table[:, label], positive[:, label], weights)
            for name, indices in members.items():
                part = precisions[indices]
                known = ~np.isnan(part)
                total = np.where(known, part, 0.0).sum(axis=0)
                count = known.sum(axis=0)
                mean = np.where(count > 0, 100.0 * total / np.maximum(count, 1), np.nan)
                drawn[name][index, start : start + size] = mean
    return drawn, values


def _weighted_average_precision(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (R,) average precision with each image counted as often as its (N, R) weight says."""
    if not positive.any():
        return np.full(weights.shape[1], np.nan)
    thresholds = np.unique(scores[positive])[::-1]  # falling; only these carry precision
    order = np.argsort(-scores, kind="stable")
    ends = np.searchsorted(-scores[order], -thresholds, side="right")  # (K,) images at or above each
    starts = np.concatenate([[0], ends[:-1]])
    # whole numbers below 2**24 are exact in float32
    above = np.cumsum(np.add.reduceat(weights[order], starts, axis=0)[: len(ends)], axis=0, dtype=np.float64)
    if ends[-1] < len(order):
        # reduceat sums its last block to the end of the table
        above[-1] -= weights[order[ends[-1] :]].sum(axis=0, dtype=np.float64)
    own = np.flatnonzero(positive)
    own = own[np.argsort(-scores[own], kind="stable")]
    first = np.searchsorted(-scores[own], -thresholds, side="left")
    gained = np.add.reduceat(weights[own], first, axis=0).astype(np.float64)  # (K, R) positives there
    hits = np.cumsum(gained, axis=0)
    precision = hits / np.where(above > 0, above, 1.0)
    total = hits[-1]
    result: NDArray[np.float64] = np.where(
        total > 0, (gained * precision).sum(axis=0) / np.where(total > 0, total, 1.0), np.nan
    )
    return result


def _interval(value: float, draws: NDArray[np.float64], confidence: float) -> Interval:
    known = draws[~np.isnan(draws)]
    if len(known) == 0 or np.isnan(value):
        nan = float("nan")
        return Interval(nan, nan, nan, confidence, 0, nan)
    known = known - known.mean() + value
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), confidence, len(known), float((known > 0).mean()))
