"""Recomputing what a run stored from what else it stored."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.statistics import stored_concatenation, stored_statistics
from mlcnc.errors import RunFormatError
from mlcnc.metrics import (
    NearestClassAccumulator,
    average_precision_bounds,
    between_directions,
    mean_average_precision,
    space_metrics,
)
from mlcnc.metrics.measurement import concatenated_metrics, duality_metrics
from mlcnc.metrics.namespace import mean_of_defined
from mlcnc.metrics.summary import projected_metrics
from mlcnc.store import ArrayFile, Run

RELATIVE = 2e-3
ABSOLUTE = 2e-3
"""Class means are stored in float32 and sampled features of f in float16; angles are in degrees."""


@dataclass
class VerificationReport:
    """How many values were recomputed, and a sentence for each that differs."""

    num_checks: int = 0
    problems: list[str] = field(default_factory=list)

    def compare(self, name: str, stored: float, computed: float) -> None:
        """Count one value and note it where it differs beyond storage precision."""
        self.num_checks += 1
        both_undefined = math.isnan(stored) and math.isnan(computed)
        if not both_undefined and not math.isclose(stored, computed, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            self.problems.append(f"{name}: stored {stored:.6g}, recomputed {computed:.6g}")

    def between(self, name: str, stored: float, low: float, high: float) -> None:
        """Count one value and note it where it lies outside what rounding of scores allows."""
        self.num_checks += 1
        if math.isnan(stored) and math.isnan(low):
            return
        if not low - 1e-9 <= stored <= high + 1e-9:
            self.problems.append(f"{name}: stored {stored:.6g}, possible {low:.6g} to {high:.6g}")


def verify_run(run: Run) -> VerificationReport:
    """Recompute what a run logged from what it stored.

    Average precision from scores; NC1, CDNV, angles and minority collapse from class statistics; NC1 by
    pseudo-inverse from the projected variances, whose directions are checked against the class means; NC3
    from classifier, label embedding and means; class means and NC4 from sampled features where all
    positives of a class were sampled. The label-shuffle baseline of NC1 by pseudo-inverse, directional
    CDNV and multi-label NC hang on features that are not stored and are not checked.

    Average precision is checked exactly although scores are stored in float16: rounding keeps their
    order but for ties, so the value must lie between the worst and the best order of tied scores.
    """
    report = VerificationReport()
    report.problems.extend(run.warnings)
    lines = {int(line["epoch"]): line for line in run.metrics()}
    for epoch in run.array_epochs():
        if epoch not in lines:
            continue
        try:
            arrays = run.arrays(epoch)
            _verify_scores(run, epoch, arrays, lines[epoch], report)
            _verify_spaces(run, epoch, arrays, lines[epoch], report)
            _verify_samples(run, epoch, arrays, report)
        except RunFormatError as error:
            if str(error) not in report.problems:
                report.problems.append(str(error))
    return report


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
            if f"{split}/{name}" in line:
                label = f"epoch {epoch + 1}, {split}/{name}"
                report.between(label, line[f"{split}/{name}"], lowest[name], highest[name])


def _verify_spaces(
    run: Run, epoch: int, arrays: ArrayFile, line: dict[str, float], report: VerificationReport
) -> None:
    for split in ("train", "test"):
        for space in ("f", "mu"):
            prefix = f"{split}.{space}"
            if f"{prefix}/class_means" not in arrays:
                continue
            statistics = stored_statistics(arrays, prefix)
            if statistics is None:
                continue
            values = space_metrics(prefix, statistics, run.info.groups)
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
                    stored = arrays.get(f"{prefix}/{array}")
                    values[f"{prefix}/{metric}"] = mean_of_defined(
                        stored.mean(axis=0) if stored.ndim == 2 else stored
                    )
            for name, value in values.items():
                if name in line:
                    report.compare(f"epoch {epoch + 1}, {name}", line[name], value)
        _verify_duality(split, epoch, arrays, line, report)


def _verify_duality(
    split: str, epoch: int, arrays: ArrayFile, line: dict[str, float], report: VerificationReport
) -> None:
    f, mu = (stored_statistics(arrays, f"{split}.{space}") for space in ("f", "mu"))
    if f is None or mu is None:
        return
    values: dict[str, float] = {}
    if "label_embedding/weight" in arrays:
        used = arrays.get("class_means_used") if "class_means_used" in arrays and split == "train" else None
        embedding = arrays.get("label_embedding/weight")
        values |= duality_metrics(split, embedding, f, mu, class_means_used=used)
    joined = stored_concatenation(arrays, split)
    if joined is not None and "classifier/weight" in arrays:
        values |= concatenated_metrics(split, arrays.get("classifier/weight"), joined, mu)
    for name, value in values.items():
        if name in line:
            report.compare(f"epoch {epoch + 1}, {name}", line[name], value)


def _verify_samples(run: Run, epoch: int, arrays: ArrayFile, report: VerificationReport) -> None:
    samples = run.samples()
    if samples is None or "samples/class_index" not in samples:
        return
    classes, splits = samples.get("samples/class_index"), samples.get("samples/split")
    for code, split in enumerate(("train", "test")):
        for space in ("f", "mu"):
            if f"samples/{space}" not in arrays or f"{split}.{space}/class_means" not in arrays:
                continue
            features = arrays.get(f"samples/{space}").astype(np.float64)
            means = arrays.get(f"{split}.{space}/class_means").astype(np.float64)
            counts = arrays.get(f"{split}.{space}/class_counts")
            for label, name in enumerate(run.info.class_names):
                rows = features[(classes == label) & (splits == code)]
                if counts[label] == 0 or len(rows) != counts[label]:
                    continue
                gap = float(np.linalg.norm(rows.mean(axis=0) - means[label]))
                size = max(float(np.linalg.norm(means[label])), 1e-6)
                if f"{split}.{space}/nc4_identity" in arrays:
                    _verify_nearest(rows, label, f"{split}.{space}", name, epoch, arrays, report)
                title = f"epoch {epoch + 1}, class mean of {name} in {split}.{space} (relative gap)"
                report.compare(title, 0.0, gap / size)


def _verify_nearest(
    rows: NDArray[np.float64],
    label: int,
    prefix: str,
    name: str,
    epoch: int,
    arrays: ArrayFile,
    report: VerificationReport,
) -> None:
    statistics = stored_statistics(arrays, prefix)
    if statistics is None:
        return
    nearest = NearestClassAccumulator(statistics)
    nearest.update_rows(rows, np.full(len(rows), label))
    found = float(nearest.compute().identity_per_class[label])
    stored = float(arrays.get(f"{prefix}/nc4_identity")[label])
    # features were rounded for storage: one row in the class may change sides
    slack = 1.0 / len(rows) + 1e-9
    title = f"epoch {epoch + 1}, NC4 of {name} in {prefix}"
    report.between(title, stored, found - slack, found + slack)
