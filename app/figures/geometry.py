"""Angles against the simplex ETF over epochs: matrix, histogram and course in one figure that moves in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.angle_course import add_courses, course_marks
from app.figures.angle_histogram import add_histogram, optimum_line
from app.figures.angle_matrix import (
    MOST_TICKS,
    REACH_DEGREES,
    add_matrix,
    borders,
    colour_axis,
    diagonal,
    matrix_values,
    stored_as,
)
from app.figures.player import with_player
from app.figures.style import finished, recipe_colour
from mlcnc.analysis.geometry.angle_course import AngleCourse
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
    """What one run shows: its angles at every frame, and how one number of them went over all epochs.

    Attributes:
        row: of the run.
        records: of the frames.
        course: of the same quantity as that of the other run.
    """

    row: RunRow
    records: Sequence[AngleRecord]
    course: AngleCourse


def most_frames(num_classes: int, num_runs: int) -> int:
    """Return how many epochs a figure may hold to stay quick to send: 2 to 60."""
    matrix = num_classes**2 * stored_as(num_classes).itemsize * 4 / 3  # as base64 text
    return max(2, min(60, int(PAYLOAD_BYTES / (num_runs * matrix))))


def geometry_player(
    panels: Sequence[GeometryPanel], epochs: Sequence[int], *, reach: float = REACH_DEGREES, start: int = -1
) -> go.Figure:
    """Return the figure of one or two runs: above the angle matrices, below histograms and course over epochs.

    Args:
        panels: one or two runs of the same classes in the same order; one record a frame.
        epochs: of the frames, from 0; a record may be of the nearest epoch that its run stored.
        reach: how far from the optimum the one scale of colours ends, degrees.
        start: index of the frame shown first.

    Returns:
        A figure with a slider over the epochs. Frames carry the matrices, the counts of the histograms, the
        marks on the courses and the line of numbers above each matrix; all else is sent once.
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
    matrices, bars = [], []
    for column, panel in enumerate(panels, start=1):
        record, name = panel.records[-1], panel.row.name
        matrices.append(add_matrix(figure, record, column, name))
        where = {"row": 2, "col": column}
        bars.append(add_histogram(figure, record, recipe_colour(panel.row), name, **where))
        if column == 1:
            figure.update_yaxes(title_text="pairs", **where)
    courses = [(panel.row, panel.course) for panel in panels]
    marks = add_courses(figure, courses, epochs, {"row": 3, "col": 1})
    counts = [[angle_counts(record)[1] for record in panel.records] for panel in panels]
    heights = [float(values.max()) for of in counts for values in of]
    heights += [float(null.pairs.max()) for panel in panels if (null := panel.records[-1].null) is not None]
    top = max(heights, default=0.0)
    for place in bars:
        axis = figure.data[place].yaxis.replace("y", "yaxis")
        figure.layout[axis].range = [0, 1.15 * max(1.0, top)]
    figure.update_layout(coloraxis=colour_axis(panels[0].records[0].optimum, reach), bargap=0.0)
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
        data += course_marks(courses, epoch)
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
        # a cell is 13 pixels high then
        axes[f"yaxis{turn + 1}" if turn else "yaxis"] |= {"showticklabels": named, "tickfont": {"size": 11}}
    others = {
        "coloraxis": {"colorbar": {"len": heights[0] / whole}},
        "legend": {"y": -44 / whole},
        "height": whole + 220,
    }
    return {"below": WIDE_ENOUGH, "layout": axes | others}


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
