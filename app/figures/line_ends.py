"""Names beside the ends of lines, where a legend would be far from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import fmean

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
    places = spread_out([value for _, value in ends], [gap] * len(ends))
    for (name, _), y in zip(ends, places, strict=True):
        figure.add_annotation(
            x=x, y=y, text=name, xanchor="left", xshift=8, align="left", showarrow=False, font={"size": 12}
        )
    return figure.update_layout(margin={"r": room})


def spread_out(
    wanted: Sequence[float], heights: Sequence[float], within: tuple[float, float] = (-math.inf, math.inf)
) -> list[float]:
    """Return places of names, moved from the wanted ones as little as needed, so that none lies on another.

    Args:
        wanted: where the middle of each is to be.
        heights: of each, in the same units.
        within: least and greatest place; where too little room is, the greatest holds.

    Example:
        >>> spread_out([1.0, 1.0, 9.0], [2.0, 2.0, 2.0])
        [0.0, 2.0, 9.0]
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    steps = [(heights[lower] + heights[upper]) / 2 for lower, upper in pairwise(order)]
    stacked = list(accumulate(steps, initial=0.0))  # places where all touch, the lowest at 0
    groups: list[list[float]] = []  # of names that touch, where each wants the lowest of such a stack
    for index, above in zip(order, stacked, strict=False):
        groups.append([wanted[index] - above])
        while len(groups) > 1 and fmean(groups[-1]) < fmean(groups[-2]):
            touching = groups.pop()
            groups[-1] += touching
    least, greatest = within[0], within[1] - stacked[-1]
    starts = [min(max(fmean(group), least), greatest) for group in groups for _ in group]
    moved = {index: start + above for index, start, above in zip(order, starts, stacked, strict=False)}
    return [moved[index] for index in range(len(wanted))]
