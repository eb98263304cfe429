"""Recomputing what a run stored from what else it stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.images.pictures import SPLITS
from mlcnc.analysis.runs.statistics import stored_concatenation, stored_statistics
from mlcnc.analysis.verification.ranking_bounds import probability_bounds, ranking_bounds
from mlcnc.analysis.verification.report import VerificationReport
from mlcnc.errors import RunFormatError
from mlcnc.metrics import (
    Alignment,
    ClassStatistics,
    NearestClassAccumulator,
    average_precision_bounds,
    between_directions,
    gram_distance,
    mean_average_precision,
    minority_collapse,
    space_metrics,
)
from mlcnc.metrics.measurement import (
    alignment_metrics,
    classifier_metrics,
    concatenated_metrics,
    duality_metrics,
)
from mlcnc.metrics.namespace import mean_of_defined
from mlcnc.metrics.summary import projected_metrics
from mlcnc.store import ArrayFile, Run

ROUNDED = 1e-4
"""Relative tolerance where class means enter, which are stored in float32, or in float16 among small arrays."""

MOST_ROUNDINGS = 20.0
"""A value that hangs on small differences of large class means may be off by so many times what another
rounding of the stored means, of three that are tried, does to it."""

SAMPLED = 2e-3
"""Of the relative gap of means of sampled features, which are stored in float16 where they are wide."""

Spaces = Mapping[str, ClassStatistics]


def verify_run(run: Run) -> VerificationReport:
    """Recompute what a run logged from what it stored.

    Average precision from scores; of every space NC1, CDNV, angles and minority collapse from class statistics
    and NC1 by pseudo-inverse from the projected variances, whose directions are checked against the class
    means; NC3 from classifier, label embedding and means; class means and NC4 from sampled features where all
    positives of a class were sampled. What hangs on features that are not stored is named as unchecked.

    Average precision is checked exactly although scores are stored in float16: rounding keeps their
    order but for ties, so the value must lie between the worst and the best order of tied scores.
    """
    report = VerificationReport()
    report.problems.extend(run.warnings)
    lines = {int(line["epoch"]): line for line in run.metrics()}
    report.num_epochs = len(lines)
    for epoch in run.array_epochs():
        if epoch not in lines:
            continue
        report.begin_epoch()
        try:
            arrays = run.arrays(epoch)
            _verify_scores(run, epoch, arrays, lines[epoch], report)
            for split in ("train", "test"):
                found = {space.name: _statistics(arrays, split, space.name) for space in run.spaces}
                spaces = {name: statistics for name, statistics in found.items() if statistics is not None}
                _verify_spaces(run, epoch, arrays, lines[epoch], split, spaces, report)
                _verify_duality(run, epoch, arrays, lines[epoch], split, spaces, report)
                _verify_samples(run, epoch, arrays, split, spaces, report)
            _verify_frames(run, epoch, arrays, lines[epoch], report)
        except RunFormatError as error:
            if str(error) not in report.problems:
                report.problems.append(str(error))
        report.leave_out(lines[epoch])
    return report


def _statistics(arrays: ArrayFile, split: str, space: str) -> ClassStatistics | None:
    if space == "concat":
        return stored_concatenation(arrays, split)
    return stored_statistics(arrays, f"{split}.{space}")


def _verify_scores(
    run: Run, epoch: int, arrays: ArrayFile, line: dict[str, float], report: VerificationReport
) -> None:
    samples = run.samples()
    for split in ("validation", "test"):
        if f"{split}/ap" in arrays:
            means = mean_average_precision(arrays.get(f"{split}/ap"), run.info.groups)
            report.compare_line(epoch, line, {f"{split}/{name}": value for name, value in means.items()})
        if f"{split}/scores" not in arrays or samples is None or f"{split}/targets" not in samples:
            continue
        scores, targets = arrays.get(f"{split}/scores"), samples.get(f"{split}/targets")
        if f"{split}/ap" in arrays:
            bounds = zip(arrays.get(f"{split}/ap"), *average_precision_bounds(scores, targets), strict=True)
            for index, (stored, low, high) in enumerate(bounds):
                name = f"epoch {epoch + 1}, {split} AP of {run.info.class_names[index]}"
                report.between(name, float(stored), (float(low), float(high)))
        decided = probability_bounds(scores, targets)
        for name, possible in ranking_bounds(scores, targets, run.info.groups).items():
            metric = f"{split}/{name}"
            if metric in line:
                others = [decided[name]] if name in decided else []
                report.between(f"epoch {epoch + 1}, {metric}", line[metric], possible, *others, metric=metric)


def _verify_spaces(
    run: Run,
    epoch: int,
    arrays: ArrayFile,
    line: Mapping[str, float],
    split: str,
    spaces: Spaces,
    report: VerificationReport,
) -> None:
    for space, statistics in spaces.items():
        prefix = f"{split}.{space}"

        def recompute(found: Spaces, space: str = space) -> dict[str, float]:
            values = space_metrics(f"{split}.{space}", found[space], run.info.groups)
            if found[space].negative_scatter is not None:
                return values
            # without the images that lack a class, what hangs on them is not checked
            lacking = (
                "/nc1_trace_negatives",
                "/nc1_trace_query_only",
                *(("_all",) if found[space].overall_mean is None else ()),
            )
            return {name: value for name, value in values.items() if not name.endswith(lacking)}

        _compare_rounded(report, epoch, line, {space: statistics}, recompute)
        report.compare_line(epoch, line, _second_pass(prefix, arrays, statistics, run.info.groups))
        if f"{prefix}/singular_values" not in arrays:
            continue
        once, twice = (
            between_directions(part).singular_values for part in (statistics, _rounded_otherwise(statistics))
        )
        for index, stored in enumerate(arrays.get(f"{prefix}/singular_values")[: min(len(once), len(twice))]):
            title = f"epoch {epoch + 1}, {prefix} singular value {index + 1} of the class means"
            slack = MOST_ROUNDINGS * abs(float(twice[index] - once[index]))
            report.compare(title, float(stored), float(once[index]), slack, ROUNDED)


def _second_pass(
    prefix: str, arrays: ArrayFile, statistics: ClassStatistics, groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Return what needed single features, from the values of each class."""
    stored = {name: arrays.get(f"{prefix}/{name}") for name in _OF_CLASSES if f"{prefix}/{name}" in arrays}
    counts = statistics.class_counts
    values: dict[str, float] = {}
    if "multiplicity_share" in stored:
        values["multiplicity_share"] = mean_of_defined(stored["multiplicity_share"])
    if "nc4_identity" in stored:
        values["nc4_identity"] = _weighted(stored["nc4_identity"], counts)
        values["nc4_identity_macro"] = mean_of_defined(stored["nc4_identity"])
    if "nc4_binary" in stored and statistics.num_images is not None:
        positive, negative = stored["nc4_binary"]
        values["nc4_binary_positive"] = _weighted(positive, counts)
        values["nc4_binary_negative"] = _weighted(negative, statistics.num_images - counts)
        values["nc4_binary_balanced"] = (values["nc4_binary_positive"] + values["nc4_binary_negative"]) / 2
        values["nc4_binary_macro"] = mean_of_defined((positive + negative) / 2)
    if "alignment" in stored:
        found = alignment_metrics(prefix, Alignment(*stored["alignment"].astype(np.float64)), groups)[0]
        values |= {name.rpartition("/")[2]: value for name, value in found.items()}
    named = {f"{prefix}/{name}": value for name, value in values.items()}
    if "projected_variances" in stored and "singular_values" in stored:
        named |= projected_metrics(prefix, stored["projected_variances"], stored["singular_values"], counts)
    return named


