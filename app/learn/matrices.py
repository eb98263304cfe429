"""Matrices of angles beside each other, below each other in a narrow window, with one set of buttons."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.figures.angle_panels import AnglePanel, angle_panels
from app.learn.frame import beside
from app.widgets.chart import chart_config, show_extras
from app.widgets.drawing import drawing_of


def show_matrices(
    panels: Sequence[AnglePanel],
    names: Sequence[str],
    counts: Sequence[int],
    optimum: float,
    borders: Sequence[float],
    *,
    key: str,
    title: str,
    alt: str,
    reading: str,
    frame: pd.DataFrame,
) -> None:
    """Draw each matrix as a chart of its own; the download holds all of them.

    Args:
        panels, names, counts, optimum, borders: as of ``angle_panels``.
        key, title, alt, reading, frame: as of ``show_chart``.
    """
    for index, (column, panel) in enumerate(zip(beside(key, len(panels)), panels, strict=True)):
        drawing = drawing_of(angle_panels, [panel], names, counts, optimum, borders)
        with column:
            st.plotly_chart(
                drawing.plain(),
                key=f"{key}_{index}",
                config=chart_config(drawing.figure, key),
                alt=f"{panel.title.replace('<br>', ', ')}. {alt}",
            )
    figure = drawing_of(angle_panels, panels, names, counts, optimum, borders).figure
    show_extras(figure, key=key, title=title, alt=alt, reading=reading, frame=frame)
