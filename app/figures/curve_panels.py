"""Up to four metrics above each other, all along one axis, so that one cursor reads them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.line_ends import spread_out
from app.figures.null_band import add_null_band
from app.figures.style import LOG_TICKS, NEUTRAL, OPTIMUM_COLOUR, epoch_axis, finished
from mlcnc.analysis.curves.nulls import Band
from mlcnc.analysis.curves.points import CurvePoints

PANEL_HEIGHT = 210
GAP = 0.07
TITLE_ROOM = 26
"""Height in pixels of the name of a panel."""
WEBGL_ABOVE = 2000
FEW_POINTS = 12
"""Up to so many every point is marked, so that one sees what was measured and what is only joined."""
MOST_NAMES = 8
"""Up to so many lines have their names at their ends; more are named in the legend."""
NAME_WIDTH = 20
NAME_ROOM = 140
NAME_STEP = 13
"""Letters of a row of a name; in pixels the least height that a legend leaves a panel, and that of a row."""

_JOINED = {"width": 1, "dash": "1px,5px"}
"""Between marks of few measured epochs."""

WITHOUT_CLASS = "as many images without the class"


@dataclass(frozen=True)
class Line:
    """One line of a panel.

    Attributes:
        name: in full.
        colour, dash, points: as drawn.
        short: at its end; empty for the whole name.
        null: the same metric of as many images without the class, as logged; None where it was not.
    """

    name: str
    colour: str
    dash: str
    points: CurvePoints
    short: str = ""
    null: CurvePoints | None = None


@dataclass(frozen=True)
class MetricPanel:
    """One metric.

    Attributes:
        metric: full name.
        label: of its axis.
        lines: as drawn.
        log: whether its axis is logarithmic.
        optimum: the best possible value, or None.
        baseline: the value with labels shuffled, or None.
        warmup_end: where along x the other losses join and the total jumps, or None.
        random: what random directions give; several where dimensions differ.
    """

    metric: str
    label: str
    lines: tuple[Line, ...]
    log: bool = False
    optimum: float | None = None
    baseline: float | None = None
    warmup_end: float | None = None
    random: tuple[Band, ...] = ()


def curve_panels(panels: Sequence[MetricPanel], x_title: str, *, faint_raw: bool) -> go.Figure:
    """Return one panel a metric over a common x axis.

    Args:
        panels: one to four, the first on top.
        x_title: of the common axis.
        faint_raw: whether the unsmoothed curve is drawn faintly behind.
    """
    figure = go.Figure()
    number = len(panels)
    height = (1 - GAP * (number - 1)) / max(1, number)
    every = without_shared_end({line.name: line.short or line.name for panel in panels for line in panel.lines})
    at_ends = len(every) <= MOST_NAMES
    named: set[str] = set(every) if at_ends else set()
    for index, panel in enumerate(panels):
        axis = "y" if index == 0 else f"y{index + 1}"
        _add_lines(figure, panel, axis, named, faint_raw)
        _add_levels(figure, panel, axis, named)
        if at_ends:
            _add_names(figure, panel, axis, every, faint_raw)
        top = 1 - index * (height + GAP)
        if panel.warmup_end is not None:
            figure.add_shape(
                type="line",
                x0=panel.warmup_end,
                x1=panel.warmup_end,
                y0=0,
                y1=1,
                yref=f"{axis} domain",
                line={"dash": "dot", "color": NEUTRAL, "width": 1.5},
                label={
                    "text": "warm-up ends: all losses",
                    "textposition": "end",
                    "textangle": 0,
                    "xanchor": "left",
                    "yanchor": "top",
                    "font": {"color": NEUTRAL},
                },
            )
        figure.update_layout(
            {
                axis.replace("y", "yaxis"): {
                    "domain": [max(0.0, top - height), top],
                    "type": "log" if panel.log else "linear",
                    **(LOG_TICKS if panel.log else {}),
                    "automargin": True,
                    "exponentformat": "power" if panel.log else "none",
                    "dtick": 1 if panel.log and _decades(panel) > 1 else None,
                }
            }
        )
        # above the panel, for an upright title of an axis is cut off where panels are low
        figure.add_annotation(
            text=panel.label + (" (logarithmic)" if panel.log else ""),
            x=0,
            y=top,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 13},
        )
    finished(figure, height=110 + (PANEL_HEIGHT + 20) * max(1, number))
    epochs = [
        x for panel in panels for line in panel.lines for x in line.points.x[[0, -1]] if len(line.points.x)
    ]
    whole = epoch_axis(epochs) if x_title == "epoch" else {}
    figure.update_xaxes(**{"title": x_title, **whole}, anchor="y" if number < 2 else f"y{number}")
    # the legend grows upwards from above the name of the first panel, however many lines it takes
    above = TITLE_ROOM / ((PANEL_HEIGHT + 20) * max(1, number))
    figure.update_layout(hovermode="x", hoversubplots="axis", legend={"y": 1 + above, "itemclick": False})
    if at_ends:
        widest = max((len(row) for short in every.values() for row in _rows(short)), default=0)
        figure.update_layout(margin={"r": 34 + 6 * widest})
    return figure


def without_shared_end(names: Mapping[str, str]) -> dict[str, str]:
    """Return names by their keys without the last parts, after a comma, that all of them have.

    A name without its last part is no longer known as one, so it holds no tag.

    Example:
        >>> without_shared_end({"a": "ETF, weight 100", "b": "GloVe, weight 100"})
        {'a': 'ETF', 'b': 'GloVe'}
    """
    parts = [name.split(", ") for name in names.values()]
    while len(parts) > 1 and min(map(len, parts)) > 1 and len({of[-1] for of in parts}) == 1:
        parts = [of[:-1] for of in parts]
    shown = {key: ", ".join(of) for key, of in zip(names, parts, strict=True)}
    return {key: short if short == names[key] else _without_tags(short) for key, short in shown.items()}


def _without_tags(name: str) -> str:
    return name.replace("<", "\u2039").replace(">", "\u203a")


def _rows(short: str) -> list[str]:
    if len(short) <= NAME_WIDTH:
        return [short]
    # nor is a name that is cut in two
    rows = wrap(_without_tags(short), NAME_WIDTH)
    return rows if len(rows) <= 2 else [rows[0], rows[1][: NAME_WIDTH - 1] + "\u2026"]


def _add_names(
    figure: go.Figure, panel: MetricPanel, axis: str, names: Mapping[str, str], faint_raw: bool
) -> None:
    ends = []
    for line in panel.lines:
        drawn = line.points.values[np.isfinite(line.points.values)]
        if len(drawn):
            ends.append((float(np.log10(drawn[-1]) if panel.log else drawn[-1]), line))
    if not ends:
        return
    ends.sort(key=lambda end: end[0])
    shown = [of for line in panel.lines for of in (line.points, line.null) if of is not None]
    levels = [panel.optimum, panel.baseline, *(end for band in panel.random for end in (band.low, band.high))]
    values = np.concatenate(
        [
            *(end for of in shown for end in (of.low, of.high, *([of.raw] if faint_raw else []))),
            [v for v in levels if v is not None],
        ]
    )
    known = values[np.isfinite(values) & ((values > 0) | (not panel.log))]
    low, high = (float(np.log10(end) if panel.log else end) for end in (known.min(), known.max()))
    # or the names, which lines lead to, would widen it
    pad = 0.06 * ((high - low) or 1.0)
    figure.update_layout({axis.replace("y", "yaxis"): {"range": [low - pad, high + pad]}})
    rows = [_rows(names[line.name]) for _, line in ends]
    wanted = [NAME_ROOM * (value - low) / ((high - low) or 1.0) for value, _ in ends]
    placed = spread_out(wanted, [NAME_STEP * len(of) for of in rows], (0.0, PANEL_HEIGHT))
    for (value, line), own, near, place in zip(ends, rows, wanted, placed, strict=True):
        figure.add_annotation(
            name=line.name,
            text="<br>".join(own),
            x=1,
            y=value,
            xref="paper",
            yref=axis,
            xanchor="left",
            yanchor="middle",
            align="left",
            # a line in the colour of the curve goes from its end to its name
            showarrow=True,
            arrowhead=0,
            arrowwidth=1.5,
            arrowcolor=line.colour,
            ax=22,
            ay=round(near - place),
            captureevents=True,
            font={"size": 11},
        )


def _decades(panel: MetricPanel) -> float:
    placed = [line.points.raw[line.points.raw > 0] for line in panel.lines]
    values = np.log10(np.concatenate([*placed, np.empty(0)]))
    return float(np.ptp(values)) if len(values) else 0.0


def _add_lines(figure: go.Figure, panel: MetricPanel, axis: str, named: set[str], faint_raw: bool) -> None:
    for line in panel.lines:
        points = line.points
        kind = go.Scattergl if len(points.x) > WEBGL_ABOVE else go.Scatter
        if points.num_runs > 1 and not points.is_sparse:
            figure.add_trace(
                go.Scatter(
                    x=[*points.x, *points.x[::-1]],
                    y=[*points.high, *points.low[::-1]],
                    yaxis=axis,
                    fill="toself",
                    fillcolor=line.colour,
                    opacity=0.18,
                    line={"width": 0},
                    hoverinfo="skip",
                    legendgroup=line.name,
                    showlegend=False,
                )
            )
        if faint_raw and not points.is_sparse:
            figure.add_trace(
                kind(
                    x=points.x,
                    y=points.raw,
                    yaxis=axis,
                    mode="lines",
                    opacity=0.3,
                    line={"color": line.colour, "width": 1},
                    hoverinfo="skip",
                    legendgroup=line.name,
                    showlegend=False,
                    meta="raw",
                )
            )
        figure.add_trace(
            kind(
                name=line.name,
                x=points.x,
                y=points.values,
                yaxis=axis,
                mode="lines+markers" if len(points.x) <= FEW_POINTS else "lines",
                **(_marks_alone(line) if points.is_sparse else {}),
                line=_JOINED | {"color": line.colour}
                if points.is_sparse
                else {"color": line.colour, "width": 2, "dash": line.dash},
                customdata=points.epochs,
                hovertemplate="%{y:.4g}, epoch %{customdata}<extra>%{fullData.name}</extra>",
                legendgroup=line.name,
                showlegend=line.name not in named,
                meta=panel.metric,
            )
        )
        named.add(line.name)
        if line.null is not None and len(line.null.x):
            figure.add_trace(
                kind(
                    name=WITHOUT_CLASS,
                    x=line.null.x,
                    y=line.null.values,
                    yaxis=axis,
                    mode="markers" if line.null.is_sparse else "lines",
                    marker={"symbol": "line-ew-open", "size": 12, "color": line.colour},
                    line={"color": line.colour, "width": 1.5, "dash": "1px,4px"},
                    hovertemplate=f"%{{y:.4g}} {WITHOUT_CLASS}<extra>{line.name}</extra>",
                    legendgroup=line.name,
                    showlegend=WITHOUT_CLASS not in named,
                    meta="null",
                )
            )
            named.add(WITHOUT_CLASS)


def _marks_alone(line: Line) -> dict[str, Any]:
    """Return marks with a bar from the lowest to the highest run, for a line of few measured epochs."""
    points = line.points
    bars = {"array": points.high - points.values, "arrayminus": points.values - points.low, "symmetric": False}
    found: dict[str, Any] = {"marker": {"size": 9, "color": line.colour}}
    return found | ({"error_y": bars | {"thickness": 1.5, "width": 4}} if points.num_runs > 1 else {})


def _add_levels(figure: go.Figure, panel: MetricPanel, axis: str, named: set[str]) -> None:
    # traces, not shapes: annotations of shapes are misplaced on a logarithmic axis
    ends = [float(x) for line in panel.lines for x in line.points.x[[0, -1]]] if panel.lines else []
    for value, name, colour in (
        (panel.optimum, "optimum", OPTIMUM_COLOUR),
        (panel.baseline, "labels shuffled: no collapse at all", NEUTRAL),
    ):
        if value is None or not ends or (panel.log and value <= 0):
            continue
        figure.add_scatter(
            name=name,
            x=[min(ends), max(ends)],
            y=[value, value],
            yaxis=axis,
            mode="lines",
            line={"dash": "dash", "color": colour, "width": 1.5},
            hovertemplate=f"{name} {value:.4g}<extra></extra>",
            legendgroup=name,
            showlegend=name not in named,
        )
        named.add(name)
    for band in panel.random if ends else ():
        add_null_band(figure, band, (min(ends), max(ends)), "\u00b0" if "angle" in panel.metric else "", axis)
