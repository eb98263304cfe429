"""What lies below attention: a picture of the run, a photograph that only the reader has, or grey."""

from __future__ import annotations

import plotly.graph_objects as go

NO_PICTURE = "#8c8c8c"
"""Neutral, and light enough for the dark end of the colour scale."""

_PHOTOGRAPH = "photograph"
"""Name of an image of a figure that must not leave the page."""


def add_backdrop(
    figure: go.Figure,
    address: str | None,
    size: tuple[int, int],
    *,
    axes: tuple[str, str] = ("x", "y"),
    is_photograph: bool = False,
) -> None:
    """Draw a picture below everything else, or a grey square where there is none.

    Args:
        figure: to draw in.
        address: of the picture, or None.
        size: height and width that it takes, in units of the axes.
        axes: by name.
        is_photograph: whether it is read from the reader's own folder, so that no download may hold it.
    """
    height, width = size
    if address is None:
        figure.add_shape(
            type="rect", x0=0, y0=0, x1=width, y1=height, xref=axes[0], yref=axes[1],
            fillcolor=NO_PICTURE, line_width=0, layer="below",
        )  # fmt: skip
        return
    figure.add_layout_image(
        source=address, x=0, y=0, sizex=width, sizey=height, xref=axes[0], yref=axes[1],
        sizing="stretch", layer="below", name=_PHOTOGRAPH if is_photograph else None,
    )  # fmt: skip


def holds_photograph(figure: go.Figure) -> bool:
    """Return whether a figure shows something that no download may hold."""
    return any(image.name == _PHOTOGRAPH for image in figure.layout.images)


def without_photographs(figure: go.Figure) -> go.Figure:
    """Return the figure as it may leave the page: with grey in place of photographs."""
    if not holds_photograph(figure):
        return figure
    kept = [image for image in figure.layout.images if image.name != _PHOTOGRAPH]
    # not go.Figure(figure), which takes the type out of traces that others draw at this moment
    copy = go.Figure(figure.to_plotly_json())
    copy.layout.images = kept
    for image in figure.layout.images:
        if image.name == _PHOTOGRAPH:
            add_backdrop(copy, None, (image.sizey, image.sizex), axes=(image.xref, image.yref))
    return copy
