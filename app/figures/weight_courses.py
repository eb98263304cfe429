"""What the weight of the alignment loss does, a line a label embedding over equally distant weights."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.line_ends import name_line_ends
from app.figures.style import EMBEDDING_COLOURS, NEUTRAL, finished
from mlcnc.evidence.weight_of_alignment import WeightCourse

LOOKS = {"ETF": ("etf", "circle"), "trainable": ("trainable", "square"), "GloVe": ("glove", "diamond")}


def cosines_over_weight(courses: Sequence[WeightCourse]) -> go.Figure:
    """Return the cosine of features with their label embedding, solid on training and dotted on test images."""
    figure = go.Figure()
    ends = []
    for split, dash, values in (
        ("training", "solid", [course.train for course in courses]),
        ("test", "dot", [course.test for course in courses]),
    ):
        for course, found in zip(courses, values, strict=True):
            _line(figure, course, found, split, dash)
            ends.append((f"{course.series}, {split}", found[-1]))
    lowest = min((value for course in courses for value in (*course.train, *course.test)), default=0.0)
    figure.add_hline(y=0, line={"color": NEUTRAL, "dash": "dash", "width": 1.5})
    figure.update_yaxes(
        title="cosine with label embedding", range=[min(-0.08, lowest - 0.05), 1.02], dtick=0.25
    )
    return _finished(figure, courses, ends, gap=0.085)


def accuracy_over_weight(courses: Sequence[WeightCourse]) -> go.Figure:
    """Return the total test mAP."""
    figure = go.Figure()
    for course in courses:
        _line(figure, course, course.map_total, "test mAP", "solid")
    values = [value for course in courses for value in course.map_total]
    figure.update_yaxes(title="test mAP (%)", tickformat=".3~g")
    ends = [(course.series, course.map_total[-1]) for course in courses]
    return _finished(figure, courses, ends, gap=max(0.085 * (max(values) - min(values)), 1e-9))


def _line(figure: go.Figure, course: WeightCourse, values: Sequence[float], what: str, dash: str) -> None:
    kind, mark = LOOKS.get(course.series, ("", "circle"))
    colour = EMBEDDING_COLOURS.get(kind, NEUTRAL)
    figure.add_scatter(
        name=f"{course.series}, {what}",
        x=[f"{weight:g}" for weight in course.weights],
        y=[round(value, 4) for value in values],
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2.5},
        marker={"symbol": mark if dash == "solid" else f"{mark}-open", "size": 9},
        hovertemplate="weight %{x}: %{y:.3g}<extra>%{fullData.name}</extra>",
    )


def _finished(
    figure: go.Figure, courses: Sequence[WeightCourse], ends: Sequence[tuple[str, float]], gap: float
) -> go.Figure:
    weights = sorted({weight for course in courses for weight in course.weights})
    figure.update_xaxes(
        title="weight of the alignment loss",
        type="category",
        categoryorder="array",
        categoryarray=[f"{weight:g}" for weight in weights],
    )
    return name_line_ends(
        finished(figure, height=340, legend=False), ends, x=len(weights) - 1, gap=gap, room=115
    )
