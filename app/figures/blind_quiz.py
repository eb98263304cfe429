"""Three runs told apart by marks alone until their names are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures.line_ends import name_line_ends
from app.figures.style import LOG_TICKS, NEUTRAL, epoch_axis, family_colour, finished
from mlcnc.analysis.comparison.blind_quiz import Reading
from mlcnc.analysis.curves.curve import Curve

BLIND_NAMES = ("Run 1", "Run 2", "Run 3")
MARKS = ("circle", "square", "diamond")
DASHES = ("solid", "dot", "dash")
CLASSES = {"total": "all classes"}
"""What a bucket is called on an axis, where not by its name."""


@dataclass(frozen=True)
class Look:
    """How one run is drawn: name, colour, mark and dash of its line."""

    name: str
    colour: str
    mark: str
    dash: str


def blind_looks() -> tuple[Look, ...]:
    """Return three looks of one colour."""
    return tuple(
        Look(name, NEUTRAL, mark, dash) for name, mark, dash in zip(BLIND_NAMES, MARKS, DASHES, strict=True)
    )


def open_looks(names: Sequence[str], embeddings: Sequence[str]) -> tuple[Look, ...]:
    """Return the same looks with the names and colours of the embeddings."""
    return tuple(
        Look(name, family_colour(kind), mark, dash)
        for name, kind, mark, dash in zip(names, embeddings, MARKS, DASHES, strict=True)
    )


def quiz_curves(
    looks: Sequence[Look],
    curves: Sequence[Curve],
    baseline: float | None,
    chosen: Sequence[tuple[float, float]] = (),
) -> go.Figure:
    """Return NC1 over epochs, one line a run, and the label-shuffle baseline.

    Args:
        looks, curves: of the runs.
        baseline: with labels shuffled; None where no run measured it.
        chosen: epoch and value of each run that a large open mark stands at.
    """
    figure = go.Figure()
    for look, item in zip(looks, curves, strict=True):
        # a mark every few epochs, so that the line stays a line
        step = max(1, len(item.epochs) // 8)
        figure.add_scatter(
            name=look.name,
            x=item.epochs,
            y=item.values.round(4),
            mode="lines+markers",
            line={"color": look.colour, "width": 2, "dash": look.dash},
            marker={
                "symbol": look.mark,
                "color": look.colour,
                "size": [9 if index % step == 0 else 0 for index in range(len(item.epochs))],
            },
            hovertemplate="epoch %{x}: %{y:.3g}<extra>%{fullData.name}</extra>",
        )
    epochs = [int(epoch) for item in curves for epoch in item.epochs]
    if baseline is not None and epochs:
        figure.add_scatter(
            name=f"labels shuffled ({baseline:.3g}): no collapse at all",
            x=[min(epochs), max(max(epochs), min(epochs) + 1)],
            y=[baseline, baseline],
            mode="lines",
            line={"dash": "longdashdot", "color": NEUTRAL, "width": 1.5},
            hovertemplate="%{y:.3g} with labels shuffled<extra></extra>",
        )
    for look, (epoch, value) in zip(looks, chosen, strict=False):
        figure.add_scatter(
            name=f"{look.name}, last measured epoch",
            x=[epoch],
            y=[round(value, 4)],
            mode="markers",
            marker={"symbol": f"{look.mark}-open", "color": look.colour, "size": 17, "line": {"width": 2.5}},
            hovertemplate="epoch %{x}: %{y:.3g}<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(**epoch_axis(epochs))
    figure.update_yaxes(title="NC1 on test images (log)", type="log", **LOG_TICKS)
    finished(figure, height=340, legend=False)
    ends = [(look.name, item.values[-1]) for look, item in zip(looks, curves, strict=True) if len(item.values)]
    ends += [] if baseline is None else [(f"labels shuffled,<br>{baseline:.3g}: no collapse", baseline)]
    named = [(name, math.log10(value)) for name, value in ends if value > 0]
    return name_line_ends(figure, named, x=1.02 * max(epochs, default=1), gap=0.19, room=135)


def quiz_buckets(looks: Sequence[Look], buckets: Sequence[str], readings: Sequence[Reading]) -> go.Figure:
    """Return test mAP by bucket: the mean over seeds as a mark, their range as a line, each seed as a dot.

    Args:
        looks: of the three runs.
        buckets: names on the axis.
        readings: one a bucket.
    """
    figure = go.Figure()
    places = np.arange(len(buckets))
    for index, look in enumerate(looks):
        x = places + 0.22 * (index - 1)
        spreads = [found.spreads[index] for found in readings]
        figure.add_scatter(
            name=f"{look.name} (n={max(item.num_runs for item in spreads)})",
            x=x,
            y=[round(item.mean, 2) for item in spreads],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [item.high - item.mean for item in spreads],
                "arrayminus": [item.mean - item.low for item in spreads],
                "color": look.colour,
                "thickness": 2,
                "width": 0,
            },
            mode="markers",
            marker={"symbol": look.mark, "color": look.colour, "size": 12},
            hovertemplate="mean %{y:.1f} %<extra>%{fullData.name}</extra>",
        )
        seeds = [
            (place, value) for place, found in zip(x, readings, strict=True) for value in found.seeds[index]
        ]
        figure.add_scatter(
            name=f"{look.name}, single seeds",
            x=[float(place) + 0.05 for place, _ in seeds],
            y=[round(value, 2) for _, value in seeds],
            mode="markers",
            marker={"symbol": f"{look.mark}-open", "color": look.colour, "size": 7},
            showlegend=False,
            hovertemplate="one seed %{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(tickvals=places, ticktext=[CLASSES.get(bucket, bucket) for bucket in buckets])
    figure.update_yaxes(title="test mAP (%)")
    return finished(figure, height=360)
