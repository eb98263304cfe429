"""A run while it is being written: how far it is, when it will end, and its curves so far."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import NamedTuple

from mlcnc.analysis.curves.curve import metric_optimum, warmup_epochs
from mlcnc.analysis.verdict import verdicts_of, way_sentence
from mlcnc.store import Run, RunStatus, Space

TOTAL = "total"
MAP = {name: f"test/map_{name}" for name in ("total", "head", "medium", "tail")}
TEST, TRAIN = "test", "train"
NC1 = {
    TEST: "test.{}/nc1_trace",
    "test, tail": "test.{}/nc1_tail",
    TRAIN: "train.{}/nc1_trace",
    "labels shuffled": "test.{}/nc1_trace_shuffled",
}
ALIGNMENT = {split: f"{split}.{{}}/alignment_positive" for split in (TEST, TRAIN)}
ANGLE = {split: f"{split}.{{}}/angle_min_class" for split in (TEST, TRAIN)}
OF_SPACE: dict[str, dict[str, str]] = {"nc1": NC1, "alignment": ALIGNMENT, "angle": ANGLE}
"""Of the charts of one space, their lines: name in the legend and metric."""

MAX_POINTS = 60
"""Of a live chart; more are thinned, so that a tick stays small."""

MAX_TERMS = 7
"""Of a loss that can be told apart in a small chart; the first ones are shown."""

_TERM = re.compile(r"train/([A-Za-z][A-Za-z0-9_]{0,39})")
_NO_TERMS = ("loss", TOTAL, "epoch")
_FIRST_SPACE = "f"
_LAST_EPOCHS = 5
_CENTURY_SECONDS = 100 * 365.25 * 86400


class Ends(NamedTuple):
    """Epoch from 1 and value of a curve where it began, was lowest and stands now, of all logged epochs."""

    first: tuple[int, float]
    lowest: tuple[int, float]
    last: tuple[int, float]


@dataclass(frozen=True)
class LivePanel:
    """What one live chart shows.

    Attributes:
        epochs: from 1, those that logged any of its metrics; of many, evenly spread ones with the first and the
            last.
        lines: by name in the legend, one value an epoch, None where it was not logged or not finite.
    """

    epochs: tuple[int, ...]
    lines: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class LiveCurves:
    """What a run logged so far, as live charts show it.

    Attributes:
        run_id: of the run.
        panels: the charts ``losses``, ``map``, ``nc1``, ``alignment`` and ``angle``; one without lines has
            nothing to show.
        space: of the features that the last three measure; None where the run measures none.
        num_logged: epochs logged, shown or not.
        nc1: where NC1 of test features began, was lowest and stands; None where it was not logged.
        optimal_angle: of a simplex ETF in the run's space, or the floor where none fits; None if unknown.
        epoch_seconds: median of the last five epochs, those that measure and those that only train each by
            themselves and weighed by how many there are; None before the first.
        train_share: of an epoch's time that its batches take; 1 where it was not logged.
        images_per_second: of the last epoch, or None.
        way: how far from collapse the last measured epoch is, a sentence; empty where that is not known.
        warmup_epochs: first epochs that train a part of the loss only; 0 where there are none or it is unknown.
    """

    run_id: str
    panels: Mapping[str, LivePanel]
    space: Space | None
    num_logged: int
    nc1: Ends | None
    optimal_angle: float | None
    epoch_seconds: float | None
    train_share: float
    images_per_second: float | None
    way: str
    warmup_epochs: int


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        num_logged: epochs logged; of a run under way, those before the one that it is at.
        num_epochs: planned, or None where the run does not say.
        batch, num_batches: within the epoch that is being trained, or None.
        share: of the whole run, 0 to 1.
        eta_seconds: until the end, or None before the first epoch and where the length is unknown.
    """

    num_logged: int
    num_epochs: int | None
    batch: int | None
    num_batches: int | None
    share: float
    eta_seconds: float | None


