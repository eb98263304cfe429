"""Precision against recall of one class, with the thresholds in use marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.figures.style import NEUTRAL, OPTIMUM_COLOUR, finished, recipe_colour, run_dash, run_mark
from mlcnc.analysis.images.decisions import Decisions
from mlcnc.analysis.runs.rows import RunRow


def precision_recall(records: Sequence[tuple[RunRow, Decisions]]) -> go.Figure:
    """Return one stepped curve a run; a diamond marks its threshold, a dashed line what guessing gives."""
    figure = go.Figure()
    for row, record in records:
        curve = record.curve
        shown = corners(curve.recall)
        figure.add_scatter(
            name=f"{row.name} (AP {record.average_precision:.1f} %)",
            x=(100 * curve.recall[shown]).round(2).astype(np.float32),
            y=(100 * curve.precision[shown]).round(2).astype(np.float32),
            mode="lines",
            line={"color": recipe_colour(row), "shape": "vh", "width": 2, "dash": run_dash(row)},
            customdata=curve.thresholds[shown].round(2).astype(np.float32),
            hovertemplate="recall %{x:.1f} %, precision %{y:.1f} % at score %{customdata:.2f}"
            "<extra>%{fullData.name}</extra>",
        )
        if np.isfinite(record.recall) and np.isfinite(record.precision):
            figure.add_scatter(
                name=f"threshold {record.threshold:.2f}",
                x=[100 * record.recall],
                y=[100 * record.precision],
                mode="markers",
                marker={
                    "symbol": run_mark(row, "diamond"),
                    "size": 13,
                    "color": recipe_colour(row),
                    "line": {"width": 2, "color": OPTIMUM_COLOUR},
                },
                hovertemplate="recall %{x:.1f} %, precision %{y:.1f} %<extra>%{fullData.name}</extra>",
            )
    if records:
        share = 100 * float(records[0][1].present.mean())
        figure.add_scatter(
            name=f"guessing ({share:.0f} %)",
            x=[0, 100],
            y=[share, share],
            mode="lines",
            line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
            hovertemplate="precision of guessing %{y:.1f} %<extra></extra>",
        )
    figure.update_xaxes(title="recall: share of images with the class that are found (%)", range=[0, 101])
    figure.update_yaxes(title="precision (%)", range=[0, 103])
    return finished(figure, height=380)


def corners(recall: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the first and the last point of every recall: those between lie on the line that joins them."""
    changes = np.flatnonzero(np.diff(recall) != 0)
    return np.unique(np.concatenate([[0], changes, changes + 1, [len(recall) - 1]]))[: len(recall)]
