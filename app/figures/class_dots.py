"""NC1 of every class at one epoch, ordered by training count and marked by bucket, beside both of its nulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.figures.style import LOG_TICKS, NEUTRAL, bucket_mark, class_words, finished, recipe_colour, run_mark
from mlcnc.analysis.geometry.variability import VariabilityRecord, data_sets, over
from mlcnc.analysis.runs.rows import RunRow

Dots = Sequence[tuple[RunRow, VariabilityRecord]]
QUERY_NAME = "as many images without the class, in the colour of the run"


def class_dots(records: Dots, *, relative: bool = False) -> go.Figure:
    """Return a dot a class and run on a log axis; marks tell head, medium and tail apart.

    Args:
        records: of one epoch each.
        relative: show NC1 over its value with labels shuffled instead of NC1.
    """
    groups = [[records[place] for place in places] for places in data_sets([of for _, of in records])]
    figure = make_subplots(rows=len(groups), cols=1, vertical_spacing=0.3 / len(groups))
    for row, group in enumerate(groups, start=1):
        for trace in [
            *dots(group, relative),
            *class_baselines(group, relative, named=row == 1),
            *query_marks(group, relative, named=row == 1),
        ]:
            figure.add_trace(trace, row=row, col=1)
        class_axis(figure, group, relative, row=row, named=len(groups) > 1)
    return finished(figure, height=420 * len(groups))


def dots(records: Dots, relative: bool) -> list[dict[str, Any]]:
    places = _places(records)
    size = 9 if len(places) <= 40 else 6
    marks = [[bucket_mark(bucket, size) for bucket in record.buckets] for _, record in records]
    return [
        {
            "type": "scatter",
            "name": row.name,
            "legendgroup": row.run_id,
            # side by side: dots of several runs would hide each other
            "x": _beside(places, record, turn, len(records)),
            "y": positive(shown_values(record, relative)),
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


def query_marks(records: Dots, relative: bool, *, named: bool = False) -> list[dict[str, Any]]:
    """Return a line across the place of every dot, where NC1 of as many images without its class is.

    Args:
        records: of one epoch each; of runs that stored no such images nothing is to be seen.
        relative: as of ``class_dots``.
        named: in the legend.
    """
    places = _places(records)
    known = [row for row, record in records if record.query_only is not None]
    return [
        {
            "type": "scatter",
            "name": QUERY_NAME,
            "legendgroup": row.run_id,
            "showlegend": named and bool(known) and row is known[0],
            "x": _beside(places, record, turn, len(records)),
            "y": positive(_shown_query_only(record, relative)).astype(np.float32),
            "mode": "markers",
            "marker": {
                "color": recipe_colour(row),
                "symbol": "line-ew",
                "size": max(5, min(14, round(28 / len(records)))),
                "line": {"width": 2, "color": recipe_colour(row)},
            },
            "text": list(record.class_names),
            "hovertemplate": f"%{{text}}: %{{y:.3g}}{' of shuffled' if relative else ''} "
            f"of as many images without the class<extra>{row.name}</extra>",
        }
        for turn, (row, record) in enumerate(records)
    ]


def class_baselines(records: Dots, relative: bool, *, named: bool = True) -> list[dict[str, Any]]:
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
                "y": positive(shown_baseline(record, relative)),
                "mode": "lines",
                "line": {"dash": "dash", "color": NEUTRAL, "width": 1.5},
                "customdata": record.sample_counts,
                "hovertemplate": "%{y:.3g} expected from %{customdata} features without any class structure"
                "<extra></extra>",
            }
        )
    return traces


def class_axis(figure: go.Figure, records: Dots, relative: bool, *, row: int, named: bool) -> None:
    places = _places(records)
    figure.update_xaxes(
        title_text="class (training images), most frequent first",
        # to the left, for on the right the chart would hide the name of the last class
        tickangle=-60,
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


def _beside(places: dict[str, int], record: VariabilityRecord, turn: int, number: int) -> list[float]:
    return [places[label] + 0.6 * (turn + 0.5) / number - 0.3 for label in _labels(record)]


def _labels(record: VariabilityRecord) -> list[str]:
    return [f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)]


def shown_values(record: VariabilityRecord, relative: bool) -> NDArray[np.float64]:
    return record.relative if relative else record.nc1


def _shown_query_only(record: VariabilityRecord, relative: bool) -> NDArray[np.float64]:
    """Return the null of the class query alone as it is drawn, NaN where it was not stored."""
    if record.query_only is None:
        return np.full(len(record.nc1), np.nan)
    return over(record.query_only, record.shuffled) if relative else record.query_only


def drawn_levels(record: VariabilityRecord, relative: bool) -> NDArray[np.float64]:
    """Return every value that a chart of classes has to have room for."""
    return np.concatenate([shown_values(record, relative), _shown_query_only(record, relative)])


def shown_baseline(record: VariabilityRecord, relative: bool) -> NDArray[np.float64]:
    return np.where(record.shuffled > 0, 1.0, np.nan) if relative else record.shuffled


def positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > 0, values, np.nan)
