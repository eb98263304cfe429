"""What each row of an experiment reached, seed by seed: as curves over a setting, or a line a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from app.figures.style import EMBEDDING_COLOURS, NEUTRAL, OPTIMUM_COLOUR, finished

ROW_PIXELS = 34
_SERIES = {
    "ETF": (EMBEDDING_COLOURS["etf"], "circle", "solid"),
    "trainable": (EMBEDDING_COLOURS["trainable"], "square", "dot"),
    "GloVe": (EMBEDDING_COLOURS["glove"], "diamond", "dashdot"),
    "": (EMBEDDING_COLOURS["etf"], "circle", "solid"),
}


def study_values(tree: Mapping[str, Any], quantity: str, title: str, optimum: float | None) -> go.Figure:
    """Return the values of every row that was trained, with their mean.

    Rows that differ in one setting lie over it, at equal distances and in its order, a curve for each series;
    others have a line each, the first on top.

    Args:
        tree: results.
        quantity: key of one that they hold.
        title: of the quantity, for the axis.
        optimum: of the quantity at collapse; None where it has none.
    """
    rows = [row for row in tree["rows"] if _runs(row, quantity)]
    if tree.get("over"):
        return _curves(rows, quantity, title, optimum, str(tree["over"]))
    return _lines(rows, quantity, title, optimum)


def _runs(row: Mapping[str, Any], quantity: str) -> list[float]:
    return [run for run in row["values"].get(quantity, {}).get("runs", ()) if run is not None]


def _curves(
    rows: Sequence[Mapping[str, Any]], quantity: str, title: str, optimum: float | None, over: str
) -> go.Figure:
    figure = go.Figure()
    for series in dict.fromkeys(row["series"] for row in rows):
        own = [row for row in rows if row["series"] == series]
        colour, mark, dash = _SERIES.get(series, (NEUTRAL, "circle", "solid"))
        figure.add_scatter(
            name=series or "mean of seeds",
            x=[row["at"] for row in own],
            y=[row["values"][quantity]["mean"] for row in own],
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"color": colour, "symbol": mark, "size": 9},
            hovertemplate="%{x}: mean %{y:.4g}<extra>%{fullData.name}</extra>",
        )
        seeds = [(row["at"], value) for row in own for value in _runs(row, quantity)]
        figure.add_scatter(
            x=[at for at, _ in seeds],
            y=[value for _, value in seeds],
            mode="markers",
            marker={"color": colour, "symbol": f"{mark}-open", "size": 6, "opacity": 0.7},
            hovertemplate="%{x}: one seed %{y:.4g}<extra></extra>",
            showlegend=False,
        )
    if optimum is not None:
        figure.add_hline(y=optimum, line=_OPTIMUM, annotation_text="optimum")
    at = list(dict.fromkeys(row["at"] for row in rows))
    figure.update_xaxes(title=over, type="category", categoryorder="array", categoryarray=at)
    figure.update_yaxes(title=title)
    return finished(figure, height=380)


_OPTIMUM: dict[str, Any] = {"color": OPTIMUM_COLOUR, "width": 1.5, "dash": "dash"}


def _lines(rows: Sequence[Mapping[str, Any]], quantity: str, title: str, optimum: float | None) -> go.Figure:
    figure = go.Figure()
    names = {row["name"]: "<br>".join(wrap(row["name"], 44)) for row in rows}
    seeds = [(names[row["name"]], value) for row in rows for value in _runs(row, quantity)]
    colour = EMBEDDING_COLOURS["etf"]
    figure.add_scatter(
        name="one seed",
        x=[value for _, value in seeds],
        y=[name for name, _ in seeds],
        mode="markers",
        marker={"color": colour, "symbol": "circle-open", "size": 8},
        hovertemplate="%{x:.4g}<extra>one seed</extra>",
    )
    figure.add_scatter(
        name="mean",
        x=[row["values"][quantity]["mean"] for row in rows],
        y=list(names.values()),
        mode="markers",
        marker={"color": colour, "symbol": "line-ns-open", "size": 18, "line": {"width": 3}},
        hovertemplate="%{x:.4g}<extra>mean</extra>",
    )
    if optimum is not None:
        figure.add_vline(x=optimum, line=_OPTIMUM, annotation_text="optimum")
    figure.update_xaxes(title=title)
    order = list(names.values())[::-1]
    figure.update_yaxes(categoryorder="array", categoryarray=order, range=[-0.6, len(order) - 0.4])
    return finished(figure, height=130 + ROW_PIXELS * len(rows))