def live_curves(run: Run) -> LiveCurves:
    """Return the curves of a run so far; without any epoch they are empty."""
    lines = run.metrics()
    seconds = _pace(lines)
    trained = _median([line.get("seconds_train", math.nan) for line in lines[-_LAST_EPOCHS:]])
    speed = lines[-1].get("images_per_second", math.nan) if lines else math.nan
    space = _space_of(run, lines)
    panels = {"losses": _loss_terms(lines), "map": MAP} | {
        panel: {} if space is None else {name: metric.format(space.name) for name, metric in names.items()}
        for panel, names in OF_SPACE.items()
    }
    logged = {metric for line in lines for metric in line}
    if not logged.intersection(panels["alignment"].values()):  # most methods have nothing to align with
        panels["alignment"] = {}
    return LiveCurves(
        run_id=run.run_id,
        panels={panel: _panel(lines, metrics) for panel, metrics in panels.items()},
        space=space,
        num_logged=len(lines),
        nc1=_ends(lines, panels["nc1"].get(TEST, "")),
        optimal_angle=None if space is None else metric_optimum(run, panels["angle"][TEST]),
        epoch_seconds=seconds,
        train_share=max(0.0, min(1.0, trained / seconds)) if trained is not None and seconds else 1.0,
        images_per_second=_finite(speed),
        way="" if space is None else _way(lines, space),
        warmup_epochs=warmup_epochs(run),
    )


def _way(lines: Sequence[Mapping[str, float]], space: Space) -> str:
    measured = [line for line in lines if NC1[TEST].format(space.name) in line]
    if not measured:
        return ""
    test, train = (verdicts_of(measured[-1], f"{split}.{space.name}", space.dim) for split in (TEST, TRAIN))
    return way_sentence(test, train, when=f"epoch {int(measured[-1]['epoch']) + 1}", space=space.name)


def _pace(lines: Sequence[Mapping[str, float]]) -> float | None:
    measured = ["test" in {metric[:4] for metric in line} for line in lines]
    total, weight = 0.0, 0
    for kind in (True, False):
        own = [line for line, is_measured in zip(lines, measured, strict=True) if is_measured == kind]
        seconds = _median([line.get("seconds", math.nan) for line in own[-_LAST_EPOCHS:]])
        if seconds is not None:
            total, weight = total + seconds * len(own), weight + len(own)
    return total / weight if weight else None


