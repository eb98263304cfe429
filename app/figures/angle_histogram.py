"""How many pairs of classes have which angle, with the line of a simplex ETF and random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, finished
from mlcnc.analysis.geometry.angle_history import BIN_DEGREES, angle_counts
from mlcnc.analysis.geometry.angles import AngleRecord

PLAIN_COLOUR = "#56B4E9"
"""Of a histogram that belongs to no run in particular."""


def angle_histogram(record: AngleRecord) -> go.Figure:
    """Return the distribution of angles of one epoch alone, with the ETF optimum as a line."""
    figure = make_subplots(rows=1, cols=1)
    add_histogram(figure, record, PLAIN_COLOUR, "", row=1, col=1)
    figure.data[0].update(y=angle_counts(record)[1])
    figure.update_layout(bargap=0.0, shapes=[optimum_line(record, figure.data[0])])
    return finished(figure, height=260, legend=False)


def add_histogram(figure: go.Figure, record: AngleRecord, colour: str, name: str, *, row: int, col: int) -> int:
    """Draw the counts, with those of random directions, into a part of a figure.

    Returns:
        Place of the bars among the traces; their heights are left to the frames.
    """
    edges, _ = angle_counts(record)
    figure.add_bar(
        x=edges + BIN_DEGREES / 2,
        width=BIN_DEGREES,
        marker={"color": colour, "line": {"width": 0}},
        customdata=np.stack([edges, edges + BIN_DEGREES], axis=1),
        hovertemplate="%{customdata[0]} to %{customdata[1]}°: %{y} pairs<extra>" + name + "</extra>",
        showlegend=False,
        row=row,
        col=col,
    )
    place = len(figure.data) - 1
    if record.null is not None:
        figure.add_scatter(
            name="random directions",
            x=edges + BIN_DEGREES / 2,
            y=record.null.pairs.round(2),
            mode="lines",
            line={"shape": "hvh", "color": NEUTRAL, "width": 1.5, "dash": "dot"},
            hovertemplate="random directions: %{y:.3g} pairs<extra></extra>",
            showlegend=False,
            row=row,
            col=col,
        )
    words = "uncentred" if record.centring == "none" else f"centring {record.centring}"
    figure.update_xaxes(
        title={"text": f"angle of a pair (°), {words}", "standoff": 4},
        range=[0, 180],
        dtick=30,
        row=row,
        col=col,
    )
    return place


def optimum_line(record: AngleRecord, trace: Any) -> dict[str, Any]:
    """Return the shape of a line at the angle of a simplex ETF, on the axes of a trace."""
    return {
        "type": "line",
        "line": {"dash": "dash", "color": OPTIMUM_COLOUR, "width": 2},
        "xref": trace.xaxis,
        "yref": f"{trace.yaxis} domain",
        "x0": record.optimum,
        "x1": record.optimum,
        "y0": 0,
        "y1": 1,
    }
