"""Names beside the ends of lines, where a legend would be far from them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go


def name_line_ends(
    figure: go.Figure, ends: Sequence[tuple[str, float]], *, x: float, gap: float, room: int = 120
) -> go.Figure:
    """Write the name of each line to the right of its end, none over another, and return the finished figure.

    Args:
        figure: of one pair of axes, with its margins.
        ends: name and last value of each line; on a logarithmic axis the logarithm.
        x: where the lines end; on a logarithmic axis the logarithm.
        gap: least distance of two names, in units of the vertical axis.
        room: pixels right of the axes for the names.
    """
    for (name, _), y in zip(ends, spread_out([value for _, value in ends], gap), strict=True):
        figure.add_annotation(
            x=x, y=y, text=name, xanchor="left", xshift=8, align="left", showarrow=False, font={"size": 12}
        )
    return figure.update_layout(margin={"r": room})


def spread_out(values: Sequence[float], gap: float) -> list[float]:
    """Return the values moved apart, as little as needed, until none is nearer to another than ``gap``.

    Example:
        >>> spread_out([1.0, 1.0, 9.0], 2.0)
        [0.0, 2.0, 9.0]
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    groups: list[list[float]] = []  # lowest place, and the values of those that touch
    for index in order:
        groups.append([values[index]])
        while len(groups) > 1 and _low(groups[-1], gap) < _low(groups[-2], gap) + gap * len(groups[-2]):
            touching = groups.pop()
            groups[-1] += touching
    places = [_low(group, gap) + gap * at for group in groups for at in range(len(group))]
    moved = dict(zip(order, places, strict=True))
    return [moved[index] for index in range(len(values))]


def _low(group: list[float], gap: float) -> float:
    """Return where the lowest of a group of touching names stands, their middle at that of their values."""
    return sum(group) / len(group) - gap * (len(group) - 1) / 2
