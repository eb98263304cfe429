"""A slider and play buttons that move a figure through its frames, in the browser alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.style import NEUTRAL
from mlcnc.analysis.curves.curve import Curve

PLAY_MILLISECONDS = 700
STEP_INSET = 10
_AT_ONCE: dict[str, Any] = {"duration": 0, "redraw": True}


def with_player(
    figure: go.Figure,
    labels: Sequence[int | str],
    *,
    start: int = -1,
    what: str = "epoch",
    duration: int = PLAY_MILLISECONDS,
    below: int = 46,
    axis: str | None = None,
) -> go.Figure:
    """Return the figure with a slider over its frames and buttons to play and pause.

    Args:
        figure: with one frame for each label; frames name the traces they change.
        labels: of the frames, in order, such as epochs from 1.
        start: index of the frame shown first; by default the last one.
        what: in front of the label of the frame that is shown.
        duration: of a frame while playing, milliseconds.
        below: pixels between the lowest axis and the slider, for tick labels and title.
        axis: name in the layout of an axis with a range, on which the labels are numbers: the slider begins and
            ends where the first and the last one stand on it.

    Returns:
        The same figure. Its traces hold the values of the first shown frame; with one frame it has no
        controls, with none it is unchanged.

    Raises:
        ValueError: there is not one frame a label.
    """
    frames = list(figure.frames)
    if len(frames) != len(labels):
        raise ValueError(f"a player needs one frame a label, got {len(frames)} frames, {len(labels)} labels")
    if not frames:
        return figure
    first = range(len(frames))[max(-len(frames), min(start, len(frames) - 1))]
    for frame, label in zip(frames, labels, strict=True):
        frame.name = str(label)
    _show(figure, frames[first])
    if len(frames) == 1:
        return figure
    start_at, length = (0.0, 1.0) if axis is None else _under(figure.layout[axis], labels)
    figure.update_layout(
        sliders=[
            {
                "active": first,
                "currentvalue": {"prefix": f"{what} ", "font": {"size": 14}, "xanchor": "left"},
                # the first and the last step stand so far within the rail
                "pad": {"t": below, "b": 4} | ({} if axis is None else {"l": -STEP_INSET, "r": -STEP_INSET}),
                "x": start_at,
                "len": length,
                "y": 0.0,
                "yanchor": "top",
                "bgcolor": NEUTRAL,
                "bordercolor": NEUTRAL,
                "tickcolor": NEUTRAL,
                "steps": [
                    {
                        "label": str(label),
                        "method": "animate",
                        "args": [
                            [str(label)],
                            {"mode": "immediate", "frame": _AT_ONCE, "transition": {"duration": 0}},
                        ],
                    }
                    for label in labels
                ],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "x": 1.0,
                "xanchor": "right",
                "y": 0.0,
                "yanchor": "top",
                "pad": {"t": below - 6, "r": 0},
                "bordercolor": NEUTRAL,
                "bgcolor": "rgba(128,128,128,0.15)",
                "buttons": [
                    {
                        "label": "▶ Play",
                        "method": "animate",
                        "args": [
                            None,
                            {
                                "mode": "immediate",
                                "fromcurrent": True,
                                "frame": {"duration": duration, "redraw": True},
                                "transition": {"duration": 0},
                            },
                        ],
                    },
                    {
                        "label": "❚❚ Pause",
                        "method": "animate",
                        "args": [
                            [None],
                            {
                                "mode": "immediate",
                                "frame": {"duration": 0, "redraw": False},
                                "transition": {"duration": 0},
                            },
                        ],
                    },
                ],
            }
        ],
    )
    return figure


def _under(axis: Any, labels: Sequence[int | str]) -> tuple[float, float]:
    """Return where the first label stands on an axis and how far off the last is, as parts of the width."""
    (left, right), (low, high) = axis.domain or (0.0, 1.0), axis.range
    places = [left + (float(label) - low) / (high - low) * (right - left) for label in (labels[0], labels[-1])]
    start = min(1.0, max(0.0, places[0]))
    return start, min(1.0, max(start, places[1])) - start


def at_frame(figure: go.Figure, label: str | None) -> go.Figure:
    """Return a player's figure as it looks at one of its frames; itself where there is no such frame."""
    names = [frame.name for frame in figure.frames]
    if label not in names or not figure.layout.sliders:
        return figure
    # not go.Figure(figure), which takes the type out of the traces it copies for a moment, and others draw them
    moved = go.Figure(figure.to_plotly_json())
    _show(moved, moved.frames[names.index(label)])
    moved.layout.sliders[0].active = names.index(label)
    return moved


def curve_mark(curve: Curve, epoch: int) -> dict[str, Any]:
    """Return the part of a frame that sets a mark on a curve, at the logged epoch nearest to one from 0."""
    at = int(np.argmin(np.abs(curve.epochs - (epoch + 1))))
    return {"type": "scatter", "x": [int(curve.epochs[at])], "y": [float(curve.values[at])]}


def _show(figure: go.Figure, frame: go.Frame) -> None:
    traces = range(len(frame.data)) if frame.traces is None else frame.traces
    for index, part in zip(traces, frame.data, strict=True):
        figure.data[index].update(part.to_plotly_json() | {"type": figure.data[index].type})
    if frame.layout is not None:
        figure.update_layout(frame.layout.to_plotly_json())
