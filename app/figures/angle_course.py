"""Smallest angle or Gram distance over epochs, with the line of an ETF and the band of random directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.null_band import add_null_band
from app.figures.player import curve_mark
from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, epoch_axis, recipe_colour, run_dash
from mlcnc.analysis.curves.points import is_sparse
from mlcnc.analysis.geometry.angle_course import AngleCourse
from mlcnc.analysis.runs.rows import RunRow

Courses = Sequence[tuple[RunRow, AngleCourse]]


def add_courses(figure: go.Figure, courses: Courses, epochs: Sequence[int], where: dict[str, int]) -> list[int]:
    """Draw what each run went through into a part of a figure.

    Args:
        figure: with the part; its frames move the marks.
        courses: of one quantity.
        epochs: of the frames, from 0.
        where: row and column of the part.

    Returns:
        Places of the marks among the traces, one a run whose course has points: see :func:`course_marks`.
    """
    is_angle = courses[0][1].quantity == "smallest angle"
    logged = [int(epoch) for _, course in courses for epoch in course.curve.epochs]
    ends = (min([*logged, *(epoch + 1 for epoch in epochs)]), max([*logged, *(epoch + 1 for epoch in epochs)]))
    part = figure.get_subplot(where["row"], where["col"])
    x, y = (axis.plotly_name.replace("axis", "") for axis in (part.xaxis, part.yaxis))
    nulls = {course.null: row.name for row, course in reversed(courses) if course.null is not None}
    for null in nulls:
        add_null_band(figure, null, ends, "°" if is_angle else "", y)
        for trace in figure.data[-2:]:
            trace.update(xaxis=x, showlegend=False)
    if nulls:
        edge = min(null.low for null in nulls) if is_angle else max(null.high for null in nulls)
        said = _said({null.mean: name for null, name in nulls.items()}, is_angle)
        words = f"random directions {said}, 95 % of draws shaded"
        _write(figure, ends[1], edge, words, NEUTRAL, below=is_angle, where=where)
    optima = {course.optimum: row.name for row, course in reversed(courses) if np.isfinite(course.optimum)}
    what = "simplex ETF" if is_angle or max(optima, default=0) == 0 else "the least that the dimension allows"
    for optimum in optima:
        _optimum(figure, ends, optimum, what, is_angle, where)
    if optima:
        edge = max(optima) if is_angle else min(optima)
        _write(
            figure,
            ends[1],
            edge,
            f"{what} {_said(optima, is_angle)}",
            OPTIMUM_COLOUR,
            below=not is_angle,
            where=where,
        )
    for row, course in courses:
        rare = is_sparse(course.curve.epochs)
        figure.add_scatter(
            name=row.name,
            x=course.curve.epochs,
            y=course.curve.values,
            mode="markers" if rare else "lines",
            line={"color": recipe_colour(row), "width": 2, "dash": run_dash(row)},
            marker={"color": recipe_colour(row), "size": 7},
            hovertemplate=f"epoch %{{x}}: {course.quantity} %{{y:{'.1f' if is_angle else '.3f'}}}"
            f"{'°' * is_angle}<extra>%{{fullData.name}}</extra>",
            **where,
        )
    figure.update_xaxes(**epoch_axis([*logged, *ends]), showgrid=False, **where)
    # lines of a grid would strike through the names
    title = f"{courses[0][1].quantity}{' (°)' * is_angle}"
    figure.update_yaxes(title_text=title, showgrid=False, zeroline=False, ticks="outside", **where)
    figure.update_yaxes(range=_range(courses), nticks=6, **where)
    places = []
    for row, course in courses:
        if len(course.curve.epochs):
            figure.add_scatter(
                mode="markers",
                marker={"color": recipe_colour(row), "size": 11, "line": {"color": NEUTRAL, "width": 2}},
                hoverinfo="skip",
                showlegend=False,
                **where,
            )
            places.append(len(figure.data) - 1)
    return places


def course_marks(courses: Courses, epoch: int) -> list[dict[str, Any]]:
    """Return the parts of a frame that set the marks at an epoch from 0."""
    return [curve_mark(course.curve, epoch) for _, course in courses if len(course.curve.epochs)]


def _optimum(
    figure: go.Figure,
    ends: tuple[int, int],
    optimum: float,
    what: str,
    is_angle: bool,
    where: dict[str, int],
) -> None:
    figure.add_scatter(
        name="optimum",
        x=_widened(ends),
        y=[optimum, optimum],
        mode="lines",
        line={"color": OPTIMUM_COLOUR, "width": 2, "dash": "dash"},
        hovertemplate=f"{what}: {_number(optimum, is_angle)}<extra></extra>",
        showlegend=False,
        **where,
    )


def _write(
    figure: go.Figure, x: float, y: float, words: str, colour: str, *, below: bool, where: dict[str, int]
) -> None:
    """Name a line at its end, on the side away from the other."""
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="text",
        text=[f"{words}\u2003"],  # clear of the mark of the last epoch
        textposition="bottom left" if below else "top left",
        textfont={"color": colour, "size": 12},
        hoverinfo="skip",
        showlegend=False,
        **where,
    )


def _widened(ends: tuple[int, int]) -> tuple[float, float]:
    return ends if ends[0] < ends[1] else (ends[0] - 0.5, ends[1] + 0.5)


def _said(values: dict[float, str], is_angle: bool) -> str:
    """Return the values, of several each with the name of its run."""
    return ", ".join(
        _number(value, is_angle) + f" ({name})" * (len(values) > 1) for value, name in reversed(values.items())
    )


def _number(value: float, is_angle: bool) -> str:
    return f"{value:.1f}°" if is_angle else f"{value:.3g}"


def _range(courses: Courses) -> list[float] | None:
    """Return room for every line, and beyond the outer ones for their names."""
    values = [course.curve.values for _, course in courses] + [[course.optimum] for _, course in courses]
    values += [[course.null.low, course.null.high] for _, course in courses if course.null is not None]
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    room = 0.22 * ((high - low) or 1.0)
    return [low - room, high + room]
