"""Angles of label embeddings against the angles of the class features that were trained towards them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.angle_panels import AnglePanel
from app.figures.style import EMBEDDING_COLOURS, NEUTRAL, OPTIMUM_COLOUR, finished
from mlcnc.toys.label_embeddings import EmbeddingEnd

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
        showlegend=False,
        line={"color": NEUTRAL, "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[0, 180],
        y=[ends[0].optimum] * 2,
        mode="lines",
        name=f"simplex ETF, {ends[0].optimum:.1f}°",
        showlegend=False,
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
    for text, y, place in (
        ("copy of the<br>embedding", 180, "top"),
        (f"ETF<br>{ends[0].optimum:.1f}°", ends[0].optimum, "middle"),
    ):
        figure.add_annotation(
            x=180, y=y, text=text, xanchor="left", yanchor=place, xshift=6, align="left", showarrow=False
        )
    return finished(figure, height=400).update_layout(margin={"r": 90})


def embedding_panels(ends: Sequence[EmbeddingEnd]) -> list[AnglePanel]:
    """Return the angles between class features, one matrix a kind of label embedding."""
    return [
        AnglePanel(f"{KIND_NAMES[end.kind]}<br>smallest {end.features.minimum:.1f}°", end.feature_angles)
        for end in ends
    ]
