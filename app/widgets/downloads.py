"""The data behind a chart as CSV, the chart as a page that opens offline, and runs for other tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figures.backdrop import without_photographs
from app.offline.page import MODE_BAR, Chart, Section, Table, offline_page
from app.widgets.csv_file import csv_file
from mlcnc.exports import FORMATS, export_archive
from mlcnc.store import Run

Numbers = pd.DataFrame | Callable[[], pd.DataFrame]

MOST_ROWS = 500
EXPORTS = {"csv": "CSV", "json": "JSON", "tensorboard": "TensorBoard"}
"""Of the formats of ``mlcnc runs export`` those that a page writes: the others start a process of their own."""


def figure_page(
    figure: go.Figure, title: str, *, alt: str = "", reading: str = "", frame: pd.DataFrame | None = None
) -> str:
    """Return a self-contained HTML page of one figure with its title, how to read it and its numbers.

    Args:
        figure: as drawn.
        title: above it.
        alt: the takeaway in words; the title where there is none.
        reading: Markdown.
        frame: the plotted numbers; the first 500 rows become a table, all of them are in the CSV.
    """
    names: set[str] = set()
    numbers = None
    if frame is not None:
        cells = frame.select_dtypes(exclude="number").to_numpy().ravel().tolist()
        names = {str(cell) for cell in [*cells, *frame.columns]}
        caption = title if len(frame) <= MOST_ROWS else f"{title}: the first {MOST_ROWS} of {len(frame)} rows"
        rows = tuple(
            tuple(_shown(cell) for cell in row) for row in frame.head(MOST_ROWS).itertuples(index=False)
        )
        numbers = Table(caption, tuple(str(column) for column in frame.columns), rows)
    chart = Chart(figure, "", alt or title, reading, numbers)
    return offline_page(title, [Section("", (chart,))], names=names)


def _shown(cell: object) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def mode_bar(name: str, *, camera: bool = True) -> dict[str, Any]:
    """Return the configuration of a chart on a page; its camera saves ``name``.png at twice the size."""
    removed = MODE_BAR["modeBarButtonsToRemove"] + ([] if camera else ["toImage"])
    options = {**MODE_BAR["toImageButtonOptions"], "filename": name}
    return {**MODE_BAR, "modeBarButtonsToRemove": removed, "toImageButtonOptions": options}


def offer_downloads(
    name: str,
    title: str,
    figure: go.Figure | Callable[[], go.Figure],
    frame: Numbers,
    *,
    alt: str = "",
    reading: str = "",
    photographs: bool = False,
) -> None:
    """Offer the numbers and the chart behind one button; nothing is built before the click.

    The downloaded chart holds no photograph that the run does not store: there it is grey.

    Args:
        name: of the files, without ending; also the key of the buttons.
        title: above the exported chart.
        figure: as drawn, or what makes it.
        frame: the plotted numbers, or what makes them; called after the click, so with everything bound.
        alt: the takeaway in words.
        reading: Markdown; how to read the chart.
        photographs: whether the chart shows some on the page; then it has no camera either.
    """

    def numbers() -> pd.DataFrame:
        return frame() if callable(frame) else frame

    with st.popover("Download", icon=":material/download:", key=f"download_{name}"):
        st.download_button(
            "Numbers (CSV)",
            lambda: csv_file(numbers()),
            f"{name}.csv",
            "text/csv",
            key=f"csv_{name}",
            on_click="ignore",
        )
        st.download_button(
            "Chart (HTML, opens offline, 5 MB)",
            lambda: figure_page(
                without_photographs(figure() if callable(figure) else figure),
                title,
                alt=alt,
                reading=reading,
                frame=numbers(),
            ),
            f"{name}.html",
            "text/html",
            key=f"html_{name}",
            on_click="ignore",
        )
        if photographs:
            st.caption("Photographs stay here: the downloaded chart has grey in their place.")
        else:
            st.caption("A PNG: the camera in the chart's own bar.")


def offer_exports(runs: Sequence[Run]) -> None:
    """Offer what runs logged, with their settings, for other tools; nothing is written before the click.

    Args:
        runs: those that logged an epoch are exported, a folder each.
    """
    if not (logged := [run for run in runs if run.metrics(())]):
        return
    with st.popover("Download these runs", icon=":material/download:", key="download_runs"):
        for to, title in EXPORTS.items():
            package, _, what = FORMATS[to]
            if package and find_spec(package) is None:
                continue
            st.download_button(
                f"{title} (zip)",
                partial(export_archive, logged, to),
                f"mlcnc-runs-{to}.zip",
                "application/zip",
                key=f"export_{to}",
                on_click="ignore",
                help=what.replace("{folder}", "the folder"),
            )
        st.caption("Settings and metrics of every epoch; for W&B and MLflow: mlcnc runs export.")