_OF_CLASSES = (
    "singular_values",
    "projected_variances",
    "multiplicity_share",
    "nc4_identity",
    "nc4_binary",
    "alignment",
)


def _weighted(shares: NDArray[Any], weights: NDArray[Any]) -> float:
    """Return the mean of the defined shares of classes, each weighed by what it is a share of."""
    weights = np.where(np.isnan(shares), 0, weights)
    return float(np.nansum(shares * weights) / weights.sum()) if weights.sum() else math.nan


def _compare_rounded(
    report: VerificationReport,
    epoch: int,
    line: Mapping[str, float],
    spaces: Spaces,
    recompute: Callable[[Spaces], dict[str, float]],
) -> None:
    """Compare what hangs on class means with what was logged, allowing for their rounding."""
    values = recompute(spaces)
    others = [
        recompute({name: _rounded_otherwise(statistics, draw) for name, statistics in spaces.items()})
        for draw in range(3)
    ]
    slack = {
        name: MOST_ROUNDINGS * max(abs(other[name] - value) for other in others)
        for name, value in values.items()
    }
    report.compare_line(epoch, line, values, slack, ROUNDED)


def _rounded_otherwise(statistics: ClassStatistics, draw: int = 0) -> ClassStatistics:
    """Return the statistics as if every mean had been rounded to another float32, or float16 if it is one."""
    means = statistics.class_means
    with np.errstate(over="ignore"):
        is_half = np.array_equal(means, means.astype(np.float16), equal_nan=True)
    signs = np.random.default_rng(draw).choice([-1.0, 1.0], (2, *means.shape)) * 2.0 ** (
        -11 if is_half else -24
    )
    negative = statistics.negative_means
    return replace(
        statistics,
        class_means=means * (1.0 + signs[0]),
        negative_means=None if negative is None else negative * (1.0 + signs[1]),
    )


