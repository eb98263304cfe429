"""Several matrices of angles side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures.angle_matrix import MOST_TICKS, REACH_DEGREES, end_sign
from app.figures.style import ANGLE_SCALE, NEUTRAL, finished
from app.figures.toys import cell_ground

MOST_NAMED_TWICE = 12
"""Of more classes a matrix in a column names its rows alone, without their images: the columns are the same."""


@dataclass(frozen=True)
class AnglePanel:
    """One matrix and what stands above it.

    Attributes:
        title: above the matrix.
        angles: (C, C) degrees.
    """

    title: str
    angles: NDArray[np.float64]


def angle_panels(
    panels: Sequence[AnglePanel],
    names: Sequence[str],
    counts: Sequence[int],
    optimum: float,
    borders: Sequence[float] = (),
) -> go.Figure:
    """Return the matrices in a row, white at the optimum; the diagonal, which says nothing, is grey.

    Args:
        panels: of the same classes in the same order.
        names, counts: (C,) of the classes and their images.
        optimum: angle of a simplex ETF.
        borders: positions of lines between groups of classes, e.g. 4.5.
    """
    figure = make_subplots(
        rows=1,
        cols=len(panels),
        subplot_titles=[panel.title for panel in panels],
        shared_yaxes=True,
        horizontal_spacing=0.02,
    )
    gap = 1.5 if len(names) <= 12 else 0.5
    labels = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)]
    for column, panel in enumerate(panels, start=1):
        values = panel.angles.astype(np.float32)
        np.fill_diagonal(values, np.nan)
        figure.add_trace(
            go.Heatmap(
                z=values.round(1),
                x=list(names),
                y=labels,
                coloraxis="coloraxis",
                hovertemplate="%{y} and %{x}: %{z:.1f}°<extra></extra>",
                hoverongaps=False,
                xgap=gap,
                ygap=gap,
            ),
            row=1,
            col=column,
        )
    marked = [optimum + step for step in (-60, -30, 0, 30, 60)]
    # all at once: adding shapes one by one takes longer than the rest of the figure
    figure.update_layout(
        shapes=[
            {**cell_ground(len(names)), "xref": f"x{column}", "yref": f"y{column}"}
            for column in range(1, len(panels) + 1)
        ]
        + [
            {
                "type": "line",
                "xref": f"x{column}",
                "yref": f"y{column}",
                f"{axis}0": border,
                f"{axis}1": border,
                f"{other}0": -0.5,
                f"{other}1": len(names) - 0.5,
                "line": {"color": NEUTRAL, "width": 1},
            }
            for column in range(1, len(panels) + 1)
            for border in borders
            for axis, other in (("x", "y"), ("y", "x"))
        ],
        coloraxis={
            "colorscale": ANGLE_SCALE,
            "cmin": optimum - REACH_DEGREES,
            "cmax": optimum + REACH_DEGREES,
            "colorbar": {
                "title": {"text": "angle (°)", "side": "right"},
                "thickness": 12,
                "tickvals": marked,
                "ticktext": [
                    f"{end_sign(optimum, value - optimum)}{value:.0f}" + (" ETF" if value == optimum else "")
                    for value in marked
                ],
            },
        },
    )
    ticks = {"tickfont": {"size": 12}, "showticklabels": len(names) <= MOST_TICKS, "showgrid": False}
    figure.update_xaxes(tickangle=90, **ticks)
    figure.update_yaxes(autorange="reversed", **ticks)
    figure.update_annotations(font={"size": 13})
    finished(figure, height=390, legend=False)
    if len(panels) == 1:
        # alone in a column it needs its width for the cells
        if len(names) > MOST_NAMED_TWICE:
            figure.update_xaxes(showticklabels=False, ticks="")
            figure.update_yaxes(ticktext=list(names), tickvals=labels)
        figure.update_layout(
            height=430,
            coloraxis={
                "colorbar": {
                    "orientation": "h", "thickness": 8, "title": {"text": ""}, "tickfont": {"size": 12},
                    "yref": "container", "y": 0.0, "yanchor": "bottom", "len": 190, "lenmode": "pixels",
                }
            },
        )  # fmt: skip
        return figure.update_layout(margin={"t": 56, "b": 40})
    return figure.update_layout(margin={"t": 56})
