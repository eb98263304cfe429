"""Angles of label embeddings against the angles of the class features that were trained towards them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.angle_panels import AnglePanel, angle_panels
from app.figures.style import EMBEDDING_COLOURS, NEUTRAL, OPTIMUM_COLOUR, finished
from app.figures.toys import cell_ground
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
    panels = [
        AnglePanel(f"{KIND_NAMES[end.kind]}<br>smallest {end.features.minimum:.1f}°", end.feature_angles)
        for end in ends
    ]
    figure = angle_panels(panels, names, ends[0].class_counts, ends[0].optimum, [NUM_FREQUENT - 0.5])
    figure.update_traces(xgap=1.5, ygap=1.5)
    # without a ground a matrix that is all white has neither cells nor a diagonal
    ground: list[dict[str, Any]] = [
        {**cell_ground(len(names)), "xref": trace.xaxis, "yref": trace.yaxis} for trace in figure.data
    ]
    # update_layout would merge the grounds into the lines that are there
    figure.layout.shapes = [*ground, *figure.layout.shapes]
    return figure
