"""NC1 per class, ordered by training count and marked by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.style import BUCKET_MARKS, NEUTRAL, finished, run_colour
from mlcnc.analysis.runs import RunRow
from mlcnc.analysis.variability import VariabilityRecord


def class_dots(records: Sequence[tuple[RunRow, VariabilityRecord]]) -> go.Figure:
    """Return a dot a class and run on a log axis; marks tell head, medium and tail apart."""
    figure = go.Figure()
    for row, record in records:
        labels = [f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)]
        shown = np.where(record.nc1 > 0, record.nc1, np.nan)
        figure.add_scatter(
            name=row.name,
            x=labels,
            y=shown,
            mode="markers",
            marker={
                "color": run_colour(row),
                "symbol": [BUCKET_MARKS.get(bucket, "diamond") for bucket in record.buckets],
                "size": 10,
                "line": {"width": 1, "color": "#FFFFFF"},
            },
            customdata=np.stack([np.array(record.buckets), record.sample_counts], axis=1),
            hovertemplate="%{x}, %{customdata[0]}: NC1 %{y:.3g} from %{customdata[1]} features"
            "<extra>%{fullData.name}</extra>",
        )
    drawn: list[np.ndarray[Any, Any]] = []
    for _, record in records:
        # the baseline hangs on the counts alone: runs with the same counts share one line
        if any(np.array_equal(record.shuffled, other, equal_nan=True) for other in drawn):
            continue
        drawn.append(record.shuffled)
        figure.add_scatter(
            name="labels shuffled: no collapse at all",
            x=[f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)],
            y=np.where(record.shuffled > 0, record.shuffled, np.nan),
            mode="lines",
            line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
            customdata=record.sample_counts,
            hovertemplate="%{x}: NC1 %{y:.3g} expected from %{customdata} features without any class structure"
            "<extra></extra>",
        )
    figure.update_xaxes(title="class (training images), most frequent first", tickangle=60)
    figure.update_yaxes(title="NC1 of the class, centring class (log)", type="log")
    return finished(figure, height=420)
