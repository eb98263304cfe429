"""Pictures of the toys, from their records."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, finished
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
