"""Recomputing what a run stored from what else it stored."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mlcnc.errors import RunFormatError
from mlcnc.metrics import ClassStatistics, average_precision_bounds, mean_average_precision, space_metrics
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
    """Recompute average precision from scores, NC1 and angles from class statistics, and class means from
    sampled features where all positives of a class were sampled.

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
            statistics = ClassStatistics(
                arrays.get(f"{prefix}/class_means").astype(np.float64),
                arrays.get(f"{prefix}/class_counts"),
                arrays.get(f"{prefix}/within_scatter"),
            )
            for name, value in space_metrics(prefix, statistics, run.info.groups).items():
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
                title = f"epoch {epoch + 1}, class mean of {name} in {split}.{space} (relative gap)"
                report.compare(title, 0.0, gap / size)
