"""NC1 over epochs, and of every class of each data set at the epoch that a slider is at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures.class_dots import (
    QUERY_NAME,
    Dots,
    class_axis,
    class_baselines,
    dots,
    drawn_levels,
    positive,
    query_marks,
    shown_baseline,
    shown_values,
)
from app.figures.player import curve_mark, with_player
from app.figures.style import LOG_TICKS, NEUTRAL, epoch_axis, finished, recipe_colour, run_dash, run_mark
from mlcnc.analysis.curves.curve import Curve
from mlcnc.analysis.geometry.variability import VariabilityRecord, data_sets
from mlcnc.analysis.runs.rows import RunRow


def variability_player(
    runs: Sequence[tuple[RunRow, Sequence[VariabilityRecord], Curve]],
    epochs: Sequence[int],
    *,
    metric_label: str,
    baselines: Mapping[str, float],
    nulls: Sequence[tuple[RunRow, Curve]] = (),
    relative: bool = False,
    still: Collection[str] = (),
    start: int = -1,
) -> go.Figure:
    """Return NC1 over epochs above, and below the classes of each data set at the epoch of the slider.

    Args:
        runs: with one record a frame and their curve over all epochs.
        epochs: of the frames, from 0.
        metric_label: of the curves.
        baselines: of the curves with labels shuffled, by data set.
        nulls: NC1 of as many images without the class, of the runs that logged it.
        relative: show the classes' NC1 over its value with labels shuffled.
        still: ids of the runs whose features cannot move.
        start: index of the frame shown first.
    """
    groups = [[runs[at] for at in places] for places in data_sets([records[-1] for _, records, _ in runs])]
    runs = [run for group in groups for run in group]
    # pixels: names of classes need more room above a panel than above the slider
    curves, panel, gap = (226, 340, 85) if len(groups) == 1 else (226, 290, 125)
    whole = curves + len(groups) * (panel + gap)
    figure = make_subplots(
        rows=1 + len(groups),
        cols=1,
        row_heights=[curves, *[panel] * len(groups)],
        vertical_spacing=gap / whole,
    )
    for row, _, curve in runs:
        figure.add_scatter(
            name=row.name + (" (frozen backbone: cannot move)" if row.run_id in still else ""),
            legendgroup=row.run_id,
            x=curve.epochs,
            y=positive(curve.values),
            mode="lines+markers",
            line={"color": recipe_colour(row), "width": 2, "dash": run_dash(row)},
            # a few, so that the legend has the filling of the dots below
            marker={
                "symbol": run_mark(row, "circle"),
                "size": 8,
                "maxdisplayed": 8,
                "line": {"width": 1, "color": "#FFFFFF"},
            },
            hovertemplate="epoch %{x}: %{y:.3g}<extra>%{fullData.name}</extra>",
            row=1,
            col=1,
        )
    for turn, (row, null) in enumerate(nulls):
        figure.add_scatter(
            name=QUERY_NAME,
            showlegend=turn == 0,
            x=null.epochs,
            y=positive(null.values),
            mode="lines+markers" if len(null.epochs) == 1 else "lines",
            marker={"symbol": "line-ew-open", "size": 16},
            line={"color": recipe_colour(row), "width": 1.5, "dash": "1px,3px"},
            hovertemplate="epoch %{x}: %{y:.3g} of as many images without the class"
            f"<extra>{row.name}</extra>",
            row=1,
            col=1,
        )
    every = [epoch for _, _, curve in runs for epoch in curve.epochs]
    for name, baseline in baselines.items() if every else ():
        of = f", {name}" if len(baselines) > 1 else ""
        figure.add_scatter(
            name=f"labels shuffled{of} ({baseline:.3g}): no collapse at all",
            x=[min(every) - 0.5 * (min(every) == max(every)), max(every) + 0.5 * (min(every) == max(every))],
            y=[baseline, baseline],
            mode="lines",
            line={"dash": "dash", "color": NEUTRAL, "width": 1.5},
            hovertemplate=f"%{{y:.3g}} with labels shuffled{of}<extra></extra>",
            row=1,
            col=1,
        )
    figure.update_xaxes(**epoch_axis([*every, *(epoch + 1 for epoch in epochs)]), row=1, col=1)
    figure.update_yaxes(title_text=metric_label, type="log", **LOG_TICKS, row=1, col=1)
    marked = [(row, curve) for row, _, curve in runs if len(curve.epochs)]
    first_mark = len(figure.data)
    for row, _ in marked:
        figure.add_scatter(
            mode="markers",
            marker={"color": recipe_colour(row), "size": 11, "line": {"color": NEUTRAL, "width": 2}},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=row.run_id,
            row=1,
            col=1,
        )
    lasts: list[Dots] = [[(row, records[-1]) for row, records, _ in group] for group in groups]
    for place, last in enumerate(lasts, start=2):
        for trace in dots(last, relative):
            figure.add_trace(trace | {"showlegend": False}, row=place, col=1)
        for trace in query_marks(last, relative, named=place == 2):
            figure.add_trace(trace | {"name": "the same of each class"}, row=place, col=1)
    changing = list(range(first_mark, len(figure.data)))
    for place, last in enumerate(lasts, start=2):
        for trace in class_baselines(last, relative):
            figure.add_trace(trace | {"showlegend": False}, row=place, col=1)
        class_axis(figure, last, relative, row=place, named=len(groups) > 1)
        note_zeros(figure, [shown_values(record, relative) for _, record in last], row=place)
    values = np.concatenate([drawn_levels(r, relative) for _, records, _ in runs for r in records])
    values = np.concatenate(
        [values, *(shown_baseline(record, relative) for last in lasts for _, record in last)]
    )
    if len(values := values[np.isfinite(values) & (values > 0)]):
        # one range for all epochs and data sets, so that what moves is the dots
        span = [np.log10(values.min()) - 0.1, np.log10(values.max()) + 0.2]
        for place in range(2, 2 + len(groups)):
            figure.update_yaxes(range=span, row=place, col=1)
    note_zeros(figure, [item.values for _, _, item in runs], row=1)
    figure.frames = [
        {
            "data": [
                *(curve_mark(curve, epoch) for _, curve in marked),
                *(
                    {"type": "scatter"} | {part: trace[part] for part in ("y", "customdata") if part in trace}
                    for group in groups
                    for at_epoch in [[(row, records[index]) for row, records, _ in group]]
                    for trace in [*dots(at_epoch, relative), *query_marks(at_epoch, relative)]
                ),
            ],
            "traces": changing,
        }
        for index, epoch in enumerate(epochs)
    ]
    finished(figure, height=229 + whole)
    for place in range(2, 2 + len(groups)):
        figure.update_xaxes(title_text=None, row=place, col=1)
    return with_player(figure, [epoch + 1 for epoch in epochs], start=start, below=110, axis="xaxis")


def note_zeros(figure: go.Figure, values: Sequence[NDArray[np.float64]], *, row: int) -> None:
    """Say in a panel with a logarithmic axis that a run is not drawn because it has collapsed wholly.

    Args:
        figure: with the panel.
        values: of each run that is drawn in it.
        row: of the panel, which has one column.
    """
    if any(np.isfinite(of).any() and not (of[np.isfinite(of)] > 0).any() for of in values):
        figure.add_annotation(
            text="NC1 is 0, complete collapse, for which a logarithmic axis has no place",
            x=0.5,
            y=0.1,
            xref="x domain",
            yref="y domain",
            showarrow=False,
            font={"size": 13},
            row=row,
            col=1,
        )
