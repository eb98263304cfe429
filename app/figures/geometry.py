"""Angles against the simplex ETF over epochs: matrix, histogram and NC1 in one figure that moves in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.angle_histogram import add_histogram, optimum_line
from app.figures.angle_matrix import (
    MOST_TICKS,
    add_matrix,
    borders,
    colour_axis,
    diagonal,
    matrix_values,
    stored_as,
)
from app.figures.player import curve_mark, with_player
from app.figures.style import (
    LOG_TICKS,
    NEUTRAL,
    epoch_axis,
    finished,
    recipe_colour,
    run_dash,
)
from app.figures.variability import note_zeros
from mlcnc.analysis.curves.curve import Curve
from mlcnc.analysis.geometry.angle_history import angle_counts
from mlcnc.analysis.geometry.angles import AngleRecord
from mlcnc.analysis.runs.rows import RunRow

CLEAR = "rgba(0,0,0,0)"
WIDE_ENOUGH = 700
"""Pixels of a chart; on less, names of classes and of runs side by side would stand over each other."""

PAYLOAD_BYTES = 90_000
"""Matrices of all frames together stay below, so that a change of the controls answers at once."""


@dataclass(frozen=True)
class GeometryPanel:
    """What one run shows: its angles at every frame, and its NC1 over all epochs with both of its nulls.

    Attributes:
        row: of the run.
        records: of the frames.
        nc1, shuffled, query_only: NC1, with labels shuffled, and of as many images without the class.
    """

    row: RunRow
    records: Sequence[AngleRecord]
    nc1: Curve
    shuffled: Curve
    query_only: Curve | None = None


def most_frames(num_classes: int, num_runs: int) -> int:
    """Return how many epochs a figure may hold to stay quick to send: 2 to 60."""
    matrix = num_classes**2 * stored_as(num_classes).itemsize * 4 / 3  # as base64 text
    return max(2, min(60, int(PAYLOAD_BYTES / (num_runs * matrix))))


def geometry_player(
    panels: Sequence[GeometryPanel], epochs: Sequence[int], *, nc1_label: str, start: int = -1
) -> go.Figure:
    """Return the figure of one or two runs: above the angle matrices, below histograms and NC1 over epochs.

    Args:
        panels: one or two runs of the same classes in the same order; one record a frame.
        epochs: of the frames, from 0; a record may be of the nearest epoch that its run stored.
        nc1_label: what the NC1 is of, for its axis.
        start: index of the frame shown first.

    Returns:
        A figure with a slider over the epochs. Frames carry the matrices, the counts of the histograms, the
        marks on the NC1 curves and the line of numbers above each matrix; all else is sent once.
    """
    number = len(panels)
    figure = make_subplots(
        rows=3,
        cols=number,
        specs=[[{}] * number, [{}] * number, [{"colspan": number}, *[None] * (number - 1)]],
        row_heights=[0.62, 0.15, 0.23],
        vertical_spacing=0.085,
        horizontal_spacing=0.05,
    )
    below = {"row": 3, "col": 1}
    matrices, bars = [], []
    for column, panel in enumerate(panels, start=1):
        record, name = panel.records[-1], panel.row.name
        matrices.append(add_matrix(figure, record, column, name))
        where = {"row": 2, "col": column}
        bars.append(add_histogram(figure, record, recipe_colour(panel.row), name, **where))
        if column == 1:
            figure.update_yaxes(title_text="pairs", **where)
    marks = _add_curves(figure, panels, below)
    note_zeros(figure, [panel.nc1.values for panel in panels], row=3)
    figure.update_yaxes(title_text=nc1_label, type="log", **LOG_TICKS, range=_log_range(panels), **below)
    # lines of a grid would strike through the names of the nulls
    figure.update_yaxes(showgrid=False, ticks="outside", **below)
    logged = [epoch for panel in panels for of in _curves(panel) for epoch in of.epochs]
    figure.update_xaxes(**epoch_axis([*logged, *(epoch + 1 for epoch in epochs)]), showgrid=False, **below)
    counts = [[angle_counts(record)[1] for record in panel.records] for panel in panels]
    heights = [float(values.max()) for of in counts for values in of]
    heights += [float(null.pairs.max()) for panel in panels if (null := panel.records[-1].null) is not None]
    top = max(heights, default=0.0)
    for place in bars:
        axis = figure.data[place].yaxis.replace("y", "yaxis")
        figure.layout[axis].range = [0, 1.15 * max(1.0, top)]
    figure.update_layout(coloraxis=colour_axis(panels[0].records[0].optimum), bargap=0.0)
    figure.update_layout(
        shapes=[
            *(
                line
                for place, panel in zip(matrices, panels, strict=True)
                for line in [
                    diagonal(panel.records[-1], figure.data[place]),
                    *borders(panel.records[-1], figure.data[place]),
                ]
            ),
            *(
                optimum_line(panel.records[-1], figure.data[place])
                for place, panel in zip(bars, panels, strict=True)
            ),
        ]
    )
    frames = []
    kept, figure.layout.annotations = list(figure.layout.annotations), ()
    for index, epoch in enumerate(epochs):
        data: list[dict[str, Any]] = [
            {"type": "heatmap", "z": matrix_values(panel.records[index])} for panel in panels
        ]
        data += [{"type": "bar", "y": of[index].astype(np.int32)} for of in counts]
        data += [curve_mark(panel.nc1, epoch) for panel in panels if len(panel.nc1.epochs)]
        notes = [_note(panel, index, column) for column, panel in enumerate(panels, start=1)] + kept
        frames.append({"data": data, "traces": [*matrices, *bars, *marks], "layout": {"annotations": notes}})
    figure.frames = frames
    finished(figure, height=980 if number == 1 else 900, legend=False)
    figure.update_layout(margin={"t": 70})
    if number > 1:
        # two runs of one recipe have one colour: here, beside the name of the epoch, stands whose dash is whose
        legend = {"x": 1.0, "xanchor": "right", "y": -0.06, "yanchor": "top", "bgcolor": CLEAR}
        figure.update_layout(showlegend=True, legend=legend)
    figure.update_layout(
        meta={"narrow": _below_each_other(number, named=len(panels[0].records[-1].class_names) <= MOST_TICKS)}
    )
    axis = f"xaxis{2 * number + 1}"
    with_player(
        figure, [epoch + 1 for epoch in epochs], start=start, axis=axis, below=46 if number == 1 else 72
    )
    return figure


def _below_each_other(number: int, *, named: bool) -> dict[str, Any]:
    """Return the layout for a window that is narrow: matrices below each other, all in pixels of their own."""
    heights, gap = [330] * number + [90] * number + [170], 66
    whole = sum(heights) + gap * (len(heights) - 1)
    axes: dict[str, Any] = {}
    start = whole
    for turn, height in enumerate(heights):
        name = "" if turn == 0 else str(turn + 1)
        axes[f"xaxis{name}"] = {"domain": [0, 1]}
        axes[f"yaxis{name}"] = {"domain": [(start - height) / whole, start / whole]}
        start -= height + gap
    for turn in range(number):
        axes[f"yaxis{turn + 1}" if turn else "yaxis"]["showticklabels"] = named
    others = {
        "coloraxis": {"colorbar": {"len": heights[0] / whole}},
        "legend": {"y": -44 / whole},
        "height": whole + 220,
    }
    return {"below": WIDE_ENOUGH, "layout": axes | others}


def _add_curves(figure: go.Figure, panels: Sequence[GeometryPanel], where: dict[str, int]) -> list[int]:
    drawn: list[np.ndarray[Any, Any]] = []
    lasts = [panel.shuffled.values[-1] for panel in panels if len(panel.shuffled.values)]
    for panel in panels:
        values = panel.nc1.values
        figure.add_scatter(
            name=panel.row.name,
            x=panel.nc1.epochs,
            y=np.where(values > 0, values, np.nan),
            mode="lines",
            line={"color": recipe_colour(panel.row), "width": 2, "dash": run_dash(panel.row)},
            hovertemplate="epoch %{x}: NC1 %{y:.3g}<extra>%{fullData.name}</extra>",
            **where,
        )
        baseline = panel.shuffled.values
        if not len(baseline) or any(np.array_equal(baseline, other, equal_nan=True) for other in drawn):
            continue
        drawn.append(baseline)
        # of two data sets each has its own: the upper one is named above its start, the lower below its end
        several, is_upper = len(set(lasts)) > 1, baseline[-1] == max(lasts)
        words = f"labels shuffled, {panel.row.name}" if several else "labels shuffled"
        at_end = several and not is_upper
        figure.add_scatter(
            name="labels shuffled",
            x=panel.shuffled.epochs,
            y=np.where(baseline > 0, baseline, np.nan),
            mode="lines+text" if len(baseline) > 1 else "markers+text",
            marker={"symbol": "line-ew-open", "size": 16, "color": NEUTRAL},
            text=[""] * (len(baseline) - 1) * at_end + [words],
            textposition="bottom left" if at_end else "top right" if len(baseline) > 1 else "middle right",
            textfont={"color": NEUTRAL, "size": 11},
            line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
            hovertemplate="epoch %{x}: NC1 %{y:.3g} with labels shuffled<extra></extra>",
            showlegend=False,
            **where,
        )
    _add_query_only(figure, panels, where)
    places = []
    for panel in panels:
        if not len(panel.nc1.epochs):
            continue
        figure.add_scatter(
            mode="markers",
            marker={"color": recipe_colour(panel.row), "size": 11, "line": {"color": NEUTRAL, "width": 2}},
            hoverinfo="skip",
            showlegend=False,
            **where,
        )
        places.append(len(figure.data) - 1)
    return places


def _add_query_only(figure: go.Figure, panels: Sequence[GeometryPanel], where: dict[str, int]) -> None:
    """Draw what the class query alone makes of any image, named above or below these lines."""
    lines = [(panel, of) for panel in panels if (of := panel.query_only) and (of.values > 0).any()]
    for panel, curve in lines:
        figure.add_scatter(
            name=f"{panel.row.name}, images without the class",
            x=curve.epochs,
            y=np.where(curve.values > 0, curve.values, np.nan),
            mode="lines" if len(curve.epochs) > 1 else "markers",
            marker={"symbol": "line-ew-open", "size": 16, "color": recipe_colour(panel.row)},
            line={"color": recipe_colour(panel.row), "width": 1.5, "dash": "1px,3px"},
            hovertemplate="epoch %{x}: NC1 %{y:.3g} of as many images without the class"
            f"<extra>{panel.row.name}</extra>",
            showlegend=False,
            **where,
        )
    if lines:
        # beyond the first epochs, where they fall
        late = [curve.values[len(curve.values) // 10 :] for _, curve in lines]
        lowest, highest = min(map(np.nanmin, late)), max(map(np.nanmax, late))
        # the line of shuffled labels may be too near to write between
        is_below = any(highest < of <= 2.5 * highest for panel in panels for of in panel.shuffled.values[-1:])
        figure.add_scatter(
            x=[max(curve.epochs[-1] for _, curve in lines)],
            y=[lowest if is_below else highest],
            mode="text",
            text=["as many images without the class"],
            textposition="bottom left" if is_below else "top left",
            textfont={"color": NEUTRAL, "size": 11},
            hoverinfo="skip",
            showlegend=False,
            **where,
        )


def _curves(panel: GeometryPanel) -> list[Curve]:
    return [of for of in (panel.nc1, panel.shuffled, panel.query_only) if of is not None]


def _note(panel: GeometryPanel, index: int, column: int) -> dict[str, Any]:
    record = panel.records[index]
    axis = "" if column == 1 else str(column)
    random = "" if record.null is None else f" (random {record.null.smallest.mean:.1f}°)"
    hover = {"hovertext": f"random: as many directions in {record.dim} dimensions"} if random else {}
    return hover | {
        "text": f"<b>{panel.row.name}</b>, epoch {record.epoch + 1}<br>"
        + (
            "no two classes have an angle"
            if record.summary.closest_pair is None
            else f"smallest {record.summary.minimum:.1f}°{random}, spread {record.summary.std:.1f}°"
        ),
        "x": 0.5,
        "y": 1.0,
        "xref": f"x{axis} domain",
        "yref": f"y{axis} domain",
        "xanchor": "center",
        "yanchor": "bottom",
        "yshift": 8,
        "showarrow": False,
        "font": {"size": 13},
    }


def _log_range(panels: Sequence[GeometryPanel]) -> list[float] | None:
    values = np.concatenate([item.values for panel in panels for item in _curves(panel)])
    positive = values[np.isfinite(values) & (values > 0)]
    # room above for the words at the baseline
    return [np.log10(positive.min()) - 0.15, np.log10(positive.max()) + 0.4] if len(positive) else None
