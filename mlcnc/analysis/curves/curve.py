"""Metrics over epochs, of single runs and as bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.metrics.catalogue import UNTRAINED, describe, metric_floor
from mlcnc.metrics.catalogue import metric_optimum as optimum_of
from mlcnc.store import Run

_MOST_EPOCHS = 10**6


@dataclass(frozen=True)
class Curve:
    """One metric of one run.

    Attributes:
        run_id: of the run.
        epochs: (n,) from 1, as people count; 0 is the untrained network, where the run measured it.
        values: (n,) NaN where undefined.
    """

    run_id: str
    epochs: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Mean and extremes of several curves at the epochs that all of them have."""

    epochs: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    num_runs: int


def curve(run: Run, metric: str) -> Curve:
    """Return a metric over epochs, from the untrained network on; epochs that did not log it are left out."""
    before = f"{metric}_untrained"
    lines = run.metrics((metric, before) if metric.rpartition("/")[2] in UNTRAINED else (metric,))
    points = [(0, line[before]) for line in lines[:1] if before in line]
    points += [(int(line["epoch"]) + 1, line[metric]) for line in lines if metric in line]
    epochs = np.array([epoch for epoch, _ in points], dtype=np.int64)
    return Curve(run.run_id, epochs, np.array([value for _, value in points], dtype=np.float64))


def band(curves: Sequence[Curve]) -> Band:
    """Return mean, lowest and highest value at the common epochs.

    Example:
        >>> one = Curve("a", np.array([1, 2]), np.array([1.0, 2.0]))
        >>> two = Curve("b", np.array([1]), np.array([3.0]))
        >>> band([one, two]).mean.tolist(), band([one, two]).high.tolist()
        ([2.0], [3.0])
    """
    usable = [item for item in curves if len(item.epochs)]
    if not usable:
        empty = np.array([], dtype=np.float64)
        return Band(np.array([], dtype=np.int64), empty, empty, empty, 0)
    common = usable[0].epochs
    for item in usable[1:]:
        common = np.intersect1d(common, item.epochs)
    stacked = np.stack([item.values[np.isin(item.epochs, common)] for item in usable])
    return Band(common, stacked.mean(axis=0), stacked.min(axis=0), stacked.max(axis=0), len(usable))


def common_last_value(curves: Sequence[Curve]) -> float | None:
    """Return the last value that all curves with one share, or None where they differ or none has one.

    The shuffle baseline of NC1 is such a value: one line serves all runs of the same class counts.
    """
    lasts = {round(float(item.values[-1]), 6) for item in curves if len(item.values)}
    finite = {value for value in lasts if np.isfinite(value)}
    return finite.pop() if len(finite) == 1 else None


def warmup_epochs(run: Run) -> int:
    """Return how many first epochs train a part of the loss only; 0 where there are none or it is unknown."""
    method = run.info.config.get("method")
    number = method.get("warmup_epochs") if isinstance(method, Mapping) else None
    return number if isinstance(number, int) and 0 < number < _MOST_EPOCHS else 0


def metric_optimum(run: Run, metric: str) -> float | None:
    """Return the best possible value, drawn as a line: that of a simplex ETF, or the floor where none fits.

    None where there is nothing to draw: of percentages, of 0 on the logarithmic axis of NC1 and CDNV, and of
    the mean angle of means that are centred by themselves, which is near the optimum whatever the geometry.
    """
    name = metric.split("/")[-1]
    centred = name.startswith("angle_mean") and name.endswith("_class")
    if centred or name.startswith(("nc1", "cdnv", "map", "g_map", "f1")):
        return None
    number = len(run.info.class_names)
    space = metric.split("/")[0].rpartition(".")[2]
    dim = next((of.dim for of in run.spaces if of.name == space), None)
    floor = None if dim is None else metric_floor(metric, number, dim)
    return optimum_of(metric, number) if floor is None else floor


def metric_label(metric: str) -> str:
    """Return what a metric is, for the axis of a chart: title, unit, split and space."""
    info = describe(metric)
    if info is None:
        return metric
    where = f"{info.split} {info.space}".strip()
    unit = f" ({info.unit})" if info.unit else ""
    return f"{info.title}{unit}" + (f", {where}" if where else "")


def metric_definition(metric: str) -> str:
    """Return what a metric is and by which conventions, as a sentence; its name alone where it is not ours."""
    info = describe(metric)
    if info is None:
        return f"{metric}: as logged."
    return f"{metric}: {info.title}" + (f"; {info.conventions}." if info.conventions else ".")


def metric_names(runs: Sequence[Run]) -> list[str]:
    """Return every metric that any of the runs logged at any epoch, sorted."""
    return sorted({name for run in runs for line in run.metrics() for name in line} - {"epoch"})
