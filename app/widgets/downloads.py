"""The data behind a chart as CSV, and the chart as a page that opens without a network."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

# plotly.js would offer to upload the chart to a cloud
EXPORT = {"displaylogo": False, "modeBarButtonsToRemove": ["sendChartToCloud"], "responsive": True}


def figure_page(figure: go.Figure, title: str) -> str:
    """Return a self-contained HTML page of one figure, on white, with its title above."""
    copy = go.Figure(figure)
    copy.update_layout(title={"text": title}, paper_bgcolor="white", plot_bgcolor="white")
    copy.update_layout(margin={"t": 110})
    return copy.to_html(include_plotlyjs=True, full_html=True, config=EXPORT)


def offer_downloads(name: str, title: str, figure: go.Figure, frame: pd.DataFrame) -> None:
    """Offer the numbers and the chart behind one button; nothing is built before the click.

    Args:
        name: of the files, without ending; also the key of the buttons.
        title: above the exported chart.
        figure: as drawn.
        frame: the plotted numbers.
    """
    with st.popover("Download", icon=":material/download:", key=f"download_{name}"):
        st.download_button(
            "Numbers (CSV)",
            lambda: frame.to_csv(index=False),
            f"{name}.csv",
            "text/csv",
            key=f"csv_{name}",
            on_click="ignore",
        )
        st.download_button(
            "Chart (HTML, opens offline, 5 MB)",
            lambda: figure_page(figure, title),
            f"{name}.html",
            "text/html",
            key=f"html_{name}",
            on_click="ignore",
        )
