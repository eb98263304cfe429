"""NC1 per class, ordered by training count and marked by bucket, alone or moving through training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures.player import curve_mark, with_player
from app.figures.style import (
    LOG_TICKS,
    NEUTRAL,
    bucket_mark,
    class_words,
    epoch_axis,
    finished,
    recipe_colour,
    run_dash,
    run_mark,
)
from mlcnc.analysis.curves.curve import Curve
from mlcnc.analysis.geometry.variability import VariabilityRecord, data_sets
from mlcnc.analysis.runs.rows import RunRow

Dots = Sequence[tuple[RunRow, VariabilityRecord]]


def class_dots(records: Dots, *, relative: bool = False) -> go.Figure:
    """Return a dot a class and run on a log axis; marks tell head, medium and tail apart.

    Args:
        records: of one epoch each.
        relative: show NC1 over its value with labels shuffled instead of NC1.
    """
    groups = [[records[place] for place in places] for places in data_sets([of for _, of in records])]
    figure = make_subplots(rows=len(groups), cols=1, vertical_spacing=0.3 / len(groups))
    for row, group in enumerate(groups, start=1):
        for trace in [*_dots(group, relative), *_baselines(group, relative, named=row == 1)]:
            figure.add_trace(trace, row=row, col=1)
        _class_axis(figure, group, relative, row=row, named=len(groups) > 1)
    return finished(figure, height=420 * len(groups))


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
            y=_positive(curve.values),
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
            name="as many images without the class, in the colour of the run",
            showlegend=turn == 0,
            x=null.epochs,
            y=_positive(null.values),
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
        for trace in _dots(last, relative):
            figure.add_trace(trace | {"showlegend": False}, row=place, col=1)
    changing = list(range(first_mark, len(figure.data)))
    for place, last in enumerate(lasts, start=2):
        for trace in _baselines(last, relative):
            figure.add_trace(trace | {"showlegend": False}, row=place, col=1)
        _class_axis(figure, last, relative, row=place, named=len(groups) > 1)
        note_zeros(figure, [_values(record, relative) for _, record in last], row=place)
    values = np.concatenate([_values(r, relative) for _, records, _ in runs for r in records])
    values = np.concatenate([values, *(_baseline(record, relative) for last in lasts for _, record in last)])
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
                    {"type": "scatter", "y": trace["y"], "customdata": trace["customdata"]}
                    for group in groups
                    for trace in _dots([(row, records[index]) for row, records, _ in group], relative)
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


def _dots(records: Dots, relative: bool) -> list[dict[str, Any]]:
    places = _places(records)
    size = 9 if len(places) <= 40 else 6
    marks = [[bucket_mark(bucket, size) for bucket in record.buckets] for _, record in records]
    return [
        {
            "type": "scatter",
            "name": row.name,
            "legendgroup": row.run_id,
            # side by side: dots of several runs would hide each other
            "x": [places[label] + 0.6 * (turn + 0.5) / len(records) - 0.3 for label in _labels(record)],
            "y": _positive(_values(record, relative)),
            "mode": "markers",
            "marker": {
                "color": recipe_colour(row),
                "symbol": [run_mark(row, mark["symbol"]) for mark in marks[turn]],
                "size": [mark["size"] for mark in marks[turn]],
                "opacity": 1.0,  # marks of several sizes would be pale
                # an open mark is drawn by its line, a filled one has a white rim
                "line": {"width": 2 if "open" in run_mark(row, "") else 1, "color": "#FFFFFF"},
            },
            "customdata": [
                [
                    bucket,
                    str(count),
                    class_words(name, images, bucket),
                    *("undefined" if x != x else f"{x:.3g}" for x in (nc1, chance)),
                ]
                for bucket, count, name, images, nc1, chance in zip(
                    record.buckets,
                    record.sample_counts,
                    record.class_names,
                    record.train_counts,
                    record.nc1,
                    record.shuffled,
                    strict=True,
                )
            ],
            "hovertemplate": "%{customdata[2]}: NC1 %{customdata[3]} from %{customdata[1]} "
            "features, %{customdata[4]} with labels shuffled<extra>%{fullData.name}</extra>",
        }
        for turn, (row, record) in enumerate(records)
    ]


def _baselines(records: Dots, relative: bool, *, named: bool = True) -> list[dict[str, Any]]:
    places = _places(records)
    drawn: list[NDArray[np.float64]] = []
    traces: list[dict[str, Any]] = []
    for _, record in records:
        # the baseline hangs on the counts alone: runs with the same counts share one line
        if any(np.array_equal(record.shuffled, other, equal_nan=True) for other in drawn):
            continue
        drawn.append(record.shuffled)
        traces.append(
            {
                "type": "scatter",
                "name": "labels shuffled: no collapse at all",
                "showlegend": named,
                "x": [places[label] for label in _labels(record)],
                "y": _positive(_baseline(record, relative)),
                "mode": "lines",
                "line": {"dash": "dash", "color": NEUTRAL, "width": 1.5},
                "customdata": record.sample_counts,
                "hovertemplate": "%{y:.3g} expected from %{customdata} features without any class structure"
                "<extra></extra>",
            }
        )
    return traces


def _class_axis(figure: go.Figure, records: Dots, relative: bool, *, row: int, named: bool) -> None:
    places = _places(records)
    figure.update_xaxes(
        title_text="class (training images), most frequent first",
        tickangle=60,
        tickvals=list(places.values()),
        ticktext=list(places),
        tickfont={"size": 11 if len(places) <= 30 else 8},
        range=[-0.6, len(places) - 0.4],
        showgrid=False,
        zeroline=False,
        row=row,
        col=1,
    )
    label = "NC1 over its value with labels shuffled (log)" if relative else "NC1 of the class (log)"
    if named:  # one of several panels
        label = f"NC1 {'over chance' if relative else 'of the class'}, {records[0][0].dataset} (log)"
    figure.update_yaxes(title_text=label, type="log", **LOG_TICKS, row=row, col=1)
    axis = "" if row == 1 else str(row)
    shapes, notes = bucket_bands(records[0][1].buckets, f"x{axis}", f"y{axis} domain")
    figure.layout.shapes, figure.layout.annotations = (
        (*figure.layout.shapes, *shapes),
        (*figure.layout.annotations, *notes),
    )


def bucket_bands(buckets: Sequence[str], x: str, y: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    starts = [i for i in range(len(buckets)) if i == 0 or buckets[i] != buckets[i - 1]]
    ends = [*starts[1:], len(buckets)]
    shapes = [
        {
            "type": "rect",
            "layer": "below",
            "xref": x,
            "yref": y,
            "x0": first - 0.5,
            "x1": end - 0.5,
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": NEUTRAL,
            "opacity": 0.10 if turn % 2 == 0 else 0.0,
        }
        for turn, (first, end) in enumerate(zip(starts, ends, strict=True))
    ]
    notes = [
        {
            "text": buckets[first],
            "x": (first + end - 1) / 2,
            "y": 1.0,
            "xref": x,
            "yref": y,
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"size": 12, "color": NEUTRAL},
        }
        for first, end in zip(starts, ends, strict=True)
    ]
    return shapes, notes


def _places(records: Dots) -> dict[str, int]:
    labels = dict.fromkeys(label for _, record in records for label in _labels(record))
    return {label: place for place, label in enumerate(labels)}


def _labels(record: VariabilityRecord) -> list[str]:
    return [f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)]


def _values(record: VariabilityRecord, relative: bool) -> NDArray[np.float64]:
    return record.relative if relative else record.nc1


def _baseline(record: VariabilityRecord, relative: bool) -> NDArray[np.float64]:
    return np.where(record.shuffled > 0, 1.0, np.nan) if relative else record.shuffled


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > 0, values, np.nan)
