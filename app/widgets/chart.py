"""A chart with what a reader needs beside it: how to read it, its numbers and the chart to take away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

from app.figures.backdrop import holds_photograph
from app.widgets.controls import how_to_read
from app.widgets.downloads import Numbers, mode_bar, offer_downloads
from app.widgets.drawing import Drawing


def show_chart(
    figure: go.Figure | Drawing,
    *,
    key: str,
    title: str,
    alt: str,
    reading: str,
    frame: Numbers,
    on_select: Any = None,
    selection_mode: Sequence[Literal["points", "box", "lasso"]] = ("box", "lasso"),
) -> Any:
    """Draw a chart, and below it the buttons *How to read this* and *Download*.

    Args:
        figure: as drawn; one that is not of the moment comes from ``drawing_of``.
        key: unique on the page; also the name of downloaded files.
        title: of the exported chart.
        alt: what a reader who does not see the chart learns from it: the takeaway in words.
        reading: Markdown; what marks, axes, optimum and missing values mean.
        frame: the plotted numbers, as the CSV holds them, or what makes them when they are asked for.
        on_select: ``"rerun"`` or a callback where points can be selected; None where not.
        selection_mode: how points are selected.

    Returns:
        Streamlit's selection where ``on_select`` is given, else None.
    """
    drawing = figure if isinstance(figure, Drawing) else Drawing(figure)
    settings: dict[str, Any] = {"key": key, "alt": alt, "config": chart_config(drawing.figure, key)}
    event, shown = None, drawing.plain()
    if on_select is None:
        st.plotly_chart(shown, **settings)
    else:
        event = st.plotly_chart(shown, on_select=on_select, selection_mode=selection_mode, **settings)
    show_extras(drawing.figure, key=key, title=title, alt=alt, reading=reading, frame=frame)
    return event


def chart_config(figure: go.Figure, key: str) -> dict[str, Any]:
    """Return Plotly's configuration of a chart on a page; one of photographs has no camera."""
    return mode_bar(key, camera=not holds_photograph(figure))


def show_extras(
    figure: go.Figure,
    *,
    key: str,
    title: str,
    alt: str,
    reading: str,
    frame: Numbers,
    exported: Callable[[], go.Figure] | None = None,
) -> None:
    """Draw the buttons below a chart.

    Args:
        figure, key, title, alt, reading, frame: as of ``show_chart``.
        exported: makes the figure of the downloaded page where it is another one, such as one at another frame.
    """
    with st.container(horizontal=True):
        how_to_read(reading, key=f"read_{key}")
        offer_downloads(
            key,
            title,
            exported or figure,
            frame,
            alt=alt,
            reading=reading,
            photographs=holds_photograph(figure),
        )
