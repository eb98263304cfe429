"""Which loss trains: shares of the gradient, stacked over epochs, one panel a run."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.style import epoch_axis, finished
from mlcnc.analysis.curves.loss_shares import LossShares
from mlcnc.analysis.runs.rows import RunRow

PANELS_A_ROW = 2
PANEL_HEIGHT = 190
TERM_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C6D5A", "#AA4499")


def share_areas(shown: Sequence[tuple[RunRow, LossShares]]) -> go.Figure:
    """Return the shares of every term, that of the term drawn lowest counting from 0, together 100 %.

    Args:
        shown: runs with what they logged.
    """
    columns = min(PANELS_A_ROW, len(shown))
    rows = -(-len(shown) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[row.name for row, _ in shown],
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.32 / rows,
    )
    terms = list(dict.fromkeys(term for _, found in shown for term in found.shares))
    named: set[str] = set()
    for index, (_, found) in enumerate(shown):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        for term, values in found.shares.items():
            colour = TERM_COLOURS[terms.index(term) % len(TERM_COLOURS)]
            figure.add_scatter(
                name=term.replace("_", " "),
                legendgroup=term,
                showlegend=term not in named,
                x=found.epochs,
                y=100.0 * values,
                mode="lines+markers" if len(found.epochs) < 2 else "lines",
                stackgroup=f"run {index}",
                line={"width": 1, "color": colour},
                hovertemplate="epoch %{x}: %{y:.0f} %<extra>%{fullData.name}</extra>",
                **place,
            )
            named.add(term)
        axis = epoch_axis(found.epochs.tolist())
        # the name of the run below stands there
        figure.update_xaxes(**axis | ({"title": None} if index + columns < len(shown) else {}), **place)
    figure.update_yaxes(range=[0, 100], ticksuffix=" %")
    finished(figure, height=145 + PANEL_HEIGHT * rows)
    # above the names of the runs, however many lines it takes
    return figure.update_layout(hovermode="x", legend={"y": 1.0 + 30 / (PANEL_HEIGHT * rows)})
