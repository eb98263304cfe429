"""The matrix of angles between classes, white where two stand as in a simplex ETF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.style import ANGLE_SCALE, NEUTRAL, class_words, finished
from mlcnc.analysis.geometry.angles import AngleRecord

REACH_DEGREES, WIDE_REACH_DEGREES = 60.0, 90.0
"""The colour scale ends so far from the optimum, the same for every run; wide where most angles lie beyond."""

MOST_TICKS = 30
"""Of more classes the names stand in the hover text alone."""

MOST_BESIDE = 22
"""Names of 12 pixels that a matrix has room for; of more classes some are left out."""


def angle_matrix(record: AngleRecord) -> go.Figure:
    """Return the matrix of angles of one epoch alone, white at the optimum."""
    figure = make_subplots(rows=1, cols=1)
    add_matrix(figure, record, 1)
    figure.data[0].update(z=matrix_values(record))
    figure.update_layout(
        coloraxis=colour_axis(record.optimum),
        shapes=[diagonal(record, figure.data[0]), *borders(record, figure.data[0])],
    )
    return finished(figure, height=520, legend=False)


def add_matrix(figure: go.Figure, record: AngleRecord, column: int, name: str = "") -> int:
    """Draw the names of a matrix into the first row of a figure, with rows and columns in the record's order.

    Returns:
        Place of the matrix among the traces; its values are left to the frames.
    """
    form = ".1f" if stored_as(len(record.class_names)) == np.float32 else ".0f"
    classes = list(zip(record.class_names, record.class_counts, record.buckets, strict=True))
    labels = [class_words(*each) for each in classes]
    optimum = "" if np.isnan(record.optimum) else f" (ETF {record.optimum:.1f}°)"
    figure.add_heatmap(
        x=labels,
        y=labels,
        coloraxis="coloraxis",
        hovertemplate=f"%{{y}} and %{{x}}: %{{z:{form}}}°{optimum}<extra>{name}</extra>",
        hoverongaps=False,
        row=1,
        col=column,
    )
    # the columns are in the order of the rows, so names stand at the rows of the first matrix alone
    blocks, step = _blocks(record.buckets), 1 + (len(classes) - 1) // MOST_BESIDE
    figure.update_xaxes(
        tickvals=[(first + last) / 2 for _, first, last in blocks],
        ticktext=[bucket for bucket, *_ in blocks],
        tickangle=0,
        ticks="",
        showgrid=False,
        constrain="domain",
        row=1,
        col=column,
    )
    figure.update_yaxes(
        autorange="reversed",
        scaleanchor=f"x{'' if column == 1 else column}",
        constrain="domain",
        constraintoward="top",
        tickfont={"size": 12},
        tickvals=list(range(0, len(classes), step)),
        ticktext=[f"{of} ({count})" for of, count, _ in classes[::step]],
        ticks="",
        showgrid=False,
        showticklabels=column == 1 and len(labels) <= MOST_TICKS,
        row=1,
        col=column,
    )
    return len(figure.data) - 1


def stored_as(num_classes: int) -> np.dtype[Any]:
    """Return the type of a matrix in a figure: tenths of degrees, of many classes whole ones in a byte each."""
    return np.dtype(np.float32 if num_classes <= MOST_TICKS else np.uint8)


def matrix_values(record: AngleRecord) -> np.ndarray[Any, Any]:
    """Return the angles in degrees, ``(C, C)``, as a figure holds them: not those of a class with itself."""
    stored = stored_as(len(record.class_names))
    # a class that was not seen has no angle, and a byte no sign for that
    if stored == np.uint8 and np.isfinite(record.angles).all():
        return record.angles.round().astype(stored)
    values = record.angles.round(1).astype(np.float32)
    np.fill_diagonal(values, np.nan)
    return values


def diagonal(record: AngleRecord, trace: Any) -> dict[str, Any]:
    """Return grey cells where a class meets itself, so that an exact ETF is no empty square."""
    cells = (f"M{i - 0.5},{i - 0.5}H{i + 0.5}V{i + 0.5}H{i - 0.5}Z" for i in range(len(record.class_names)))
    return {
        "type": "path",
        "path": "".join(cells),
        "xref": trace.xaxis,
        "yref": trace.yaxis,
        "fillcolor": NEUTRAL,
        "line": {"width": 0},
    }


def borders(record: AngleRecord, trace: Any) -> list[dict[str, Any]]:
    """Return lines between head, medium and tail; none where the classes are in another order."""
    line = {"type": "line", "line": {"color": NEUTRAL, "width": 1.5}, "xref": trace.xaxis, "yref": trace.yaxis}
    last = len(record.buckets) - 0.5
    return [
        {**line, f"{axis}0": first - 0.5, f"{axis}1": first - 0.5, f"{other}0": -0.5, f"{other}1": last}
        for _, first, _ in _blocks(record.buckets)[1:]
        for axis, other in (("x", "y"), ("y", "x"))
    ]


def reach_of(records: Sequence[AngleRecord]) -> float:
    """Return how far from the optimum colours have to reach, so that a matrix is no block of one colour.

    Args:
        records: shown on one scale, at all epochs of a film.

    Returns:
        The common reach; the wide one, which holds nearly every angle there is, where most pairs of one of them
        lie beyond the common one.
    """
    for record in records:
        pairs = record.angles[np.triu_indices(len(record.angles), k=1)]
        beyond = np.abs(pairs[np.isfinite(pairs)] - record.optimum) > REACH_DEGREES
        if len(beyond) and beyond.mean() > 0.5:
            return WIDE_REACH_DEGREES
    return REACH_DEGREES


def reach_sentence(optimum: float, reach: float) -> str:
    """Return that the colours reach further than they do elsewhere; empty where they do not."""
    if reach == REACH_DEGREES:
        return ""
    ends, usual = ((optimum - of, min(180.0, optimum + of)) for of in (reach, REACH_DEGREES))
    return (
        f"Colours reach from {ends[0]:.0f}° to {ends[1]:.0f}° here, the ETF still white, for at some epoch "
        f"most pairs lie beyond the usual {usual[0]:.0f}° to {usual[1]:.0f}°: compare them with a chart that "
        "says so too."
    )


def colour_axis(optimum: float, reach: float = REACH_DEGREES) -> dict[str, Any]:
    """Return the colours of angles, in degrees, around the optimum, which is 90 where there is none."""
    steps = (-reach, -reach / 2, 0, reach / 2, reach)
    middle, name = (90.0, "") if np.isnan(optimum) else (optimum, " ETF")  # one class has no ETF
    return {
        "colorscale": ANGLE_SCALE,
        "cmin": middle - reach,
        "cmax": middle + reach,
        "colorbar": {
            "title": {"text": "angle (°)", "side": "right"},
            "len": 0.55,
            "y": 1.0,
            "yanchor": "top",
            "thickness": 12,
            "tickvals": [min(180.0, middle + step) for step in steps],
            "ticktext": [
                end_sign(middle, step, reach) + f"{min(180.0, middle + step):.0f}" + name * (step == 0)
                for step in steps
            ],
        },
    }


def end_sign(middle: float, step: float, reach: float = REACH_DEGREES) -> str:
    """Return the sign before the number at an end of the scale, beyond which angles have the same colour."""
    if abs(step) < reach or not 0 < middle + step < 180:
        return ""
    return "\u2264 " if step < 0 else "\u2265 "


def _blocks(buckets: Sequence[str]) -> list[tuple[str, int, int]]:
    starts = [i for i in range(len(buckets)) if i == 0 or buckets[i] != buckets[i - 1]]
    ends = [*(start - 1 for start in starts[1:]), len(buckets) - 1]
    # in another order than by frequency a bucket is no block, and lines would only clutter
    if len(starts) > len(set(buckets)):
        return []
    return [(buckets[first], first, last) for first, last in zip(starts, ends, strict=True)]
