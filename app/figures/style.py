"""Colours and marks with a meaning, the same on every page and readable in light and dark."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from mlcnc.analysis.runs import RunRow

EMBEDDING_COLOURS = {"etf": "#0072B2", "trainable": "#E69F00", "glove": "#009E73"}
"""Okabe-Ito blue, orange and green, told apart by colour-blind readers too."""

OTHER_COLOUR = "#CC79A7"
_SHADES = {
    "etf": ("#0072B2", "#0099EF", "#4C7FA3", "#5B6FD6", "#8FA3B8"),
    "trainable": ("#E69F00", "#B87F00", "#D4A85E", "#8F6400", "#A88D62"),
    "glove": ("#009E73", "#00C08B", "#00785A", "#5E9A86", "#66B36B"),
}
_OTHER_SHADES = (OTHER_COLOUR, "#B0508A", "#E09CC2", "#A8799A", "#8D6AA8")
"""Of a run: lighter, darker or greyer than its embedding, never so far that a page swallows it."""

BUCKET_COLOURS = {"head": "#2166AC", "medium": "#4292C6", "tail": "#8CC2E8"}
BUCKET_MARKS = {"head": "circle", "medium": "square", "tail": "triangle-up"}
OPTIMUM_COLOUR = "#D55E00"
NEUTRAL = "#808080"

ANGLE_SCALE = [
    [0.0, "#08306B"],
    [0.25, "#4292C6"],
    [0.45, "#C6DBEF"],
    [0.5, "#FFFFFF"],
    [0.55, "#FEE0B6"],
    [0.75, "#E08214"],
    [1.0, "#7F3B08"],
]
"""Blue too close, white the optimum, brown too far; ends of equal darkness."""


_LOG_VALUES = [factor * 10.0**power for power in range(-6, 7) for factor in (1, 3)]
LOG_TICKS = {"tickvals": _LOG_VALUES, "ticktext": [f"{value:g}" for value in _LOG_VALUES]}
"""Whole numbers on a logarithmic axis, where Plotly alone would write 50 as 5."""


def embedding_colour(embedding: str) -> str:
    """Return the colour of a kind of label embedding."""
    return EMBEDDING_COLOURS.get(embedding, OTHER_COLOUR)


def run_colour(row: RunRow) -> str:
    """Return a run's own colour: its embedding's, seed 0 of the plain recipe exactly, others by shade."""
    shades = _SHADES.get(row.embedding, _OTHER_SHADES)
    turn = (row.seed or 0) + (0 if row.recipe == row.embedding else 3)
    return shades[turn % len(shades)]


DASHES = ("solid", "dot", "dashdot", "longdash", "longdashdot")
"""Plain dashes are left to optima and baselines."""


def line_dashes(embeddings: Sequence[str]) -> list[str]:
    """Return a dash for each line so that lines of one colour differ: the first of each embedding is solid."""
    seen: dict[str, int] = {}
    found = []
    for embedding in embeddings:
        number = seen.get(embedding_colour(embedding), 0)
        found.append(DASHES[number % len(DASHES)])
        seen[embedding_colour(embedding)] = number + 1
    return found


TOOL_BAR = 22
"""Height in pixels that a chart's buttons take above its legend."""


def finished(figure: go.Figure, *, height: int, legend: bool = True) -> go.Figure:
    """Return the figure with the house's margins and legend above; the ground is the page's.

    Above a legend of one line the buttons of the chart, which come with the pointer, have room of their own.
    """
    figure.update_layout(
        height=height + (TOOL_BAR if legend else 0),
        margin={"l": 10, "r": 10, "t": 40 + TOOL_BAR if legend else 16, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        showlegend=legend,
        hovermode="closest",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
