"""The matrix and histogram of pairwise angles against the simplex ETF."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.style import ANGLE_SCALE, NEUTRAL, OPTIMUM_COLOUR, finished
from mlcnc.analysis.geometry import AngleRecord

REACH_DEGREES = 60.0
"""The colour scale ends so far from the optimum, the same for every run."""


def angle_matrix(record: AngleRecord) -> go.Figure:
    """Return the matrix of angles, classes by falling training count, white at the optimum."""
    values = record.angles.copy()
    np.fill_diagonal(values, np.nan)
    labels = [f"{name} ({count})" for name, count in zip(record.class_names, record.class_counts, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=values.round(2),
            x=labels,
            y=labels,
            zmin=record.optimum - REACH_DEGREES,
            zmax=record.optimum + REACH_DEGREES,
            colorscale=ANGLE_SCALE,
            colorbar={
                "title": {"text": "angle (°)", "side": "right"},
                "orientation": "h",
                "y": 1.0,
                "yanchor": "bottom",
                "len": 0.8,
                "tickvals": [record.optimum + step for step in (-60, -30, 0, 30, 60)],
                "ticktext": [
                    f"{record.optimum + step:.0f}" + (" ETF" if step == 0 else "")
                    for step in (-60, -30, 0, 30, 60)
                ],
                "thickness": 12,
            },
            hovertemplate="%{y} and %{x}: %{z:.1f}°<extra></extra>",
            hoverongaps=False,
        )
    )
    for border in _borders(record.buckets):
        for axis in ("x", "y"):
            other = "y" if axis == "x" else "x"
            figure.add_shape(
                type="line",
                **{
                    f"{axis}0": border,
                    f"{axis}1": border,
                    f"{other}0": -0.5,
                    f"{other}1": len(labels) - 0.5,
                },
                line={"color": NEUTRAL, "width": 1.5},
            )
    size = 9 if len(labels) <= 30 else 6
    figure.update_xaxes(tickangle=90, tickfont={"size": size}, showgrid=False)
    figure.update_yaxes(
        autorange="reversed", tickfont={"size": size}, showgrid=False, scaleanchor="x", constrain="domain"
    )
    return finished(figure, height=520, legend=False)


def angle_histogram(record: AngleRecord) -> go.Figure:
    """Return the distribution of angles over pairs with the ETF optimum as a line."""
    rows, columns = np.triu_indices(len(record.angles), k=1)
    values = record.angles[rows, columns]
    figure = go.Figure(
        go.Histogram(
            x=values[np.isfinite(values)].round(3),
            xbins={"start": 0, "end": 180, "size": 3},
            marker={"color": "#56B4E9", "line": {"color": NEUTRAL, "width": 0.5}},
            hovertemplate="%{x}°: %{y} pairs<extra></extra>",
        )
    )
    figure.add_vline(
        x=record.optimum,
        line={"dash": "dash", "color": OPTIMUM_COLOUR, "width": 2},
        annotation_text=f"ETF {record.optimum:.1f}°",
        annotation_position="top left",
    )
    words = "uncentred" if record.centring == "none" else f"centring {record.centring}"
    figure.update_xaxes(title=f"angle between two classes (°), {words}", range=[0, 180])
    figure.update_yaxes(title="pairs of classes")
    return finished(figure, height=240, legend=False)


def _borders(buckets: tuple[str, ...]) -> list[float]:
    return [i - 0.5 for i in range(1, len(buckets)) if buckets[i] != buckets[i - 1]]
