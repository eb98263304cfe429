"""Metrics over epochs, time or images: single runs, or means with the range of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import streamlit as st

from app.address import follow_default
from app.compare.pin_lines import pin_lines
from app.figures.curve_panels import Line, MetricPanel, curve_panels
from app.figures.style import group_dashes, recipe_colour, run_dash
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.controls import toolbar
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.run_picker import Selection
from mlcnc.analysis.comparison.seeds import SeedGroup, shown_names
from mlcnc.analysis.curves.curve import (
    common_last_value,
    curve,
    metric_definition,
    metric_label,
    metric_names,
    metric_optimum,
)
from mlcnc.analysis.curves.nulls import random_null
from mlcnc.analysis.curves.points import (
    AXIS_TITLES,
    Axis,
    curve_points,
    is_ratio,
    null_sentences,
    shuffled_name,
    sparse_sentence,
    warmup_end,
)
from mlcnc.analysis.runs.rows import RunRow, is_number, telling_metrics
from mlcnc.store import Run

MOST_METRICS = 4
READING = (
    "One panel a metric, all along the same axis: the cursor reads them together, and zooming one zooms all. A "
    "**band** goes from the lowest to the highest run around their mean; one run has none. The **vermillion "
    "dashed line** is the optimum, that of a simplex ETF; the **grey** one is NC1 or CDNV of the same features "
    "with labels shuffled, beside which both are read. The **dotted grey line** in its band is what as many "
    "random directions of the same dimension give; **fine dots** are NC1 of as many images without the class, "
    "of the line in the same colour. Where fewer than eight epochs were measured and others lie between, "
    "**marks** are what was measured and bars go from the lowest to the highest run; the dotted line only "
    "leads from one mark to the next, and who is ahead between them is not known.\n\n**A click** on a line "
    "or its name pins it and dims the others; another "
    "click, or Escape, lets it go. With the keyboard, Tab reaches the names and Enter pins.\n\n"
    "**Smoothing** is a moving average over all logged "
    "values, corrected for its start; the faint curve behind is what was logged. A double click ends a zoom."
)
_Source = tuple[str, str, str, tuple[Run, ...], str]
"""Name, colour, dash, runs and short name of a line."""


@dataclass(frozen=True)
class _Choice:
    metrics: tuple[str, ...]
    axis: Axis
    smoothing: float
    log: bool
    bands: bool


@st.fragment
def show_curves(groups: Sequence[SeedGroup], selected: Selection) -> None:
    """Ask for metrics, axis and smoothing, and draw one panel a metric.

    Args:
        groups: runs taken together, for the bands.
        selected: the picked runs, for single lines.
    """
    names = metric_names([run for run, _ in selected.picked])
    if not names:
        st.info("The picked runs have logged nothing yet.")
        return
    chosen = _pick(names, [row for _, row in selected.picked])
    if not chosen.metrics:
        st.info("Choose one to four metrics.")
        return
    by_id = {run.run_id: run for run in selected.runs}
    sources: list[_Source]
    if chosen.bands:
        sources = [
            (
                f"{name} (n={len(group.rows)})",
                recipe_colour(group),
                dash,
                tuple(by_id[row.run_id] for row in group.rows),
                name,
            )
            for group, dash, name in zip(groups, group_dashes(groups), shown_names(groups), strict=True)
        ]
    else:
        sources = [
            (row.name, recipe_colour(row), run_dash(row), (run,), row.name) for run, row in selected.picked
        ]
    panels = []
    notes: list[str] = []
    for metric in chosen.metrics:
        panel, said = _panel(metric, chosen, sources)
        notes += said
        if panel.lines:
            panels.append(panel)
    if panels:
        show_chart(
            drawing_of(curve_panels, panels, AXIS_TITLES[chosen.axis], faint_raw=chosen.smoothing > 0),
            key="compare_curves",
            title=f"Metrics over {AXIS_TITLES[chosen.axis]}",
            alt=" ".join(_last(panel) for panel in panels),
            reading="\n\n".join([READING, *(plain(metric_definition(metric)) for metric in chosen.metrics)]),
            frame=partial(curve_frame, panels, AXIS_TITLES[chosen.axis]),
        )
        pin_lines("compare_curves", [line.name for panel in panels for line in panel.lines])
        st.caption(plain(" ".join(_last(panel) for panel in panels)))
    few = {panel.metric: {line.short or line.name: line.points for line in panel.lines} for panel in panels}
    for note in dict.fromkeys(note for note in (sparse_sentence(few), *notes) if note):
        st.caption(plain(note))


def curve_frame(panels: Sequence[MetricPanel], x_title: str) -> pd.DataFrame:
    """Return every drawn point: a row a metric, line and epoch."""
    parts = [
        pd.DataFrame(
            {
                "metric": panel.metric,
                "line": line.name,
                "runs": line.points.num_runs,
                "epoch": line.points.epochs,
                **({} if x_title == "epoch" else {x_title: line.points.x}),
                "value": line.points.values,
                "logged": line.points.raw,
                "low": line.points.low,
                "high": line.points.high,
            }
        )
        for panel in panels
        for line in panel.lines
    ]
    return pd.concat(parts, ignore_index=True)


def _pick(names: Sequence[str], rows: Sequence[RunRow]) -> _Choice:
    defaults = [name for name in telling_metrics(rows) if name in names][:MOST_METRICS] or list(names[:2])
    follow_default("metrics", defaults)
    with toolbar("toolbar_curves"):
        metrics = st.multiselect(
            "Metrics",
            names,
            default=defaults,
            key="metrics",
            bind="query-params",
            max_selections=MOST_METRICS,
            select_all=False,
            width=520,
            help="split.space/metric, as files and addresses have it; each panel below says its own in words, "
            "docs/metrics.md has formula, range and convention.",
        )
        bands = st.toggle(
            "Mean and range of runs",
            value=True,
            key="bands",
            bind="query-params",
            help="On: a line a recipe, the mean of its seeds, in a band from the lowest to the highest. Off: a "
            "line a picked run.",
        )
        axes = st.popover("Axes", icon=":material/tune:")
    with axes:
        axis = st.segmented_control(
            "Along",
            ["epoch", "time", "images"],
            default="epoch",
            required=True,
            key="axis",
            bind="query-params",
            help="time: seconds of training and measurement, pauses left out. images: training images seen.",
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.99,
            0.0,
            0.01,
            key="smoothing",
            bind="query-params",
            width=220,
            help="Weight of earlier values in a moving average; 0 draws what was logged.",
        )
        log = st.toggle(
            "Logarithmic NC1 and CDNV",
            value=True,
            key="log",
            bind="query-params",
            help="Both are the spread within classes over that between them, which falls by factors: equal "
            "factors are equal distances on this axis.",
        )
    along: Axis = "time" if axis == "time" else "images" if axis == "images" else "epoch"
    return _Choice(tuple(metrics[:MOST_METRICS]), along, float(smoothing), bool(log), bool(bands))


def _panel(metric: str, chosen: _Choice, sources: Sequence[_Source]) -> tuple[MetricPanel, list[str]]:
    log = chosen.log and is_ratio(metric)
    lines: list[Line] = []
    notes: list[str] = []
    strangers: list[str] = []
    said = metric_label(metric)
    null_name = f"{metric}_query_only" if metric.endswith("/nc1_trace") else ""
    for name, colour, dash, runs, short in sources:
        points = remembered(curve_points, runs, metric, axis=chosen.axis, smoothing=chosen.smoothing, log=log)
        if not points.num_runs and not is_measured(runs, metric):
            strangers.append(name)
        elif points.num_runs < len(runs):
            missing = "it" if len(runs) == 1 else f"{len(runs) - points.num_runs} of {len(runs)} runs"
            notes.append(f"{name} has no {said} along {AXIS_TITLES[chosen.axis]} ({missing} logged none).")
        if points.num_unplaced:
            many = "1 value" if points.num_unplaced == 1 else f"{points.num_unplaced} values"
            notes.append(
                f"{name}: {many} of {said} at or below 0 cannot stand on a logarithmic axis and are left out."
            )
        if points.num_points > len(points.x):
            notes.append(f"{name}, {said}: showing {len(points.x)} of {points.num_points} points.")
        if points.num_runs and not points.num_points:
            notes.append(f"{name}: its runs measured {said} at no common epoch.")
        if len(points.x):
            null = remembered(curve_points, runs, null_name, axis=chosen.axis, log=log) if null_name else None
            lines.append(Line(name, colour, dash, points, short, null))
    if strangers:
        space = metric.split("/")[0].rpartition(".")[2]
        notes.append(f"{said}, is of features {space}, which {', '.join(strangers)} did not measure.")
    every = [run for source in sources for run in source[3] if is_measured([run], metric)]
    optima = {metric_optimum(run, metric) for run in every}
    shuffled = shuffled_name(metric)
    baseline = None
    if shuffled is not None:
        chance = [curve(run, shuffled) for run in every]
        baseline = common_last_value(chance)
        if baseline is None:
            values = sorted({float(f"{item.values[-1]:.3g}") for item in chance if len(item.values)})
            known = [value for value in values if is_number(value)]
            if known:
                least, most = f"{known[0]:g}", f"{known[-1]:g}"
                notes.append(f"{said}, with labels shuffled ends between {least} and {most}, by run.")
    notes += null_sentences(every, metric)
    optimum = optima.pop() if len(optima) == 1 else None
    joined = warmup_end([run for source in sources for run in source[3]], metric, chosen.axis)
    nulls = {band for run in every if (band := remembered(random_null, run, metric)) is not None}
    random = tuple(sorted(nulls))
    return MetricPanel(metric, said, tuple(lines), log, optimum, baseline, joined, random), notes


def is_measured(runs: Sequence[Run], metric: str) -> bool:
    """Return whether a metric is of no space of features, or of one that any of the runs measures."""
    space = metric.split("/")[0].rpartition(".")[2]
    return "." not in metric.split("/")[0] or any(space == of.name for run in runs for of in run.spaces)


def _last(panel: MetricPanel) -> str:
    values = ", ".join(f"{line.name} {line.points.raw[-1]:.3g}" for line in panel.lines)
    chance = f" ({panel.baseline:.3g} with labels shuffled)" if panel.baseline is not None else ""
    chance += "".join(f" ({null.mean:.3g} of random directions)" for null in panel.random)
    return f"{panel.label}, at the last epoch: {values}{chance}."
