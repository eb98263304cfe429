"""Pictures of the toys, from their records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.angle_matrix import REACH_DEGREES
from app.figures.line_ends import name_line_ends
from app.figures.style import (
    ANGLE_SCALE,
    BUCKET_COLOURS,
    BUCKET_MARKS,
    GREY_GROUND,
    NEUTRAL,
    OPTIMUM_COLOUR,
    finished,
)
from mlcnc.toys.centring import CentringTrap
from mlcnc.toys.imbalance import ImbalancedEnd
from mlcnc.toys.simplex import RandomVectors, SimplexAngles


def angle_against_number(angles: SimplexAngles, marked: tuple[int, ...]) -> go.Figure:
    """Return the ETF angle over the number of vectors, falling towards a right angle.

    Args:
        angles: of growing numbers.
        marked: numbers with a label, among those of ``angles``.
    """
    figure = go.Figure(
        go.Scatter(
            x=angles.numbers,
            y=np.round(angles.angles, 3),
            mode="lines",
            line={"color": OPTIMUM_COLOUR, "dash": "dash", "width": 2},
            hovertemplate="%{x} arrows: %{y:.2f}°<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=marked,
            y=[round(angles.angle_of(number), 3) for number in marked],
            mode="markers+text",
            text=[f"{number}: {angles.angle_of(number):.1f}°" for number in marked],
            textposition=["top right"] * (len(marked) - 1) + ["top center"],
            marker={"color": OPTIMUM_COLOUR, "size": 9},
            hoverinfo="skip",
        )
    )
    figure.add_hline(
        y=90,
        line={"color": NEUTRAL, "width": 1},
        annotation_text="right angle",
        annotation_position="bottom left",
    )
    figure.update_xaxes(
        title="number of arrows (log)", type="log", range=[0.2, 2.15], tickvals=[2, 3, 5, 10, 20, 50, 100]
    )
    figure.update_yaxes(title="largest common angle (°)", range=[80, 190], tickvals=[90, 120, 150, 180])
    return finished(figure, height=300, legend=False)


def random_against_etf(vectors: RandomVectors) -> go.Figure:
    """Return the distribution of the angles of random vectors beside the one angle of an ETF."""
    figure = go.Figure(
        go.Histogram(
            x=vectors.pairs.round(2),
            xbins={"start": 0, "end": 180, "size": 3},
            marker={"color": NEUTRAL},
            hovertemplate="%{x}°: %{y} pairs<extra></extra>",
        )
    )
    figure.add_vline(
        x=vectors.optimum,
        line={"dash": "dash", "color": OPTIMUM_COLOUR, "width": 2},
        annotation_text=f"ETF: every pair {vectors.optimum:.1f}°",
        annotation_position="top right",
    )
    figure.add_vline(
        x=vectors.summary.minimum,
        line={"color": NEUTRAL, "width": 2},
        annotation_text=f"smallest {vectors.summary.minimum:.1f}°",
        annotation_position="top left",
    )
    figure.update_xaxes(title="angle between two arrows (°)", range=[0, 180], dtick=30)
    figure.update_yaxes(title="pairs")
    return finished(figure, height=300, legend=False)


CENTRING_NAMES = {
    "none": "nothing subtracted",
    "class": "class-mean centring",
    "sample": "sample-mean centring",
}


def centring_strips(trap: CentringTrap) -> go.Figure:
    """Return every pairwise angle as a dot, one row a centring, with mean, minimum and the ETF."""
    figure = go.Figure()
    for row, reading in enumerate(trap.readings):
        # a fixed sawtooth parts the dots without chance
        heights = row + 0.28 * ((np.arange(len(reading.pairs)) * 7 % 19) / 9 - 1)
        figure.add_trace(
            go.Scatter(
                x=reading.pairs.round(2).astype(np.float32),
                y=heights.astype(np.float32),
                mode="markers",
                marker={"color": NEUTRAL, "size": 5, "opacity": 0.45},
                hovertemplate="%{x:.1f}°<extra></extra>",
            )
        )
        marks = (
            ("diamond", reading.summary.mean, "mean", "middle right"),
            ("triangle-up", reading.summary.minimum, "smallest", "middle left"),
        )
        for symbol, value, name, side in marks:
            figure.add_trace(
                go.Scatter(
                    x=[round(value, 2)],
                    y=[row + 0.42],
                    mode="markers+text",
                    text=[f" {name} {value:.1f}° "],
                    textposition=side,
                    marker={"symbol": symbol, "size": 12, "color": "#0072B2"},
                    hoverinfo="skip",
                )
            )
    figure.add_vline(
        x=trap.optimum,
        line={"dash": "dash", "color": OPTIMUM_COLOUR, "width": 2},
        annotation_text=f"ETF {trap.optimum:.1f}°",
        annotation_position="top right",
    )
    figure.update_xaxes(
        title="angle between two class means (°)", range=[-24, 182], tickvals=list(range(0, 181, 30))
    )
    figure.update_yaxes(
        tickvals=list(range(len(trap.readings))),
        ticktext=[CENTRING_NAMES[reading.centring] for reading in trap.readings],
        range=[len(trap.readings) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
    )
    return finished(figure, height=400, legend=False)


def angles_against_ratio(ends: Sequence[ImbalancedEnd], ratio: int) -> go.Figure:
    """Return the angles among frequent and among rare classes over the ratio of their counts.

    Args:
        ends: one for each ratio, all of one subject, ratios growing.
        ratio: the one that is marked.
    """
    ratios = [end.ratio for end in ends]
    lines = (
        ("two frequent classes", [end.frequent for end in ends], BUCKET_COLOURS["head"], BUCKET_MARKS["head"]),
        ("mean of all pairs", [end.mean for end in ends], NEUTRAL, "x-thin-open"),
        ("two rare classes", [end.rare for end in ends], BUCKET_COLOURS["tail"], BUCKET_MARKS["tail"]),
    )
    figure = go.Figure()
    for name, values, colour, mark in lines:
        figure.add_trace(
            go.Scatter(
                x=ratios,
                y=np.round(values, 3),
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": "dot" if colour == NEUTRAL else "solid", "width": 2.5},
                marker={"symbol": mark, "size": 9},
                hovertemplate=f"%{{x}}:1, {name}: %{{y:.1f}}°<extra></extra>",
            )
        )
    figure.add_hline(
        y=ends[0].optimum,
        line={"dash": "dash", "color": OPTIMUM_COLOUR, "width": 1.5},
    )
    figure.add_vline(x=ratio, line={"color": NEUTRAL, "width": 1})
    figure.update_xaxes(
        title="images, frequent : rare class (log)",
        type="log",
        tickvals=ratios,
        ticktext=[str(value) if value not in (30, 70) else "" for value in ratios],
    )
    figure.update_yaxes(title="angle (°)", range=[-4, 116], dtick=30)
    named = [(name.replace(" classes", "<br>classes"), values[-1]) for name, values, _, _ in lines]
    named.append((f"ETF {ends[0].optimum:.1f}°", ends[0].optimum))
    return name_line_ends(
        finished(figure, height=400, legend=False), named, x=math.log10(ratios[-1]), gap=13.0, room=100
    )


def cell_ground(number: int) -> dict[str, Any]:
    """Return a grey square below a matrix of so many rows, seen between its cells and where they are empty."""
    return {
        "type": "rect",
        "x0": -0.5,
        "x1": number - 0.5,
        "y0": -0.5,
        "y1": number - 0.5,
        "fillcolor": GREY_GROUND,
        "line": {"width": 0},
        "layer": "below",
    }


def imbalanced_matrix(end: ImbalancedEnd, names: Sequence[str]) -> go.Figure:
    """Return the matrix of angles with frequent classes first and a line between them and the rare ones."""
    values = end.angles.copy()
    np.fill_diagonal(values, np.nan)
    labels = [f"{name} ({count})" for name, count in zip(names, end.class_counts, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=values.round(2),
            x=labels,
            y=labels,
            zmin=end.optimum - REACH_DEGREES,
            zmax=end.optimum + REACH_DEGREES,
            colorscale=ANGLE_SCALE,
            text=[["" if np.isnan(a) else f"{a:.{int(a < 9.95)}f}" for a in row] for row in values],
            texttemplate="%{text}",
            showscale=False,
            xgap=1.5,
            ygap=1.5,
            hoverongaps=False,
            hovertemplate="%{y} and %{x}: %{z:.1f}°<extra></extra>",
        )
    )
    figure.add_shape(**cell_ground(len(labels)))
    border = sum(count == end.class_counts[0] for count in end.class_counts) - 0.5
    if end.ratio > 1:
        figure.add_hline(y=border, line={"color": NEUTRAL, "width": 2})
        figure.add_vline(x=border, line={"color": NEUTRAL, "width": 2})
    figure.update_xaxes(tickangle=90, showgrid=False, constrain="domain")
    figure.update_yaxes(autorange="reversed", showgrid=False, scaleanchor="x", constrain="domain")
    return finished(figure, height=400, legend=False)