def _verify_duality(
    run: Run,
    epoch: int,
    arrays: ArrayFile,
    line: Mapping[str, float],
    split: str,
    spaces: Spaces,
    report: VerificationReport,
) -> None:
    stored = {
        name: arrays.get(name)
        for name in ("label_embedding/weight", "class_means_used", "classifier/weight")
        if name in arrays
    }

    def recompute(spaces: Spaces) -> dict[str, float]:
        values: dict[str, float] = {}
        f, mu, concat = (spaces.get(name) for name in ("f", "mu", "concat"))
        embedding, weight = stored.get("label_embedding/weight"), stored.get("classifier/weight")
        if embedding is not None and f is not None and mu is not None:
            used = stored.get("class_means_used") if split == "train" else None
            values |= duality_metrics(split, embedding, f, mu, class_means_used=used)
        if weight is None:
            return values
        for space in run.spaces:
            statistics = spaces.get(space.name)
            if (
                space.kind == "image"
                and statistics is not None
                and statistics.class_means.shape == weight.shape
            ):
                values |= classifier_metrics(split, space.name, weight, statistics)
        if concat is not None and mu is not None and weight.shape == concat.class_means.shape:
            number, dim = mu.class_means.shape
            if weight.shape == (number, number * dim):
                values |= concatenated_metrics(split, weight, concat, mu)
        return values

    _compare_rounded(report, epoch, line, spaces, recompute)


def _verify_frames(
    run: Run, epoch: int, arrays: ArrayFile, line: Mapping[str, float], report: VerificationReport
) -> None:
    values: dict[str, float] = {}
    if "classifier/weight" in arrays:
        weight = arrays.get("classifier/weight")
        values["classifier/etf_drift"] = gram_distance(weight, centring="none")
        for group, members in run.info.groups.items():
            found = minority_collapse(weight, members)
            values[f"classifier/angle_mean_{group}"] = found.angle_mean
            values[f"classifier/angle_min_{group}"] = found.angle_min
    if "label_embedding/drift_cosine" in arrays:
        values["label_embedding/drift_cosine"] = float(arrays.get("label_embedding/drift_cosine").mean())
    report.compare_line(epoch, line, values)
    for name in ("classifier", "label_embedding"):
        if f"{name}/weight" in arrays and f"{name}/gram" in arrays:
            weight, gram = (arrays.get(f"{name}/{part}").astype(np.float64) for part in ("weight", "gram"))
            gap = float(np.abs(gram - weight @ weight.T).max() / max(np.abs(gram).max(), 1e-30))
            report.compare(f"epoch {epoch + 1}, Gram matrix of {name} (relative gap)", 0.0, gap, ROUNDED)


def _verify_samples(
    run: Run,
    epoch: int,
    arrays: ArrayFile,
    split: str,
    spaces: Mapping[str, ClassStatistics],
    report: VerificationReport,
) -> None:
    samples = run.samples()
    if samples is None or "samples/class_index" not in samples:
        return
    classes = samples.get("samples/class_index")
    here = samples.get("samples/split") == SPLITS.index(split)
    for space, statistics in spaces.items():
        if f"samples/{space}" not in arrays:
            continue
        prefix = f"{split}.{space}"
        features = arrays.get(f"samples/{space}").astype(np.float64)
        for label, name in enumerate(run.info.class_names):
            rows = features[(classes == label) & here]
            count, mean = statistics.class_counts[label], statistics.class_means[label]
            if count == 0 or len(rows) != count:
                continue
            gap = float(np.linalg.norm(rows.mean(axis=0) - mean)) / max(float(np.linalg.norm(mean)), 1e-6)
            if f"{prefix}/nc4_identity" in arrays:
                nearest = NearestClassAccumulator(statistics)
                nearest.update_rows(rows, np.full(len(rows), label))
                found = float(nearest.compute().identity_per_class[label])
                stored = float(arrays.get(f"{prefix}/nc4_identity")[label])
                # features were rounded for storage: one row in the class may change sides
                slack = 1.0 / len(rows) + 1e-9
                title = f"epoch {epoch + 1}, NC4 of {name} in {prefix}"
                report.between(title, stored, (found - slack, found + slack))
            title = f"epoch {epoch + 1}, class mean of {name} in {prefix} (relative gap)"
            report.compare(title, 0.0, gap, SAMPLED)
