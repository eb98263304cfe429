"""Attention over a picture, epoch by epoch, for one to three runs in step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.figures.attention import (
    COLOUR_BAR,
    EVEN,
    LEAST_PEAK,
    OUTLINE,
    RISING,
    enlarged,
    image_address,
    outline,
)
from app.figures.backdrop import add_backdrop
from app.figures.player import with_player
from app.figures.style import OPTIMUM_COLOUR, finished
from mlcnc.analysis.images.attention import AttentionCourse, times_even

NARROW = 600
"""Pixels of a chart; with less, pictures stand in two columns."""


def attention_course_figure(
    courses: Sequence[tuple[str, AttentionCourse]],
    *,
    opacity: float,
    smooth: bool = False,
    start: int = -1,
    backdrops: Sequence[str | None] = (),
) -> go.Figure:
    """Return the pictures side by side with attention cells, outline and object boxes; epochs are frames.

    Args:
        courses: names of one to three runs with their attention of the same image and class.
        opacity: of the attention, 0 to 1.
        smooth: draw an interpolation between the middles of the cells instead of the cells.
        start: index of the epoch shown first.
        backdrops: one a run, the address of a photograph in place of the image that the run stores, or None;
            where there is neither it is grey.

    Returns:
        The colour scale is in multiples of even attention, the same for every run and epoch, and ends at the
        brightest cell of all; what is below even is transparent. Runs with other epochs show the nearest
        stored one. The white line surrounds the fewest cells that hold
        half of the attention.
    """
    epochs = sorted({epoch for _, course in courses for epoch in course.epochs})
    peak = highest(courses)
    figure = go.Figure()
    gap = 0.04
    width = (1 - gap * (len(courses) - 1)) / len(courses)
    for number, (name, course) in enumerate(courses):
        suffix = "" if number == 0 else str(number + 1)
        tall, wide = course.size
        rows, columns = course.maps.shape[1:]
        figure.add_heatmap(
            x=(np.arange(columns) + 0.5) * wide / columns,
            y=(np.arange(rows) + 0.5) * tall / rows,
            z=_shown(course, epochs[0]),
            zmin=EVEN,
            zmax=peak,
            zsmooth="best" if smooth else False,
            colorscale=RISING,
            opacity=opacity,
            showscale=number == 0,
            colorbar={**COLOUR_BAR, "x": 1.0},
            hovertemplate="%{z:.2f} times even attention<extra>" + name + "</extra>",
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
        )
        figure.add_scatter(
            **_outline(course, epochs[0]),
            mode="lines",
            line=OUTLINE,
            hoverinfo="skip",
            showlegend=False,
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
        )
        start_at = number * (width + gap)
        own = None if course.image is None else image_address(enlarged(course.image))
        address = backdrops[number] if backdrops else None
        axes = f"x{suffix}", f"y{suffix}"
        add_backdrop(figure, address or own, course.size, axes=axes, is_photograph=address is not None)
        for x0, y0, x1, y1 in course.boxes:
            figure.add_shape(
                type="rect",
                x0=x0,
                y0=y0,
                x1=x1,
                y1=y1,
                xref=f"x{suffix}",
                yref=f"y{suffix}",
                line={"color": OPTIMUM_COLOUR, "width": 3, "dash": "dash"},
            )
        figure.update_layout(
            {
                f"xaxis{suffix}": {
                    "domain": [start_at, start_at + width],
                    "anchor": f"y{suffix}",
                    "range": [0, wide],
                    "visible": False,
                    "constrain": "domain",
                    "fixedrange": True,
                },
                f"yaxis{suffix}": {
                    "anchor": f"x{suffix}",
                    "range": [tall, 0],
                    "visible": False,
                    "scaleanchor": f"x{suffix}",
                    "constrain": "domain",
                    "fixedrange": True,
                },
            }
        )
        figure.add_annotation(
            text=name,
            x=0.5,
            y=1.0,
            xref=f"x{suffix} domain",
            yref=f"y{suffix} domain",
            xanchor="center",
            yanchor="bottom",
            showarrow=False,
        )
    figure.frames = [
        go.Frame(
            data=[
                part
                for _, course in courses
                for part in (
                    go.Heatmap(z=_shown(course, epoch)),
                    go.Scatter(**_outline(course, epoch)),
                )
            ],
            traces=list(range(2 * len(courses))),
        )
        for epoch in epochs
    ]
    with_player(figure, [epoch + 1 for epoch in epochs], start=start)
    figure = finished(figure, height=470, legend=False)
    figure.update_layout(margin={"t": 34})
    if len(courses) > 1:
        figure.update_layout(meta={"narrow": _two_in_a_row(len(courses))})
    return figure


def _two_in_a_row(number: int) -> dict[str, Any]:
    """Return the layout for a narrow window, where three pictures beside each other are too small."""
    high, gap = 220, 44
    num_rows = (number + 1) // 2
    whole = num_rows * high + (num_rows - 1) * gap
    axes: dict[str, Any] = {}
    for turn in range(number):
        row, column = divmod(turn, 2)
        suffix, top = "" if turn == 0 else str(turn + 1), whole - row * (high + gap)
        axes[f"xaxis{suffix}"] = {"domain": [0.53 * column, 0.47 + 0.53 * column]}
        axes[f"yaxis{suffix}"] = {"domain": [(top - high) / whole, top / whole]}
    return {"below": NARROW, "layout": axes | {"height": whole + 150}}


def highest(courses: Sequence[tuple[str, AttentionCourse]]) -> float:
    """Return where the common colour scale ends, in multiples of even attention."""
    return max(LEAST_PEAK, *(float(times_even(course.maps).max()) for _, course in courses))


def nearest_index(course: AttentionCourse, epoch: int) -> int:
    """Return which stored epoch of a course is nearest to ``epoch``, the later of two equal ones."""
    return min(
        range(len(course.epochs)), key=lambda index: (abs(course.epochs[index] - epoch), -course.epochs[index])
    )


def _shown(course: AttentionCourse, epoch: int) -> NDArray[np.float32]:
    return times_even(course.maps[nearest_index(course, epoch)]).round(3).astype(np.float32)


def _outline(course: AttentionCourse, epoch: int) -> dict[str, NDArray[np.float32]]:
    return outline(course.maps[nearest_index(course, epoch)], course.size)
