"""Features, class means and classifier of the toy while they collapse, as figures with frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.angle_matrix import REACH_DEGREES
from app.figures.player import with_player
from app.figures.style import ANGLE_SCALE, GREY_GROUND, NEUTRAL, OPTIMUM_COLOUR, finished
from app.figures.toy_film import (
    cursor,
    drawn_text,
    named_means,
    plane,
    plotted,
    say,
    steps_axis,
    truly,
    xy,
)
from mlcnc.toys.collapse import CollapseCourse

FRAME_MILLISECONDS = 110


def collapse_frames(
    course: CollapseCourse,
    other: CollapseCourse | None,
    names: Sequence[str],
    colours: Mapping[str, str],
    marks: Mapping[str, str],
) -> go.Figure:
    """Return features in the plane beside their NC1, played over the steps.

    Args:
        course: that is played.
        other: the same start with another weight decay, drawn grey in the curve only; None for none.
        names: of the classes, in order.
        colours, marks: of each class.
    """
    figure = make_subplots(1, 2, column_widths=[0.5, 0.5], horizontal_spacing=0.12)
    of_point = [names[label] for label in course.labels]
    figure.add_scatter(
        **xy(course.points[-1]),
        mode="markers",
        marker={
            "color": [colours[name] for name in of_point],
            "symbol": [marks[name] for name in of_point],
            "size": 8,
            "opacity": 0.75,
        },
        customdata=of_point,
        hovertemplate="feature of %{customdata}<extra></extra>",
        name="features",
        row=1,
        col=1,
    )
    rings = {"symbol": [marks[name] for name in names], "size": 18}
    figure.add_trace(named_means(course.means[-1], names, colours, width=2.5, **rings), 1, 1)
    figure.add_trace(_nc1(course, {"color": "#56B4E9", "width": 3}), 1, 2)
    figure.add_trace(cursor(course.steps[-1], course.nc1[-1]), 1, 2)
    colour = colours[names[0]]
    for at_end, dash, name in zip(_spreads(course, -1), ("solid", "dash"), ("within", "between"), strict=True):
        figure.add_trace(
            go.Scatter(
                **at_end, mode="lines", line={"color": colour, "width": 1.5, "dash": dash}, name=name,
                hoverinfo="skip",
            ),
            1,
            1,
        )  # fmt: skip
    figure.add_scatter(
        **_named(course, -1),
        mode="text",
        text=["within\u2003", "\u2002between"],
        textposition=["bottom left", "middle right"],
        textfont={"color": colour, "size": 13},
        cliponaxis=False,
        hoverinfo="skip",
        name="within and between",
        row=1,
        col=1,
    )
    reach = 1.12 * float(np.abs(course.points).max())
    figure.add_trace(truly(course, names, reach), 1, 1)
    if course.first_perfect is not None:
        figure.add_vline(
            x=course.first_perfect + 1,
            line={"color": OPTIMUM_COLOUR, "dash": "dash", "width": 1.5},
            row=1,
            col=2,
        )
        say(figure, 2, course.first_perfect, float(np.log10(course.nc1.min())), "accuracy 100 %", right=True)
    plane(figure, reach)
    steps_axis(figure, course, col=2)
    figure.update_yaxes(title="NC1 (log)", type="log", exponentformat="power", row=1, col=2)
    at = course.frame_at(700)
    say(figure, 2, int(course.steps[at]), float(np.log10(course.nc1[at])), _decay_name(course), right=False)
    if other is not None:
        figure.add_trace(_nc1(other, {"color": NEUTRAL, "dash": "dot"}), 1, 2)
        last = int(other.steps[-1])
        say(figure, 2, last, float(np.log10(other.nc1[-1])), _decay_name(other), right=False)
    figure.frames = [
        go.Frame(
            data=[
                go.Scatter(**xy(course.points[at])),
                go.Scatter(**xy(course.means[at])),
                go.Scatter(x=[plotted(course.steps)[at]], y=[course.nc1[at]]),
                *(go.Scatter(**line) for line in _spreads(course, at)),
                go.Scatter(**_named(course, at)),
                go.Scatter(text=[drawn_text(course, names, at)]),
            ],
            traces=[0, 1, 3, 4, 5, 6, 7],
        )
        for at in range(len(course.steps))
    ]
    finished(figure, height=430, legend=False)
    return with_player(figure, course.steps.tolist(), what="step", duration=FRAME_MILLISECONDS)


def angle_frames(course: CollapseCourse, names: Sequence[str], colours: Mapping[str, str]) -> go.Figure:
    """Return class means and classifier in the plane, their angles as a matrix, and the curves of both.

    Args:
        course: that is played.
        names: of the classes, in order.
        colours: of each class.
    """
    # two rows, for three panels beside each other have no room in a narrow window
    figure = make_subplots(
        2,
        2,
        specs=[[{}, {}], [{"colspan": 2}, None]],
        row_heights=[0.58, 0.42],
        horizontal_spacing=0.14,
        vertical_spacing=0.2,
    )
    last = len(course.steps) - 1
    figure.add_trace(
        go.Scatter(**_arrows(course, last), mode="lines", line={"color": NEUTRAL, "width": 3}), 1, 1
    )
    figure.add_scatter(
        **xy(course.scaled_rows[last]),
        mode="markers",
        marker={"symbol": "diamond", "size": 10, "color": NEUTRAL},
        text=list(names),
        hovertemplate="classifier row of %{text}<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_trace(named_means(course.scaled_means[last], names, colours, width=3, size=20), 1, 1)
    # squares instead of a heatmap, which blinks in the browser each time its values change
    figure.add_scatter(
        x=[names[column] for column in _pairs(course)[1].tolist()],
        y=[names[row] for row in _pairs(course)[0].tolist()],
        mode="markers+text",
        marker={
            "symbol": "square",
            "size": 26,
            "cmin": course.optimum - REACH_DEGREES,
            "cmax": course.optimum + REACH_DEGREES,
            "colorscale": ANGLE_SCALE,
            "line": {"color": NEUTRAL, "width": 1},
        },
        textfont={"size": 12},
        hovertemplate="%{y} and %{x}: %{marker.color:.1f}°<extra></extra>",
        row=1,
        col=2,
    )
    curves = (
        ("mean", course.angles.mean, {"color": NEUTRAL, "dash": "dot", "width": 2}),
        ("smallest", course.angles.minimum, {"color": "#56B4E9", "width": 3}),
    )
    for name, values, line in curves:
        figure.add_trace(
            go.Scatter(
                x=plotted(course.steps),
                y=values.round(3),
                mode="lines",
                name=name,
                line=line,
                customdata=course.steps,
                hovertemplate=f"step %{{customdata}}: {name} angle %{{y:.1f}}°<extra></extra>",
            ),
            2,
            1,
        )
    figure.add_trace(cursor(course.steps[last], course.angles.minimum[last]), 2, 1)
    figure.add_hline(
        y=course.optimum,
        line={"dash": "dash", "color": OPTIMUM_COLOUR, "width": 1.5},
        annotation_text=f"ETF {course.optimum:.1f}°",
        annotation_position="top left",
        row=2,
        col=1,
    )
    at = course.frame_at(40)
    say(figure, 3, int(course.steps[at]), float(course.angles.minimum[at]) - 18, "smallest", right=True)
    say(figure, 3, 0, float(course.angles.mean[0]) - 15, "mean", right=True)
    plane(figure, 0.7)
    figure.add_trace(truly(course, names, 0.7), 1, 1)
    # the angle of a class with itself says nothing
    figure.add_scatter(
        x=list(names),
        y=list(names),
        mode="markers",
        marker={"symbol": "square", "size": 26, "color": GREY_GROUND},
        hoverinfo="skip",
        name="same class",
        row=1,
        col=2,
    )
    side = {"showgrid": False, "zeroline": False, "categoryorder": "array", "categoryarray": list(names)}
    figure.update_xaxes(**side, tickangle=90, constrain="domain", row=1, col=2)
    figure.update_yaxes(**side, autorange="reversed", scaleanchor="x2", constrain="domain", row=1, col=2)
    steps_axis(figure, course, row=2, col=1)
    figure.update_yaxes(
        title="angle (°)",
        range=[min(55.0, float(course.angles.minimum.min()) - 4), 118],
        row=2,
        col=1,
    )
    figure.frames = [
        go.Frame(
            data=[
                go.Scatter(**_arrows(course, at)),
                go.Scatter(**xy(course.scaled_rows[at])),
                go.Scatter(**xy(course.scaled_means[at])),
                go.Scatter(**_cells(course, at)),
                go.Scatter(x=[plotted(course.steps)[at]], y=[course.angles.minimum[at]]),
                go.Scatter(text=[drawn_text(course, names, at)]),
            ],
            traces=[0, 1, 2, 3, 6, 7],
        )
        for at in range(len(course.steps))
    ]
    finished(figure, height=500, legend=False)
    return with_player(figure, course.steps.tolist(), what="step", duration=FRAME_MILLISECONDS)


def _spreads(course: CollapseCourse, at: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return lines from the mean of the first class to its points, and from the centre of all to that mean."""
    mean, points = course.means[at][0], course.points[at][np.asarray(course.labels) == 0]
    # there and back again, without the gaps that would weigh as much as points
    within = np.stack([points, np.broadcast_to(mean, points.shape)], axis=1)
    return xy(within.reshape(-1, 2)), xy(np.stack([course.means[at].mean(axis=0), mean]))


