"""Anyone's features in a file: read them safely, measure them, write a run the dashboard opens."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import DataError
from mlcnc.metrics import (
    ClassStatistics,
    ClassStatisticsAccumulator,
    SpaceFeatures,
    angle_summary,
    centred_class_means,
    classifier_agreement,
    gram_distance,
    measure_split,
    pairwise_angles,
    self_duality,
)
from mlcnc.metrics.catalogue import describe, metric_floor, metric_optimum, reason_undefined
from mlcnc.metrics.measurement import tag_metrics
from mlcnc.store import RunStore, RunWriter, new_run_id

KEYS = {
    "features": ("features", "class_features", "embeddings", "x"),
    "targets": ("targets", "labels", "y"),
    "classifier_weight": ("classifier_weight", "classifier", "weight"),
    "classifier_bias": ("classifier_bias", "bias"),
    "scores": ("scores", "logits"),
    "class_names": ("class_names", "names"),
}
"""Arrays a file may hold, and other names they are known by."""


@dataclass(frozen=True)
class FeatureFile:
    """Features read from a file.

    Attributes:
        features: (N, d) one feature an image, or (N, C, d) one for every class.
        targets: (N, C) 0 or 1.
        single_label: whether every image has exactly one label.
        classifier_weight: (C, d) or None.
        classifier_bias: (C,) or None.
        scores: (N, C) or None.
        class_names: C names.
    """

    features: NDArray[Any]
    targets: NDArray[np.uint8]
    single_label: bool
    classifier_weight: NDArray[Any] | None
    classifier_bias: NDArray[Any] | None
    scores: NDArray[Any] | None
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class ReportLine:
    """One value of the report.

    Attributes:
        name: full metric name.
        value: NaN where undefined; ``reason`` says why.
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
    """

    lines: tuple[ReportLine, ...]
    metrics: dict[str, float]
    arrays: dict[str, NDArray[Any]]
    statistics: ClassStatistics
    split: str


def read_features(path: str | Path) -> FeatureFile:
    """Return the features of a .npz, .safetensors or .pt file; nothing in it is executed.

    The file holds ``features`` (N, d) or (N, C, d) and ``targets``: (N, C) of 0 and 1, or (N,) class
    indices. It may hold ``classifier_weight`` (C, d), ``classifier_bias`` (C,), ``scores`` (N, C) and,
    in .npz and .pt, ``class_names``. A .pt file is a dict of tensors, read with ``weights_only``.

    Raises:
        DataError: the file is missing, of another kind or damaged, or its arrays do not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors, ".pt": _read_pt, ".pth": _read_pt}
    if path.suffix not in readers:
        ending = path.suffix or "no ending"
        raise DataError(f"{path.name} must end in .npz, .safetensors or .pt, got {ending!r}")
    found = readers[path.suffix](path)
    arrays = {key: _first(found, names) for key, names in KEYS.items()}
    features, targets = arrays["features"], arrays["targets"]
    if features is None or targets is None:
        missing = "features" if features is None else "targets"
        raise DataError(f"{path.name} has no array {missing}; it has {', '.join(sorted(found)) or 'none'}")
    if features.ndim not in (2, 3) or features.dtype.kind not in "fiu":
        raise DataError(f"features must be numbers of shape (N, d) or (N, C, d), got {features.shape}")
    names = arrays["class_names"]
    targets, single = _as_targets(path, features, targets, arrays["classifier_weight"], names)
    number = targets.shape[1]
    if number < 2:
        raise DataError(f"targets must have two classes or more, got {number}: one class has no geometry")
    _check(path, arrays, features, number)
    return FeatureFile(
        features=features if features.dtype.kind == "f" else features.astype(np.float64),
        targets=targets,
        single_label=single,
        classifier_weight=arrays["classifier_weight"],
        classifier_bias=arrays["classifier_bias"],
        scores=arrays["scores"],
        class_names=tuple(str(name) for name in names)
        if names is not None
        else tuple(f"class {index}" for index in range(number)),
    )


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
    stem = re.sub(r"[^a-z0-9]+", "-", Path(source).stem.lower()).strip("-")[:40] or "features"
    run_id = run_id or new_run_id(runs_root, f"features-{stem}")
    RunStore(runs_root)
    counts = file.targets.sum(axis=0, dtype=np.int64).tolist()
    with RunWriter.create(
        runs_root,
        run_id,
        class_names=file.class_names,
        class_counts=counts,
        group_thresholds=thresholds,
        config={"data": {"dataset": Path(source).name}, "features": {"file": Path(source).name}},
        name=Path(source).name,
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
    rows = [f"{report.split} features f, effective C = {number}, d = {dim}; optimum: a collapsed simplex ETF"]
    undefined: dict[str, list[str]] = {}
    section = ""
    for line in sorted(report.lines, key=lambda line: list(SECTIONS).index(_section(line.name))):
        metric = line.name.rpartition("/")[2]
        if not np.isfinite(line.value):
            undefined.setdefault(line.reason, []).append(metric)
            continue
        if _section(line.name) != section:
            section = _section(line.name)
            rows += ["", f"{section}: {SECTIONS[section]}", f"  {'value':>10}  {'optimum':>9}"]
        best = "" if line.optimum is None else f"{line.optimum:.4g}"
        best = f">= {line.floor:.3g}" if line.floor is not None else best
        choices = f"  [{line.conventions}]" if line.conventions else ""
        rows.append(f"  {line.value:10.4g}  {best:>9}  {line.title}{choices}")
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
    prefix = f"{split}.f"
    given = file.scores
    extra: dict[str, float] = {}
    statistics: ClassStatistics
    if file.features.ndim == 3:
        accumulator = ClassStatisticsAccumulator(*file.features.shape[1:])
        accumulator.update(file.features, file.targets)
        statistics = accumulator.compute()
        kept = SpaceFeatures.of(file.features, file.targets)
    else:
        # one feature an image: it stands for each of its labels
        image, label = np.nonzero(file.targets)
        rows = file.features[image]
        accumulator = ClassStatisticsAccumulator(file.targets.shape[1], file.features.shape[1])
        accumulator.update_rows(rows, label)
        statistics = accumulator.compute()
        kept = SpaceFeatures(rows, label, file.targets.sum(axis=1, dtype=np.int64)[image])
        if not file.single_label:
            found = tag_metrics(split, file.features, file.targets)
            extra |= {name.replace(".concat/", ".f/"): value for name, value in found.items()}
    metrics, arrays = measure_split(
        split,
        targets=file.targets,
        groups=groups,
        scores=given,
        spaces={"f": statistics},
        features={"f": kept},
    )
    if file.classifier_weight is not None and file.features.ndim == 2:
        extra |= _classifier_metrics(prefix, file, statistics)
        arrays["classifier/gram"] = (
            file.classifier_weight.astype(np.float64) @ file.classifier_weight.T.astype(np.float64)
        ).astype(np.float32)
    metrics |= extra
    lines = []
    for name, value in metrics.items():
        info = describe(name)
        if info is None:
            continue
        number, dim = int(statistics.present.sum()), statistics.class_means.shape[1]
        lines.append(
            ReportLine(
                name=name,
                value=value,
                title=info.title + (f" ({info.unit})" if info.unit else ""),
                conventions=replace(info, split="", space="").conventions,
                optimum=metric_optimum(name, number),
                floor=metric_floor(name, number, dim),
                reason=reason_undefined(name, value, statistics),
            )
        )
    return FeatureReport(tuple(lines), metrics, arrays, statistics, split)


def _classifier_metrics(prefix: str, file: FeatureFile, statistics: ClassStatistics) -> dict[str, float]:
    weight = file.classifier_weight
    assert weight is not None
    dual = self_duality(
        weight, centred_class_means(statistics.class_means, "class"), centre_weight=file.single_label
    )
    values = {
        "nc3_cosine": dual.cosine_mean,
        "nc3_frobenius_squared": dual.frobenius_squared,
        "nc3_etf_distance": dual.etf_distance,
        "nc3_classifier_gram": gram_distance(weight, centring="none"),
    }
    if file.single_label:
        labels = file.targets.argmax(axis=1)
        found = classifier_agreement(file.features, labels, statistics, weight, file.classifier_bias)
        values |= {
            "nc4_agreement": found.agreement,
            "nc4_agreement_macro": found.agreement_macro,
            "nearest_accuracy": found.nearest_accuracy,
            "classifier_accuracy": found.classifier_accuracy,
        }
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _as_targets(
    path: Path,
    features: NDArray[Any],
    targets: NDArray[Any],
    weight: NDArray[Any] | None,
    names: NDArray[Any] | None,
) -> tuple[NDArray[np.uint8], bool]:
    if len(targets) != len(features):
        raise DataError(f"targets must have {len(features)} rows like features, got {len(targets)}")
    if targets.ndim == 1:
        if targets.dtype.kind not in "iu" or (len(targets) and targets.min() < 0):
            raise DataError("targets of shape (N,) must be class indices from 0, got other numbers")
        number = int(targets.max()) + 1 if len(targets) else 0
        number = max(number, features.shape[1] if features.ndim == 3 else 0)
        number = max(number, 0 if weight is None else len(weight), 0 if names is None else len(names))
        table = np.zeros((len(targets), number), dtype=np.uint8)
        table[np.arange(len(targets)), targets] = 1
        return table, True
    if targets.ndim != 2:
        raise DataError(f"targets must have shape (N, C) or (N,), got {targets.shape}")
    if not np.isin(targets, (0, 1)).all():
        raise DataError("targets of shape (N, C) must be 0 or 1; give class indices as shape (N,)")
    return targets.astype(np.uint8), bool((targets.sum(axis=1) == 1).all())


def _check(path: Path, arrays: Mapping[str, NDArray[Any] | None], features: NDArray[Any], number: int) -> None:
    expected: dict[str, tuple[int, ...]] = {
        "classifier_bias": (number,),
        "scores": (len(features), number),
        "class_names": (number,),
    }
    if features.ndim == 2:
        expected["classifier_weight"] = (number, features.shape[1])
    elif features.shape[1] != number:
        raise DataError(f"features must have {number} classes like targets, got shape {features.shape}")
    for key, shape in expected.items():
        array = arrays[key]
        if array is not None and array.shape != shape:
            raise DataError(f"{key} in {path.name} must have shape {shape}, got {array.shape}")


def _first(found: Mapping[str, NDArray[Any]], names: Sequence[str]) -> NDArray[Any] | None:
    return next((found[name] for name in names if name in found), None)


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stream:
            return {name: stream[name] for name in stream.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name} cannot be read as .npz: {error}") from None


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as .safetensors: {error}") from None


def _read_pt(path: Path) -> dict[str, NDArray[Any]]:
    import pickle

    import torch

    try:
        with warnings.catch_warnings():
            # about pickle protocols; what it refuses to load is an error of its own
            warnings.simplefilter("ignore", UserWarning)
            tree = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path.name} cannot be read safely as .pt ({first}); save a dict of tensors with torch.save"
        ) from None
    if not isinstance(tree, dict):
        raise DataError(f"{path.name} must hold a dict of tensors, got {type(tree).__name__}")
    found: dict[str, NDArray[Any]] = {}
    for name, value in tree.items():
        if isinstance(value, torch.Tensor):
            value = value.detach()
            found[str(name)] = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        elif isinstance(value, (list, tuple)):
            found[str(name)] = np.asarray(value)
    return found
