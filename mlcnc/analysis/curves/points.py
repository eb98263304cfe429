"""The points of a curve as a chart shows them: along epochs, time or images, smoothed, and not too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.curves.curve import Curve, band, curve, warmup_epochs
from mlcnc.analysis.curves.smoothing import extreme_places, smoothed
from mlcnc.store import Run

Axis = Literal["epoch", "time", "images"]
AXIS_TITLES = {"epoch": "epoch", "time": "seconds since the start", "images": "training images seen"}
MOST_POINTS = 5000
FEW_POINTS = 8
"""Of fewer points with epochs between them a line would look like a course that nobody measured."""


@dataclass(frozen=True)
class CurvePoints:
    """One line of a chart: a metric of one run, or its mean over several.

    Attributes:
        epochs: (n,) from 1; 0 is the untrained network, where the runs measured it.
        x: (n,) along the chosen axis; for several runs the mean of theirs.
        raw: (n,) as logged, the mean over the runs; NaN where undefined or without a place on the axis.
        values: (n,) smoothed, the mean over the runs.
        low, high: (n,) extremes over the runs of their smoothed curves.
        num_runs: behind the line.
        num_points: before any were left out for length.
        num_unplaced: values at or below 0 that a logarithmic axis has no place for.
    """

    epochs: NDArray[np.int64]
    x: NDArray[np.float64]
    raw: NDArray[np.float64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    num_runs: int
    num_points: int
    num_unplaced: int

    @property
    def is_sparse(self) -> bool:
        """Whether it was measured at so few epochs, with others between them, that no line should join them."""
        return is_sparse(self.epochs)


def is_sparse(epochs: NDArray[np.int64]) -> bool:
    """Return whether a line through these epochs would look like a course that nobody measured."""
    return 1 < len(epochs) < FEW_POINTS and bool((np.diff(epochs) > 1).any())


def sparse_sentence(drawn: Mapping[str, Mapping[str, CurvePoints]]) -> str:
    """Return which lines were measured at few epochs only, and when; empty where none was.

    Args:
        drawn: by metric, the lines by name.
    """
    metrics: dict[tuple[str, str], list[str]] = {}
    for metric, lines in drawn.items():
        names: dict[str, list[str]] = {}
        for name, points in lines.items():
            if points.is_sparse:
                names.setdefault(", ".join(str(epoch) for epoch in points.epochs), []).append(name)
        for at, of in names.items():
            metrics.setdefault((at, ", ".join(of)), []).append(metric)
    if not metrics:
        return ""
    said = "; ".join(f"{', '.join(of)} at {at} ({names})" for (at, names), of in metrics.items())
    return f"Measured at few epochs only, where the marks stand; dotted lines are no measurement: {said}."


def progress(run: Run, axis: Axis) -> dict[int, float]:
    """Return how far a run was at the end of each epoch: epochs, seconds or training images; at 0 it was at 0.

    Seconds add up what each epoch took, its measurement included; pauses before a resume do not count.
    Up to the first epoch that did not log what the axis needs.
    """
    needed = {"epoch": (), "time": ("seconds",), "images": ("images_per_second", "seconds_train")}[axis]
    found: dict[int, float] = {}
    total = 0.0
    for line in run.metrics(needed):
        epoch = int(line["epoch"]) + 1
        if axis == "epoch":
            found[epoch] = float(epoch)
            continue
        step = float(np.prod([line.get(name, np.nan) for name in needed]))
        if not np.isfinite(step):
            break
        total += round(step) if axis == "images" else step
        found[epoch] = total
    return {0: 0.0} | found if found else {}


def curve_points(
    runs: Sequence[Run],
    metric: str,
    *,
    axis: Axis = "epoch",
    smoothing: float = 0.0,
    log: bool = False,
    limit: int = MOST_POINTS,
) -> CurvePoints:
    """Return a metric of the runs taken together, at the epochs that all of them have.

    Each run is smoothed over all its points before anything is averaged or left out.

    Args:
        runs: one, or several to average; those that lack the metric or the axis do not count.
        metric: full name.
        axis: what x counts.
        smoothing: weight of the past, from 0 to below 1.
        log: whether the y axis is logarithmic.
        limit: of points; of more, least and greatest of even stretches are kept.

    Returns:
        Empty arrays and 0 runs where none has both.
    """
    raw: list[Curve] = []
    smooth: list[Curve] = []
    places: list[dict[int, float]] = []
    for run in runs:
        reached = progress(run, axis)
        item = curve(run, metric)
        known = np.isin(item.epochs, np.array(list(reached), dtype=np.int64))
        if known.any():
            raw.append(Curve(run.run_id, item.epochs[known], item.values[known]))
            smooth.append(Curve(run.run_id, item.epochs[known], smoothed(item.values, smoothing)[known]))
            places.append(reached)
    plain, together = band(raw), band(smooth)
    epochs = together.epochs
    x = np.array([np.mean([reached[int(epoch)] for reached in places]) for epoch in epochs])
    columns = [plain.mean, together.mean, together.low, together.high]
    num_unplaced = 0
    if log:
        at_most_zero = [np.isin(item.epochs, epochs) & (item.values <= 0) for item in raw]
        num_unplaced = int(sum(mask.sum() for mask in at_most_zero))
        columns = [np.where(column > 0, column, np.nan) for column in columns]
    half = max(4, limit // 2)
    if len(epochs) > limit:
        kept = np.union1d(extreme_places(columns[0], half), extreme_places(columns[1], half))
    else:
        kept = np.arange(len(epochs))
    first, second, low, high = (column[kept] for column in columns)
    return CurvePoints(
        epochs[kept], x[kept], first, second, low, high, together.num_runs, len(epochs), num_unplaced
    )


def warmup_end(runs: Sequence[Run], metric: str, axis: Axis) -> float | None:
    """Return where along an axis the other losses join, for there a training loss jumps.

    Of the runs with a warm-up that has ended. None of another metric, without such runs, and where they end it
    more than a hundredth apart.
    """
    if not metric.startswith("train/"):
        return None
    warmed = [(length, progress(run, axis)) for run in runs if (length := warmup_epochs(run))]
    ends = [reached[length] for length, reached in warmed if length + 1 in reached]
    if not ends or np.ptp(ends) > 0.01 * min(ends):
        return None
    return float(np.mean(ends)) + (0.5 if axis == "epoch" else 0.0)


def shuffled_name(metric: str) -> str | None:
    """Return the metric that measures the same with labels shuffled, None where there is none.

    Example:
        >>> shuffled_name("test.f/nc1_tail"), shuffled_name("test.mu/cdnv_max"), shuffled_name("test/g_map")
        ('test.f/nc1_tail_shuffled', 'test.mu/cdnv_shuffled', None)
    """
    where, _, name = metric.rpartition("/")
    if "shuffled" in name or "sample_weighted" in name or "rank" in name:
        return None
    if name.startswith("nc1_"):
        return f"{where}/{name}_shuffled"
    return f"{where}/cdnv_shuffled" if name in ("cdnv_mean", "cdnv_max") else None


def null_sentences(runs: Sequence[Run], metric: str) -> list[str]:
    """Return what a metric is read against beside its curve: NC1 of as many images without the class."""
    nulls = []
    if metric.rpartition("/")[2] == "nc1_trace":
        nulls.append(
            (f"{metric}_query_only", f"{metric} of as many images without the class, at the last epoch")
        )
    said = []
    for null, words in nulls:
        values = [float(item.values[-1]) for item in (curve(run, null) for run in runs) if len(item.values)]
        if known := sorted(value for value in values if np.isfinite(value)):
            least, most = f"{known[0]:.3g}", f"{known[-1]:.3g}"
            said.append(f"{words}: {least}." if least == most else f"{words}: {least} to {most}, by run.")
    return said


def is_ratio(metric: str) -> bool:
    """Return whether a metric spans powers of ten, so that a logarithmic axis suits it: NC1 and CDNV."""
    return metric.rpartition("/")[2].startswith(("nc1_", "cdnv")) and "rank" not in metric
