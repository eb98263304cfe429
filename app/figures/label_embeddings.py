"""Angles of label embeddings against the angles of the class features that were trained towards them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.geometry import REACH_DEGREES
from app.figures.style import ANGLE_SCALE, EMBEDDING_COLOURS, NEUTRAL, OPTIMUM_COLOUR, finished
from mlcnc.toys.label_embeddings import NUM_FREQUENT, EmbeddingEnd

KIND_NAMES = {"etf": "fixed ETF", "trainable": "trainable", "correlated": "fixed, like word vectors"}
KIND_COLOURS = {
    "etf": EMBEDDING_COLOURS["etf"],
    "trainable": EMBEDDING_COLOURS["trainable"],
    "correlated": EMBEDDING_COLOURS["glove"],
}
KIND_MARKS = {"etf": "circle", "trainable": "square", "correlated": "diamond"}


def feature_against_embedding(ends: Sequence[EmbeddingEnd], names: Sequence[str]) -> go.Figure:
    """Return one mark for each pair of classes: embedding angle across, class-feature angle up.

    Args:
        ends: one a kind of label embedding.
        names: (C,) of the classes.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 180],
        y=[0, 180],
        mode="lines",
        name="features copy the embedding",
        line={"color": NEUTRAL, "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[0, 180],
        y=[ends[0].optimum] * 2,
        mode="lines",
        name=f"simplex ETF, {ends[0].optimum:.1f}°",
        line={"color": OPTIMUM_COLOUR, "width": 2, "dash": "dash"},
        hoverinfo="skip",
    )
    rows, columns = np.triu_indices(len(names), k=1)
    pairs = [f"{names[i]} and {names[j]}" for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
    for end in ends:
        figure.add_scatter(
            x=end.embedding_angles[rows, columns].round(2).astype(np.float32),
            y=end.feature_angles[rows, columns].round(2).astype(np.float32),
            mode="markers",
            name=KIND_NAMES[end.kind],
            text=pairs,
            marker={
                "color": KIND_COLOURS[end.kind],
                "symbol": KIND_MARKS[end.kind],
                "size": 11 if end.kind == "etf" else 9,
                "opacity": 0.75,
            },
            hovertemplate="%{text}: embedding %{x:.1f}°, features %{y:.1f}°<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="angle between two label embeddings (°)", range=[-4, 184], dtick=30)
    figure.update_yaxes(title="angle between their class features (°)", range=[-4, 184], dtick=30)
    return finished(figure, height=430)


def embedding_matrices(ends: Sequence[EmbeddingEnd], names: Sequence[str]) -> go.Figure:
    """Return the angles between class features, one matrix a kind of label embedding, on one scale."""
    figure = make_subplots(
        rows=1,
        cols=len(ends),
        subplot_titles=[f"{KIND_NAMES[end.kind]}<br>smallest {end.features.minimum:.1f}°" for end in ends],
        shared_yaxes=True,
        horizontal_spacing=0.02,
    )
    optimum = ends[0].optimum
    for column, end in enumerate(ends, start=1):
        values = end.feature_angles.copy()
        np.fill_diagonal(values, np.nan)
        figure.add_trace(
            go.Heatmap(
                z=values.round(2),
                x=list(names),
                y=[f"{name} ({count})" for name, count in zip(names, end.class_counts, strict=True)],
                coloraxis="coloraxis",
                hovertemplate="%{y} and %{x}: %{z:.1f}°<extra></extra>",
                hoverongaps=False,
            ),
            row=1,
            col=column,
        )
        border = NUM_FREQUENT - 0.5
        for line in ({"x0": border, "x1": border, "y0": -0.5, "y1": len(names) - 0.5},
                     {"y0": border, "y1": border, "x0": -0.5, "x1": len(names) - 0.5}):  # fmt: skip
            figure.add_shape(type="line", **line, line={"color": NEUTRAL, "width": 1.5}, row=1, col=column)
    ticks = [optimum + step for step in (-60, -30, 0, 30, 60)]
    figure.update_layout(
        coloraxis={
            "colorscale": ANGLE_SCALE,
            "cmin": optimum - REACH_DEGREES,
            "cmax": optimum + REACH_DEGREES,
            "colorbar": {
                "title": {"text": "angle (°)", "side": "right"},
                "thickness": 12,
                "tickvals": ticks,
                "ticktext": [f"{value:.0f}" + (" ETF" if value == optimum else "") for value in ticks],
            },
        }
    )
    figure.update_xaxes(tickangle=90, tickfont={"size": 10}, showgrid=False)
    figure.update_yaxes(tickfont={"size": 10}, showgrid=False, autorange="reversed")
    figure.update_annotations(font={"size": 13})
    finished(figure, height=380, legend=False)
    return figure.update_layout(margin={"t": 56})
