"""mAP by bucket with the spread over seeds, and metrics over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.figures.curve_panels import FEW_POINTS
from app.figures.style import (
    LOG_TICKS,
    NEUTRAL,
    OPTIMUM_COLOUR,
    epoch_axis,
    finished,
    group_dashes,
    recipe_colour,
    run_dash,
    turns,
)
from mlcnc.analysis.comparison.intervals import Interval
from mlcnc.analysis.comparison.paired import paired_interval
from mlcnc.analysis.comparison.seeds import SeedGroup, shown_names
from mlcnc.analysis.curves.curve import Band, Curve
from mlcnc.analysis.runs.rows import BUCKETS, RunRow, is_number


@dataclass(frozen=True)
class StoredInterval:
    """Bootstrap intervals of one run, by ``map_total`` and so on, at an epoch (from 0) with stored scores."""

    row: RunRow
    epoch: int
    intervals: Mapping[str, Interval]


MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
WIDTH = 0.8
LEGEND_LINE = 16
"""Pixels of a name in the legend where each has a line of its own."""

FEWEST = 3
"""Runs from which an interval is drawn: that of two is ten times as wide as they are apart."""


def _num_runs(number: int) -> str:
    return f"n={number}" if number else "no mAP logged"


def bucket_dots(
    groups: Sequence[SeedGroup], *, singles: bool = False, stored: Sequence[StoredInterval] = ()
) -> go.Figure:
    """Return dots of mean test mAP per bucket, with the 95 % t interval of the mean of three runs or more.

    Args:
        groups: one colour or mark each.
        singles: whether single runs are drawn as small dots beside their mean.
        stored: intervals by test image of single runs, drawn as open diamonds, each with its name.
    """
    figure = go.Figure()
    marks = _marks(groups)
    names = shown_names(groups)
    for index, group in enumerate(groups):
        spreads = [group.map_percent[bucket] for bucket in BUCKETS]
        halves = [mean_half(group, bucket) for bucket in BUCKETS]
        figure.add_scatter(
            name=f"{names[index]} ({_num_runs(max(item.num_runs for item in spreads))})",
            x=_places(groups, index, 0.0),
            y=[item.mean for item in spreads],
            mode="markers",
            marker={"color": recipe_colour(group), "symbol": marks[index], "size": 13},
            error_y={
                "type": "data",
                "array": [half or 0 for half in halves],
                "visible": any(half is not None for half in halves),
                "color": recipe_colour(group),
                "thickness": 2,
            },
            customdata=[
                [b, i.num_runs, "" if half is None else f" \u00b1 {half:.1f}"]
                for b, i, half in zip(BUCKETS, spreads, halves, strict=True)
            ],
            hovertemplate="%{customdata[0]} mAP %{y:.1f}%{customdata[2]} %, n=%{customdata[1]}"
            "<extra>%{fullData.name}</extra>",
        )
    if singles:
        _add_runs(figure, groups)
        _add_intervals(figure, groups, stored)
    figure.update_yaxes(title="test mAP (%)")
    figure.update_xaxes(
        title="bucket of classes by training images",
        tickvals=list(range(len(BUCKETS))),
        ticktext=list(BUCKETS),
        range=[-0.5, len(BUCKETS) - 0.5],
    )
    return finished(figure, height=380 + LEGEND_LINE * len(stored))


def mean_half(group: SeedGroup, bucket: str) -> float | None:
    """Return half the 95 % t interval of the mean over runs; None of fewer than three."""
    values = [value for row in group.rows if is_number(value := row.map_percent[bucket])]
    if len(values) < FEWEST:
        return None
    mean, _, high = paired_interval(values)
    return high - mean


def _add_runs(figure: go.Figure, groups: Sequence[SeedGroup]) -> None:
    shown = [
        (group_index, row, bucket, place)
        for group_index, group in enumerate(groups)
        for row in group.rows
        for place, bucket in enumerate(BUCKETS)
    ]
    figure.add_scatter(
        name="single run",
        x=[_places(groups, index, -0.2)[place] for index, _, _, place in shown],
        y=[row.map_percent[bucket] for _, row, bucket, _ in shown],
        mode="markers",
        marker={
            "color": [recipe_colour(row) for _, row, _, _ in shown],
            "size": 6,
            "opacity": 0.6,
        },
        customdata=[
            [row.name, bucket, "" if row.epoch is None else f" at epoch {row.epoch + 1}"]
            for _, row, bucket, _ in shown
        ],
        hovertemplate="%{customdata[0]}: %{customdata[1]} mAP %{y:.1f} %%{customdata[2]}<extra></extra>",
    )


def _add_intervals(figure: go.Figure, groups: Sequence[SeedGroup], stored: Sequence[StoredInterval]) -> None:
    for index, group in enumerate(groups):
        ids = {row.run_id for row in group.rows}
        own = [item for item in stored if item.row.run_id in ids]
        for place, item in enumerate(own, 1):
            kept = {bucket: item.intervals.get(f"map_{bucket}") for bucket in BUCKETS}
            where = zip(_places(groups, index, 0.15 + 0.3 * place / (len(own) + 1)), kept.items(), strict=True)
            shown = [(x, bucket, found) for x, (bucket, found) in where if found is not None]
            colour = recipe_colour(item.row)
            figure.add_scatter(
                name=f"{item.row.name}, 95 % by test image",
                x=[x for x, _, _ in shown],
                y=[found.value for *_, found in shown],
                mode="markers",
                marker={"symbol": _open_diamond(place - 1), "size": 9, "color": colour, "line": {"width": 1.5}},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [found.high - found.value for *_, found in shown],
                    "arrayminus": [found.value - found.low for *_, found in shown],
                    "color": colour,
                    "thickness": 1.5,
                    "width": 3,
                },
                customdata=[[bucket, found.low, found.high] for _, bucket, found in shown],
                hovertemplate=f"%{{customdata[0]}} mAP %{{y:.1f}} % (%{{customdata[1]:.1f}} to "
                f"%{{customdata[2]:.1f}} by resampling test images) at epoch {item.epoch + 1}"
                "<extra>%{fullData.name}</extra>",
            )


def _open_diamond(place: int) -> str:
    return ("diamond-open", "diamond-open-dot", "diamond-tall-open", "diamond-wide-open")[place % 4]


def _places(groups: Sequence[SeedGroup], index: int, shift: float) -> list[float]:
    """Return where a group stands in every bucket; ``shift`` is in steps from group to group."""
    step = WIDTH / max(1, len(groups))
    return [place + (index - (len(groups) - 1) / 2 + shift) * step for place in range(len(BUCKETS))]


def _marks(groups: Sequence[SeedGroup]) -> list[str]:
    return [MARKS[turn % len(MARKS)] for turn in turns([group.family for group in groups])]


def metric_curves(
    curves: Sequence[tuple[RunRow, Curve]],
    label: str,
    *,
    log: bool,
    optimum: float | None = None,
    baseline: float | None = None,
) -> go.Figure:
    """Return one line a run over epochs; optimum and shuffle baseline, where there are, are dashed lines."""
    figure = go.Figure()
    for row, item in curves:
        figure.add_scatter(
            name=row.name,
            x=item.epochs,
            y=item.values,
            mode="lines+markers" if len(item.epochs) <= FEW_POINTS else "lines",
            line={"color": recipe_colour(row), "dash": run_dash(row), "width": 2},
            hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
        )
    epochs = [epoch for _, item in curves for epoch in item.epochs]
    if baseline is not None and epochs:
        # a trace, not a shape: annotations of shapes are misplaced on a logarithmic axis
        figure.add_scatter(
            name=f"labels shuffled ({baseline:.3g}): no collapse at all",
            x=[min(epochs), max(epochs)] if min(epochs) < max(epochs) else [epochs[0] - 0.5, epochs[0] + 0.5],
            y=[baseline, baseline],
            mode="lines",
            line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
            hovertemplate="%{y:.3g} with labels shuffled<extra></extra>",
        )
    return _axes(figure, label, log, optimum, epochs)


def metric_bands(
    bands: Sequence[tuple[SeedGroup, Band]], label: str, *, log: bool, optimum: float | None = None
) -> go.Figure:
    """Return the mean over seeds with the range of the seeds; a single seed has no band."""
    figure = go.Figure()
    groups = [group for group, _ in bands]
    for (group, item), dash, name in zip(bands, group_dashes(groups), shown_names(groups), strict=True):
        colour = recipe_colour(group)
        if item.num_runs > 1:
            figure.add_scatter(
                x=[*item.epochs, *item.epochs[::-1]],
                y=[*item.high, *item.low[::-1]],
                fill="toself",
                fillcolor=colour,
                opacity=0.2,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            )
        figure.add_scatter(
            name=f"{name} (n={item.num_runs})",
            x=item.epochs,
            y=item.mean,
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
        )
    epochs = [epoch for _, item in bands for epoch in item.epochs]
    return _axes(figure, label, log, optimum, epochs)


def _axes(
    figure: go.Figure, label: str, log: bool, optimum: float | None, epochs: Sequence[float]
) -> go.Figure:
    figure.update_xaxes(**epoch_axis(epochs))
    figure.update_yaxes(title=label, type="log" if log else "linear", **(LOG_TICKS if log else {}))
    if optimum is not None:
        figure.add_hline(
            y=optimum,
            line={"dash": "dash", "color": OPTIMUM_COLOUR},
            annotation_text=f"optimum {optimum:.4g}",
            annotation_position="bottom right",
        )
    return finished(figure, height=360)
