"""Class means as unit arrows in three dimensions, with the simplex of an ETF drawn faintly behind them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures.player import with_player
from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, finished, recipe_colour
from mlcnc.analysis.geometry.class_arrows import EXACT_ARROWS, ClassArrows
from mlcnc.analysis.runs.rows import RunRow

ARROW_MARKS = {"head": "circle", "medium": "square", "tail": "diamond"}
"""Three dimensions have no triangle."""


def arrows_player(
    runs: Sequence[tuple[RunRow, Sequence[ClassArrows]]], epochs: Sequence[int], *, start: int = -1
) -> go.Figure:
    """Return one scene a run, all moved by one slider.

    Args:
        runs: one or two, with one record a frame.
        epochs: of the frames, from 0.
        start: index of the frame shown first.
    """
    figure = make_subplots(
        rows=1, cols=len(runs), specs=[[{"type": "scene"}] * len(runs)], horizontal_spacing=0.02
    )
    places = []
    for column, (row, records) in enumerate(runs, start=1):
        ideal = records[-1].ideal
        figure.add_scatter3d(
            name="simplex of an ETF",
            **_outline(ideal),
            mode="lines",
            line={"color": OPTIMUM_COLOUR, "width": 4, "dash": "dash"},
            opacity=0.6,
            hoverinfo="skip",
            row=1,
            col=column,
        )
        figure.add_scatter3d(
            name=row.name,
            mode="lines+markers+text",
            line={"color": recipe_colour(row), "width": 7},
            marker={
                "size": [size for _ in ideal for size in (0, 7, 0)],
                "symbol": [
                    ARROW_MARKS.get(bucket, "cross") for bucket in records[-1].buckets for _ in range(3)
                ],
                "color": recipe_colour(row),
            },
            text=[text for name in records[-1].class_names for text in ("", name, "")],
            textfont={"size": 13, "color": NEUTRAL},
            hovertemplate="%{customdata}<extra>" + row.name + "</extra>",
            row=1,
            col=column,
        )
        places.append(len(figure.data) - 1)
        axis = {"visible": False, "range": [-1.05, 1.05]}
        figure.update_scenes(
            xaxis=axis,
            yaxis=axis,
            zaxis=axis,
            aspectmode="cube",
            camera={"eye": {"x": 0.95, "y": 0.75, "z": 0.5}},
            row=1,
            col=column,
        )
    figure.frames = [
        {
            "data": [_arrows(records[index]) for _, records in runs],
            "traces": places,
            "layout": {
                "annotations": [
                    _note(figure, row, records[index], column)
                    for column, (row, records) in enumerate(runs, start=1)
                ]
            },
        }
        for index in range(len(epochs))
    ]
    finished(figure, height=520, legend=False)
    figure.update_layout(margin={"t": 50})
    return with_player(figure, [epoch + 1 for epoch in epochs], start=start)


def _arrows(record: ClassArrows) -> dict[str, Any]:
    # every arrow starts at the origin; the gap behind it keeps lines apart
    parts = [np.stack([np.zeros(3), point, np.full(3, np.nan)]) for point in record.points]
    x, y, z = np.concatenate(parts).round(4).astype(np.float32).T
    hover = []
    for i, name in enumerate(record.class_names):
        others = ", ".join(
            f"{other} {record.angles[i, j]:.1f}°" for j, other in enumerate(record.class_names) if j != i
        )
        hover += ["", f"{name} ({record.num_features[i]} features): {others}", ""]
    return {"type": "scatter3d", "x": x, "y": y, "z": z, "customdata": hover}


def _outline(points: NDArray[np.float64]) -> dict[str, Any]:
    ends = [(points[i], points[j]) for i, j in combinations(range(len(points)), 2)]
    if len(points) > EXACT_ARROWS:  # the edges of a projected simplex cross each other: rays are clearer
        ends = [(np.zeros(3), point) for point in points]
    parts = [np.stack([one, other, np.full(3, np.nan)]) for one, other in ends]
    x, y, z = np.concatenate(parts).T
    return {"x": x, "y": y, "z": z}


def _note(figure: go.Figure, row: RunRow, record: ClassArrows, column: int) -> dict[str, Any]:
    domain = figure.layout[f"scene{'' if column == 1 else column}"].domain.x
    rows, columns = np.triu_indices(len(record.class_names), k=1)
    angles = record.angles[rows, columns]
    known = angles[np.isfinite(angles)]
    spread = f"{known.min():.1f}° to {known.max():.1f}°" if len(known) else "undefined"
    return {
        "text": f"<b>{row.name}</b>, epoch {record.epoch + 1}<br>angles {spread} "
        f"(simplex {record.optimum:.1f}°)",
        "x": sum(domain) / 2,
        "y": 1.0,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 13},
    }
