"""Anyone's features: measure them, report, write a run that the dashboard opens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.user_files.feature_file import FeatureFile
from mlcnc.analysis.verdict import verdicts_of
from mlcnc.errors import DataError
from mlcnc.metrics import (
    AlignmentAccumulator,
    ClassStatistics,
    ClassStatisticsAccumulator,
    SpaceFeatures,
    angle_summary,
    between_directions,
    classifier_agreement,
    gram_distance,
    measure_split,
    minority_collapse,
    pairwise_angles,
)
from mlcnc.metrics.catalogue import describe, metric_floor, metric_optimum, reason_undefined
from mlcnc.metrics.measurement import alignment_metrics, classifier_metrics
from mlcnc.metrics.random_directions import Band, random_directions
from mlcnc.store import RunWriter, Space, new_run_id


@dataclass(frozen=True)
class ReportLine:
    """One value of the report.

    Attributes:
        name: full metric name.
        value: NaN where undefined; ``reason`` says why, or what makes a defined value doubtful.
        title, conventions: what it is and which choices are in it.
        optimum: at collapse onto an ETF, None where there is none.
        floor: the least possible value in this dimension, where above the optimum.
    """

    name: str
    value: float
    title: str
    conventions: str
    optimum: float | None
    floor: float | None
    reason: str


@dataclass(frozen=True)
class FeatureReport:
    """Everything measured on a file.

    Attributes:
        lines: one for each metric.
        metrics, arrays: as a run stores them.
        statistics: of the features.
        split: what the features are called.
        space: ``f`` of class-wise features, ``z`` of one feature an image.
    """

    lines: tuple[ReportLine, ...]
    metrics: dict[str, float]
    arrays: dict[str, NDArray[Any]]
    statistics: ClassStatistics
    split: str
    space: Space


def analyse_features(
    file: FeatureFile, groups: Mapping[str, Sequence[int]], *, split: str = "test"
) -> FeatureReport:
    """Return every metric that the features allow.

    Args:
        file: of :func:`read_features`.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        split: what to call the features.

    Raises:
        DataError: the features are not finite or the shapes do not fit.
    """
    try:
        return _analysed(file, groups, split)
    except MemoryError:
        raise DataError("the features cannot be measured: there is not enough memory") from None
    except ValueError as error:
        raise DataError(str(error)) from None


def write_feature_run(
    report: FeatureReport,
    file: FeatureFile,
    runs_root: str | Path,
    run_id: str | None,
    source: str,
    thresholds: tuple[int, int],
) -> str:
    """Write the report as a finished run of one epoch and return its id.

    Args:
        report, file: what was measured.
        runs_root: the runs folder.
        run_id: None makes one from ``source``.
        source: name of the file, for people.
        thresholds: (head_min, tail_max) of the groups.

    Raises:
        StoreError: the run exists already or the folder cannot be written.
    """
    # a name that is no text, as other systems' disks may hold, cannot be stored as one
    name = Path(source).name.encode("utf-8", "replace").decode()
    stem = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")[:40] or "features"
    run_id = run_id or new_run_id(runs_root, f"features-{stem}")
    counts = file.targets.sum(axis=0, dtype=np.int64).tolist()
    with RunWriter.create(
        runs_root,
        run_id,
        class_names=file.class_names,
        class_counts=counts,
        group_thresholds=thresholds,
        config={"data": {"dataset": name}, "features": {"file": name}},
        spaces=[report.space],
        name=name,
        num_epochs=1,
        num_train=len(file.targets) if report.split == "train" else None,
        num_test=len(file.targets) if report.split == "test" else None,
    ) as writer:
        if report.split != "train":
            writer.log_samples({f"{report.split}/targets": file.targets})
        writer.log_epoch(0, report.metrics, report.arrays)
    return run_id


def report_text(report: FeatureReport, class_names: Sequence[str]) -> str:
    """Return the report as text: value, optimum, title and conventions; what is undefined comes last."""
    statistics = report.statistics
    number, dim = int(statistics.present.sum()), statistics.class_means.shape[1]
    rows = [
        f"{report.split} features {report.space.name}, effective C = {number}, d = {dim}; "
        "optimum: a collapsed simplex ETF"
    ]
    verdicts = verdicts_of(report.metrics, f"{report.split}.{report.space.name}", dim)
    judged = verdicts._asdict().items()
    rows += [f"  {of}: {verdict.words} ({verdict.text})" for of, verdict in judged if verdict is not None]
    undefined: dict[str, list[str]] = {}
    section = ""
    for line in sorted(report.lines, key=lambda line: list(SECTIONS).index(_section(line.name))):
        metric = line.name.rpartition("/")[2]
        if not np.isfinite(line.value):
            undefined.setdefault(line.reason, []).append(metric)
            continue
        if _section(line.name) != section:
            section = _section(line.name)
            rows += ["", f"{section}: {SECTIONS[section]}"]
            if section == "NC2" and number >= 2:
                rows.append(f"  {_random_words(number, dim)}")
            rows.append(f"  {'value':>10}  {'optimum':>9}")
        best = "" if line.optimum is None else f"{line.optimum:.4g}"
        best = f">= {line.floor:.3g}" if line.floor is not None else best
        choices = f"  [{line.conventions}]" if line.conventions else ""
        caution = f" - caution: {line.reason}" if line.reason else ""
        rows.append(f"  {line.value:10.4g}  {best:>9}  {line.title}{choices}{caution}")
    closest = angle_summary(pairwise_angles(statistics.class_means, centring="class")).closest_pair
    if closest is not None:
        rows += [
            "",
            f"closest pair of classes, centred: {class_names[closest[0]]} and {class_names[closest[1]]}",
        ]
    if undefined:
        rows += ["", "not defined here:"]
        rows += [f"  {reason}: {', '.join(names)}" for reason, names in undefined.items()]
    return "\n".join(rows)


def _random_words(number: int, dim: int) -> str:
    """Return what as many random directions give, so that no value of noise passes for one of training."""
    null = random_directions(number, dim)

    def words(band: Band, form: str) -> str:
        return f"{band.mean:{form}} ({band.low:{form}} to {band.high:{form}})"

    return (
        "random directions, mean and 95 % of draws: "
        f"smallest centred angle {words(null.smallest, '.1f')}, mean {words(null.mean, '.1f')}, "
        f"spread {words(null.spread, '.1f')}, Gram distance {words(null.gram, '.3f')}"
    )


SECTIONS = {
    "Ranking": "average precision and decisions",
    "NC1": "variability within classes; compare with the value for shuffled labels",
    "NC2": "geometry of the class means; read minimum and spread, not the mean centred angle",
    "NC3": "duality of classifier and class means",
    "NC4": "nearest class mean",
    "Multi-label NC": "tag sets as averages of single tags",
}


def _section(name: str) -> str:
    metric = name.rpartition("/")[2]
    for section, starts in {
        "NC1": ("num_classes", "nc1", "cdnv", "multiplicity"),
        "NC2": ("nc2", "angle", "cos_"),
        "NC3": ("nc3",),
        "NC4": ("nc4", "nearest", "classifier_acc"),
        "Multi-label NC": ("ncm",),
    }.items():
        if metric.startswith(starts):
            return section
    return "Ranking"


def _analysed(file: FeatureFile, groups: Mapping[str, Sequence[int]], split: str) -> FeatureReport:
    image_wise = file.features.ndim == 2
    dim = file.features.shape[-1]
    space = Space(name="z", kind="image", dim=dim) if image_wise else Space(name="f", kind="class", dim=dim)
    accumulator = ClassStatisticsAccumulator(file.targets.shape[1], dim)
    if image_wise and file.single_label:
        # one label an image is a choice among classes: no class has negatives of its own, no logit a sign
        accumulator.update_rows(file.features, file.targets.argmax(axis=1))
    else:
        accumulator.update(file.features, file.targets)
    statistics = accumulator.compute()
    metrics, arrays = measure_split(
        split,
        targets=file.targets,
        groups=groups,
        scores=file.scores,
        spaces={space.name: statistics},
        features={space.name: SpaceFeatures.of(file.features, file.targets)},
    )
    if file.classifier_weight is not None and image_wise:
        metrics |= _classifier_metrics(split, space.name, file, statistics, groups)
        arrays["classifier/gram"] = (
            file.classifier_weight.astype(np.float64) @ file.classifier_weight.T.astype(np.float64)
        ).astype(np.float32)
    if file.label_embedding is not None:
        alignment = AlignmentAccumulator(file.targets.shape[1])
        alignment.update(file.features, file.targets, file.label_embedding.astype(np.float64))
        found, of_classes = alignment_metrics(f"{split}.{space.name}", alignment.compute(), groups)
        metrics, arrays = metrics | found, arrays | of_classes
    doubtful = between_directions(statistics).reason
    lines = []
    number = int(statistics.present.sum())
    for name, value in metrics.items():
        info = describe(name)
        if info is None:
            continue
        lines.append(
            ReportLine(
                name=name,
                value=value,
                title=info.title + (f" ({info.unit})" if info.unit else ""),
                conventions=replace(info, split="", space="").conventions,
                optimum=metric_optimum(name, number),
                floor=metric_floor(name, number, dim),
                reason=reason_undefined(name, value, statistics)
                or (doubtful if "/nc1_pinv" in name and not name.endswith("_rank") else ""),
            )
        )
    return FeatureReport(tuple(lines), metrics, arrays, statistics, split, space)


def _classifier_metrics(
    split: str,
    space: str,
    file: FeatureFile,
    statistics: ClassStatistics,
    groups: Mapping[str, Sequence[int]],
) -> dict[str, float]:
    weight = file.classifier_weight
    assert weight is not None
    found = classifier_metrics(split, space, weight, statistics, softmax=file.single_label)
    values = {"nc3_classifier_gram": gram_distance(weight, centring="none")}
    for group, members in groups.items():
        part = minority_collapse(weight, members)
        values[f"nc3_classifier_angle_mean_{group}"] = part.angle_mean
        values[f"nc3_classifier_angle_min_{group}"] = part.angle_min
    if file.single_label:
        labels = file.targets.argmax(axis=1)
        decided = classifier_agreement(file.features, labels, statistics, weight, file.classifier_bias)
        values |= {
            "nc4_agreement": decided.agreement,
            "nc4_agreement_macro": decided.agreement_macro,
            "nearest_accuracy": decided.nearest_accuracy,
            "classifier_accuracy": decided.classifier_accuracy,
        }
    return found | {f"{split}.{space}/{name}": value for name, value in values.items()}
