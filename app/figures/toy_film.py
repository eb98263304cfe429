"""What both films of the collapsing toy share: the plane with its names, and the steps with their cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mlcnc.toys.collapse import CollapseCourse


def xy(points: np.ndarray) -> dict[str, Any]:
    """Return points of a plane as a trace has them."""
    return {"x": points[:, 0].astype(np.float32), "y": points[:, 1].astype(np.float32)}


def plane(figure: go.Figure, reach: float) -> None:
    """Set the axes of the first panel so that angles are drawn true, as far as ``reach`` from the origin."""
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "constrain": "domain"}
    figure.update_xaxes(**hidden, range=[-reach, reach], row=1, col=1)
    # with room below for the line of text
    figure.update_yaxes(**hidden, range=[-1.14 * reach, reach], scaleanchor="x", row=1, col=1)


def outwards(points: np.ndarray) -> list[str]:
    """Return where the name of each point stands so that it points away from the origin."""
    reach = np.abs(points).max()
    upright = np.where(
        points[:, 1] > 0.8 * reach, "top", np.where(points[:, 1] < -0.4 * reach, "bottom", "middle")
    )
    sideways = np.where(
        np.abs(points[:, 0]) < 0.2 * reach, "center", np.where(points[:, 0] > 0, "right", "left")
    )
    return [f"{up} {side}" for up, side in zip(upright, sideways, strict=True)]


def named_means(
    points: np.ndarray, names: Sequence[str], colours: Mapping[str, str], *, width: float, **mark: Any
) -> go.Scatter:
    """Return class means as rings of their colours, with their names.

    Args:
        points: (C, 2).
        names, colours: of the classes.
        width: of the line of a ring.
        mark: size, and form if it is no circle.
    """
    return go.Scatter(
        **xy(points),
        mode="markers+text",
        text=list(names),
        textposition=outwards(points),
        textfont={"size": 13},
        cliponaxis=False,
        marker={
            "color": "rgba(0,0,0,0)",
            "line": {"color": [colours[name] for name in names], "width": width},
            **mark,
        },
        hovertemplate="class mean of %{text}<extra></extra>",
        name="class means",
    )


def truly(course: CollapseCourse, names: Sequence[str], reach: float) -> go.Scatter:
    """Return a line of text below the plane: how far it shows two neighbours apart, and how far they are."""
    return go.Scatter(
        x=[0.0],
        y=[-1.1 * reach],
        mode="text",
        text=[drawn_text(course, names, -1)],
        textfont={"size": 12},
        cliponaxis=False,
        hoverinfo="skip",
        name="drawn and true angle",
    )


def drawn_text(course: CollapseCourse, names: Sequence[str], at: int) -> str:
    """Return how far apart a frame shows the first two classes, and how far they are."""
    drawn, true = course.drawn_angles(0, 1)[at], course.angles.angles[at][0, 1]
    return f"{names[0]} and {names[1]}: drawn {drawn:.0f}°, truly {true:.1f}°"


def steps_axis(figure: go.Figure, course: CollapseCourse, *, row: int = 1, col: int) -> None:
    """Set the axis of steps of a curve."""
    # the axis has no title: the buttons of the player stand below it
    figure.update_xaxes(
        type="log",
        range=[-0.1, float(np.log10(course.steps[-1])) + 0.15],
        tickvals=[1, 11, 101, 1001],
        ticktext=["step 0", "10", "100", "1000"],
        row=row,
        col=col,
    )


def plotted(steps: np.ndarray) -> np.ndarray:
    """Return steps plus 1: a logarithmic axis has no place for the start."""
    return steps + 1


def cursor(step: int, value: float) -> go.Scatter:
    """Return the point of a curve that a frame shows."""
    return go.Scatter(
        x=[int(step) + 1],
        y=[value],
        mode="markers",
        marker={"size": 13, "color": "#0072B2", "line": {"color": "white", "width": 2}},
        hoverinfo="skip",
    )


def say(figure: go.Figure, axis: int, step: int, height: float, text: str, *, right: bool) -> None:
    """Write beside a point of a curve; ``height`` in the units of the axis, a logarithm where it is one."""
    figure.add_annotation(
        x=float(np.log10(step + 1)),
        y=height,
        text=text,
        showarrow=False,
        xref=f"x{axis}",
        yref=f"y{axis}",
        xanchor="left" if right else "right",
        xshift=8 if right else -8,
        yshift=12 if right else 0,
    )
