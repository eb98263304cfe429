"""Recomputing what a run stored from what else it stored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mlcnc.analysis.pictures import SPLITS
from mlcnc.analysis.statistics import stored_concatenation, stored_statistics
from mlcnc.errors import RunFormatError
from mlcnc.metrics import (
    ClassStatistics,
    NearestClassAccumulator,
    average_precision_bounds,
    between_directions,
    gram_distance,
    mean_average_precision,
    minority_collapse,
    space_metrics,
)
from mlcnc.metrics.catalogue import describe
from mlcnc.metrics.measurement import classifier_metrics, concatenated_metrics, duality_metrics
from mlcnc.metrics.namespace import mean_of_defined
from mlcnc.metrics.summary import projected_metrics
from mlcnc.store import ArrayFile, Run

RELATIVE = 2e-3
ABSOLUTE = 2e-3
"""Class means are stored in float32 and sampled features of f in float16; angles are in degrees."""


MOST_ROUNDINGS = 20.0
"""A value that hangs on small differences of large class means may be off by so many times what one other
rounding of the stored means does to it."""


@dataclass
class VerificationReport:
    """How many values were recomputed, a sentence for each that differs, and what was not recomputed.

    Attributes:
        unchecked: metrics that hang on what is not stored, by space, or by split where they have none.
    """

    num_checks: int = 0
    problems: list[str] = field(default_factory=list)
    unchecked: dict[str, list[str]] = field(default_factory=dict)
    _checked: set[str] = field(default_factory=set)
    _logged: set[str] = field(default_factory=set)

    def compare_line(
        self,
        epoch: int,
        line: Mapping[str, float],
        values: Mapping[str, float],
        slack: Mapping[str, float] | None = None,
    ) -> None:
        """Compare the metrics of one epoch that were both logged and recomputed.

        Args:
            epoch: from 0.
            line: as logged.
            values: as recomputed.
            slack: by metric, what rounding of the stored arrays may move it by.
        """
        for name in values.keys() & line.keys():
            self._checked.add(name)
            own = (slack or {}).get(name, 0.0)
            self.compare(f"epoch {epoch + 1}, {name}", line[name], values[name], own)

    def note_logged(self, names: Iterable[str]) -> None:
        """Note what an epoch logged."""
        self._logged.update(names)

    def leave_out(self) -> None:
        """Note the metrics that were logged and not recomputed."""
        for name in sorted(self._logged - self._checked):
            info = describe(name)
            if info is not None:
                place = self.unchecked.setdefault(info.space or name.partition("/")[0], [])
                place.extend([] if info.name in place else [info.name])

    def compare(self, name: str, stored: float, computed: float, slack: float = 0.0) -> None:
        """Count one value and note it where it differs beyond storage precision."""
        self.num_checks += 1
        allowed = ABSOLUTE + (slack if math.isfinite(slack) else 0.0)
        both_undefined = math.isnan(stored) and not math.isfinite(computed)  # a line holds no infinity
        if not both_undefined and not math.isclose(stored, computed, rel_tol=RELATIVE, abs_tol=allowed):
            self.problems.append(f"{name}: stored {stored:.6g}, recomputed {computed:.6g}")

    def between(self, name: str, stored: float, low: float, high: float, metric: str = "") -> None:
        """Count one value, of a logged metric or of none, and note it where it lies outside the bounds."""
        self.num_checks += 1
        self._checked.add(metric)
        if math.isnan(stored) and math.isnan(low):
            return
        if not low - 1e-9 <= stored <= high + 1e-9:
            self.problems.append(f"{name}: stored {stored:.6g}, possible {low:.6g} to {high:.6g}")


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
    for epoch in run.array_epochs():
        if epoch not in lines:
            continue
        report.note_logged(lines[epoch])
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
    report.leave_out()
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
        if f"{split}/scores" not in arrays or samples is None or f"{split}/targets" not in samples:
            continue
        targets = samples.get(f"{split}/targets")
        low, high = average_precision_bounds(arrays.get(f"{split}/scores"), targets)
        if f"{split}/ap" in arrays:
            for index, stored in enumerate(arrays.get(f"{split}/ap")):
                name = f"epoch {epoch + 1}, {split} AP of {run.info.class_names[index]}"
                report.between(name, float(stored), float(low[index]), float(high[index]))
        lowest = mean_average_precision(low, run.info.groups)
        highest = mean_average_precision(high, run.info.groups)
        for name in lowest:
            metric = f"{split}/{name}"
            if metric in line:
                report.between(
                    f"epoch {epoch + 1}, {metric}", line[metric], lowest[name], highest[name], metric
                )


def _verify_spaces(
    run: Run,
    epoch: int,
    arrays: ArrayFile,
    line: Mapping[str, float],
    split: str,
    spaces: Mapping[str, ClassStatistics],
    report: VerificationReport,
) -> None:
    for space, statistics in spaces.items():
        prefix = f"{split}.{space}"
        values = space_metrics(prefix, statistics, run.info.groups)
        nudged = space_metrics(prefix, _rounded_otherwise(statistics), run.info.groups)
        slack = {name: MOST_ROUNDINGS * abs(nudged[name] - value) for name, value in values.items()}
        if f"{prefix}/projected_variances" in arrays:
            singular = arrays.get(f"{prefix}/singular_values")
            spread = arrays.get(f"{prefix}/projected_variances")
            values |= projected_metrics(prefix, spread, singular, statistics.class_counts)
            recomputed = between_directions(statistics).singular_values
            for index, (stored, found) in enumerate(zip(singular, recomputed, strict=False)):
                title = f"epoch {epoch + 1}, {prefix} singular value {index + 1} of the class means"
                report.compare(title, float(stored), float(found))
        for metric, array in (
            ("nc4_identity_macro", "nc4_identity"),
            ("nc4_binary_macro", "nc4_binary"),
            ("multiplicity_share", "multiplicity_share"),
        ):
            if f"{prefix}/{array}" in arrays:
                part = arrays.get(f"{prefix}/{array}")
                values[f"{prefix}/{metric}"] = mean_of_defined(part.mean(axis=0) if part.ndim == 2 else part)
        report.compare_line(epoch, line, values, slack)


def _rounded_otherwise(statistics: ClassStatistics) -> ClassStatistics:
    """Return the statistics as if every class mean had been rounded to another float32."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], statistics.class_means.shape)
    return replace(statistics, class_means=statistics.class_means * (1.0 + signs * 2.0**-24))


def _verify_duality(
    run: Run,
    epoch: int,
    arrays: ArrayFile,
    line: Mapping[str, float],
    split: str,
    spaces: Mapping[str, ClassStatistics],
    report: VerificationReport,
) -> None:
    values: dict[str, float] = {}
    f, mu, concat = (spaces.get(name) for name in ("f", "mu", "concat"))
    if "label_embedding/weight" in arrays and f is not None and mu is not None:
        used = arrays.get("class_means_used") if "class_means_used" in arrays and split == "train" else None
        embedding = arrays.get("label_embedding/weight")
        values |= duality_metrics(split, embedding, f, mu, class_means_used=used)
    if "classifier/weight" in arrays:
        weight = arrays.get("classifier/weight")
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
    report.compare_line(epoch, line, values)


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
                report.between(title, stored, found - slack, found + slack)
            title = f"epoch {epoch + 1}, class mean of {name} in {prefix} (relative gap)"
            report.compare(title, 0.0, gap)