def _named(course: CollapseCourse, at: int) -> dict[str, Any]:
    """Return where the names of both lines stand: at the point that lies leftmost, and half way to the mean."""
    own = course.points[at][np.asarray(course.labels) == 0]
    middle = (course.means[at].mean(axis=0) + course.means[at][0]) / 2
    return xy(np.stack([own[own[:, 0].argmin()], middle]))


def _arrows(course: CollapseCourse, at: int) -> dict[str, Any]:
    rows = course.scaled_rows[at]
    lines = np.full((len(rows), 3, 2), np.nan, dtype=np.float32)
    lines[:, 0], lines[:, 1] = 0.0, rows
    return xy(lines.reshape(-1, 2))


def _cells(course: CollapseCourse, at: int) -> dict[str, Any]:
    """Return what changes of the angles between two classes: colour and number."""
    angles = course.angles.angles[at][_pairs(course)]
    dark = np.abs(angles - course.optimum) > REACH_DEGREES / 2
    return {
        "text": [f"{angle:.0f}" for angle in angles],
        "textfont": {"color": np.where(dark, "white", "#222222").tolist()},
        "marker": {"color": angles.round(1).tolist()},
    }


def _pairs(course: CollapseCourse) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(~np.eye(course.angles.angles.shape[1], dtype=bool))
    return rows, columns


def _nc1(course: CollapseCourse, line: Mapping[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=plotted(course.steps),
        y=course.nc1,
        mode="lines",
        line=line,
        name=_decay_name(course),
        customdata=course.steps,
        hovertemplate="step %{customdata}: NC1 %{y:.2e}<extra></extra>",
    )


def _decay_name(course: CollapseCourse) -> str:
    return f"weight decay {course.decay:g}" if course.decay else "no weight decay"
