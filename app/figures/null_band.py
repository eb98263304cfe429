"""What random directions give, drawn beside curves: their mean as a line, 95 % of draws as a band."""

from __future__ import annotations

import plotly.graph_objects as go

from app.figures.style import NEUTRAL
from mlcnc.analysis.curves.nulls import Band


def add_null_band(
    figure: go.Figure, band: Band, epochs: tuple[float, float], unit: str = "", axis: str = "y"
) -> None:
    """Draw the null of random directions over the given epochs.

    Args:
        figure: of curves over epochs.
        band: mean and 95 % of draws.
        epochs: first and last that are drawn.
        unit: of the values, after the number.
        axis: of its panel.
    """
    first, last = epochs if epochs[0] < epochs[1] else (epochs[0] - 0.5, epochs[0] + 0.5)
    figure.add_scatter(
        x=[first, last, last, first],
        y=[band.low, band.low, band.high, band.high],
        yaxis=axis,
        fill="toself",
        mode="none",
        fillcolor="rgba(127,127,127,0.18)",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        name=f"random directions ({band.mean:.3g}{unit}; 95 % of draws shaded)",
        x=[first, last],
        y=[band.mean, band.mean],
        yaxis=axis,
        mode="lines",
        line={"color": NEUTRAL, "width": 1.5, "dash": "dot"},
        hovertemplate=f"random directions: %{{y:.3g}}{unit}<extra></extra>",
    )