def _loss_terms(lines: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Return the total and every term of the loss that was logged, in order of appearance: name and metric."""
    logged = dict.fromkeys(found[1] for line in lines for metric in line if (found := _TERM.fullmatch(metric)))
    terms = [term for term in logged if term not in _NO_TERMS][:MAX_TERMS]
    named = {term.replace("_", "-"): f"train/{term}" for term in terms}
    return {TOTAL: "train/loss", **named} if logged else {}


def _space_of(run: Run, lines: Sequence[Mapping[str, float]]) -> Space | None:
    """Return the space to show: ``f``, else the first one that was measured, else the first one at all."""
    spaces = sorted(run.spaces, key=lambda space: space.name != _FIRST_SPACE)
    metrics = [metric for names in OF_SPACE.values() for metric in names.values()]
    logged = {metric for line in lines for metric in line}
    measured = (s for s in spaces if any(metric.format(s.name) in logged for metric in metrics))
    return next(measured, spaces[0] if spaces else None)


def _panel(lines: Sequence[Mapping[str, float]], metrics: Mapping[str, str]) -> LivePanel:
    # most epochs measure nothing: thinned together, the few that do would be lost
    logged = [line for line in lines if any(metric in line for metric in metrics.values())]
    shown = [logged[place] for place in _spread(len(logged), MAX_POINTS)]
    return LivePanel(
        epochs=tuple(int(line["epoch"]) + 1 for line in shown),
        lines={
            name: tuple(_finite(line.get(metric, math.nan)) for line in shown)
            for name, metric in metrics.items()
        },
    )


def progress(curves: LiveCurves, status: RunStatus) -> Progress:
    """Return how far a run is, from its curves and its status."""
    total = status.num_epochs
    batch, num_batches = status.batch, status.num_batches
    num_logged = curves.num_logged
    if status.state == "running":
        # a run that was gone on with trains some epochs again, whose lines are there already
        num_logged = 0 if status.epoch is None else status.epoch + 1
    if status.state != "running" or not batch or not num_batches:
        batch = num_batches = None
    within = batch / num_batches * curves.train_share if batch and num_batches else 0.0
    done = num_logged + min(1.0, within)
    return Progress(
        num_logged=num_logged,
        num_epochs=total,
        batch=batch,
        num_batches=num_batches,
        share=min(1.0, done / total) if total else 0.0,
        eta_seconds=eta_seconds(curves.epoch_seconds, done, total),
    )


def eta_seconds(epoch_seconds: float | None, done: float, total: int | None) -> float | None:
    """Return seconds until the last epoch ends; None where pace or length are unknown or beyond reason.

    Args:
        epoch_seconds: of one epoch, e.g. the median of the last ones.
        done: epochs, with the part of the one that is being trained.
        total: epochs in all.

    Example:
        >>> eta_seconds(3.0, 8.5, 10)
        4.5
    """
    if epoch_seconds is None or total is None:
        return None
    left = max(0.0, (total - done) * epoch_seconds)
    return left if left < _CENTURY_SECONDS else None


def collapse_sentence(curves: LiveCurves) -> str:
    """Return what NC1 did so far, beside what labels shuffled would give; empty before the first epoch."""
    if curves.nc1 is None:
        return ""
    first, lowest, last = (
        f"{value:.3g}" for _, value in (curves.nc1.first, curves.nc1.lowest, curves.nc1.last)
    )
    shuffled = [value for value in curves.panels["nc1"].lines["labels shuffled"] if value is not None]
    what = f"NC1 of test features {'' if curves.space is None else curves.space.name}"
    beside = f"; with labels shuffled it would be {shuffled[-1]:.3g}" if shuffled else ""
    if curves.nc1.first == curves.nc1.last:
        return f"{what} is {first} after epoch {curves.nc1.first[0]}{beside}."
    between = ""
    if lowest not in (first, last):
        between = f" after a lowest of {lowest} at epoch {curves.nc1.lowest[0]}"
    if first == last:
        return f"{what} is {last} as at the start{between}{beside}."
    verb = "fell" if curves.nc1.last[1] < curves.nc1.first[1] else "rose"
    return f"{what} {verb} from {first} to {last}{between}{beside}."


def _ends(lines: Sequence[Mapping[str, float]], metric: str) -> Ends | None:
    known = [
        (int(line["epoch"]) + 1, value)
        for line in lines
        if (value := _finite(line.get(metric, math.nan))) is not None
    ]
    return Ends(known[0], min(known, key=lambda point: point[1]), known[-1]) if known else None


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return seconds from one ISO 8601 time to another; None where one is missing or is no time.

    Example:
        >>> seconds_between("2026-01-01T00:00:00+00:00", "2026-01-01T00:01:30+00:00")
        90.0
    """
    if start is None or end is None:
        return None
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return None


def log_tail(text: str, max_lines: int = 12) -> str:
    """Return the last lines of a log that are not empty.

    Example:
        >>> log_tail("begin\\n\\n 30 %\\nend\\n", 2)
        ' 30 %\\nend'
    """
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-max_lines:])


def found_lines(text: str, wanted: str, max_lines: int = 200) -> tuple[str, str]:
    """Return the last lines of a log that hold a text, large or small letters alike, and how many there are.

    Each has its number in the text in front.

    Example:
        >>> found_lines("begin\\nan Error\\nend\\n", "error")
        ('2: an Error', '1 line of 3 holds it')
    """
    lines = text.splitlines()
    found = [
        f"{number}: {line}" for number, line in enumerate(lines, 1) if wanted.strip().lower() in line.lower()
    ]
    shown = f", the last {max_lines} are shown" if len(found) > max_lines else ""
    holds = "line of {} holds it" if len(found) == 1 else "lines of {} hold it"
    return "\n".join(found[-max_lines:]), f"{len(found) or 'No'} {holds.format(len(lines))}{shown}"


def _spread(count: int, limit: int) -> list[int]:
    if count <= limit:
        return list(range(count))
    return [round(place * (count - 1) / (limit - 1)) for place in range(limit)]


def _median(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
