"""Colours and marks with a meaning, the same on every page and readable in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import plotly.graph_objects as go

from mlcnc.analysis.comparison.seeds import SeedGroup
from mlcnc.analysis.runs.recipe import method_place
from mlcnc.analysis.runs.rows import RunRow

EMBEDDING_COLOURS = {"etf": "#0072B2", "trainable": "#E69F00", "glove": "#009E73"}
"""Okabe-Ito blue, orange and green, told apart by colour-blind readers too."""

METHOD_COLOURS = {"erm": "#CC79A7"}
"""Okabe-Ito reddish purple for the plain baseline."""

OTHER_COLOURS = (
    "#AA4499", "#D83C54", "#A08F00", "#006C78", "#8C6D5A", "#9C4860", "#C02418", "#CC6677",
    "#CC60D8", "#486C30", "#6F7FB5", "#FC6054", "#A878FC", "#6060E4", "#56B4E9",
)  # fmt: skip
"""Of every other method, by its place in lists: hues between those above, each as far as can be from its
neighbours and none too pale or dark for a page."""

BUCKET_COLOURS = {"head": "#2166AC", "medium": "#4292C6", "tail": "#8CC2E8"}
BUCKET_MARKS = {"head": "circle", "medium": "square", "tail": "triangle-up"}
OPTIMUM_COLOUR = "#D55E00"
NEUTRAL = "#808080"
GREY_GROUND = "rgba(128,128,128,0.35)"
"""Of cells of a matrix that say nothing, such as a class with itself."""

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


def recipe_colour(of: RunRow | SeedGroup) -> str:
    """Return the colour of a recipe: of its label embedding or method, the same on every chart."""
    return family_colour(of.family)


def family_colour(family: str) -> str:
    """Return the colour of a label embedding of MLC-NC or of another method."""
    known = EMBEDDING_COLOURS | METHOD_COLOURS
    # by their place the methods of the package differ; of others nothing but the name is known
    place = method_place(family)
    number = crc32(family.encode()) if place is None else place
    return known.get(family) or OTHER_COLOURS[number % len(OTHER_COLOURS)]


DASHES = (
    "solid", "dot", "dashdot", "longdash", "longdashdot", "2px,7px", "12px,3px,2px,3px,2px,3px", "16px,8px",
)  # fmt: skip
"""Plain dashes are left to optima and baselines."""

MARK_KINDS = ("", "-open", "-dot", "-open-dot")
"""What is added to the mark of a bucket: the form of a mark says the bucket, its filling the run."""


def told_apart(rows: Sequence[RunRow]) -> list[RunRow]:
    """Return the rows, each with its ``turn`` among those of its colour, from which dash and mark follow."""
    return [replace(row, turn=turn) for row, turn in zip(rows, turns([r.family for r in rows]), strict=True)]


def run_dash(row: RunRow) -> str:
    """Return the dash of a run's lines; runs of one colour differ in it, see ``told_apart``."""
    return DASHES[row.turn % len(DASHES)]


def dash_gradient(row: RunRow) -> str:
    """Return the line of a run as a CSS background, for a bar of some pixels' height."""
    named = {"solid": "1px", "dot": "3px,3px", "dashdot": "9px,3px,3px,3px", "longdash": "15px,4px"}
    named["longdashdot"] = "15px,3px,3px,3px"
    dash, at, stops = run_dash(row), 0, []
    for place, length in enumerate(named.get(dash, dash).replace("px", "").split(",")):
        stops.append(f"{'transparent' if place % 2 else recipe_colour(row)} {at}px {at + int(length)}px")
        at += int(length)
    return f"repeating-linear-gradient(90deg, {', '.join(stops)})"


def run_mark(row: RunRow, mark: str) -> str:
    """Return the mark of a run's points; the first four runs of one colour differ in it."""
    return mark + MARK_KINDS[row.turn % len(MARK_KINDS)]


def group_dashes(groups: Sequence[SeedGroup]) -> list[str]:
    """Return a dash for each group so that those of one colour differ: the first of each is solid."""
    return [DASHES[turn % len(DASHES)] for turn in turns([group.family for group in groups])]


def turns(families: Sequence[str]) -> list[int]:
    """Return how many of the same colour came before each.

    Example:
        >>> turns(["etf", "etf", "glove", "etf"])
        [0, 1, 0, 2]
    """
    seen: dict[str, int] = {}
    found = []
    for family in families:
        colour = family_colour(family)
        found.append(seen.get(colour, 0))
        seen[colour] = found[-1] + 1
    return found


EPOCH_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MOST_EPOCH_TICKS = 9


def epoch_axis(epochs: Iterable[float]) -> dict[str, Any]:
    """Return the settings of an axis of epochs: whole ticks alone, and room for a mark at either end.

    Example:
        >>> epoch_axis([1, 2, 3])["dtick"], epoch_axis(range(1, 41))["dtick"], epoch_axis([])["dtick"]
        (1, 5, 1)
    """
    every = [float(epoch) for epoch in epochs] or [1.0]
    first, last = min(every), max(every)
    step = next((step for step in EPOCH_STEPS if (last - first) / step < MOST_EPOCH_TICKS), None)
    # plain numbers, for an axis of few epochs has no room between them that means anything
    room = max(0.5 if last == first else 0.0, 0.03 * (last - first))
    axis: dict[str, Any] = {"title": {"text": "epoch", "standoff": 4}, "range": [first - room, last + room]}
    return axis | ({"tick0": 0, "dtick": step} if step else {"tickformat": "d"})


def bucket_mark(bucket: str, size: float) -> dict[str, Any]:
    """Return form and size of a mark; a triangle is drawn larger, for of equal size it looks the smallest."""
    mark = BUCKET_MARKS.get(bucket, "diamond")
    return {"symbol": mark, "size": round(size * (1.4 if mark.startswith("triangle") else 1.0))}


def class_words(name: str, count: int, bucket: str) -> str:
    """Return what the pointer says of a class on every chart of classes, in front of its value.

    Example:
        >>> class_words("cow", 4, "tail")
        'cow (4), tail'
    """
    return f"{name} ({count}), {bucket}"


TOOL_BAR = 22
"""Height in pixels that a chart's buttons take above its legend."""


def finished(figure: go.Figure, *, height: int, legend: bool = True) -> go.Figure:
    """Return the figure with the house's margins and legend above; the ground is the page's.

    Above the legend, however many lines it takes, is a line for the buttons of the chart, which come with the
    pointer: its blank title, for a margin does not grow with the legend.
    """
    figure.update_layout(
        height=height + (TOOL_BAR if legend else 0),
        margin={"l": 10, "r": 10, "t": 40 + TOOL_BAR if legend else 16, "b": 10},
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "x": 0,
            "title": {"text": " " if legend else "", "side": "top", "font": {"size": 16}},
        },
        showlegend=legend,
        hovermode="closest",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
