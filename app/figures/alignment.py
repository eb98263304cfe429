"""Cosines of every class with label embeddings: images with the class above, images without it below."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.class_dots import bucket_bands
from app.figures.style import (
    NEUTRAL,
    OPTIMUM_COLOUR,
    bucket_mark,
    class_words,
    finished,
    recipe_colour,
    run_mark,
)
from mlcnc.analysis.geometry.alignment import AlignmentRecord
from mlcnc.analysis.runs.rows import RunRow

TITLES = ("cosine, images with the class", "cosine, images without it")


def alignment_dots(shown: Sequence[tuple[RunRow, AlignmentRecord]]) -> go.Figure:
    """Return two panels over the classes: marks of the own label embedding, short lines of the others.

    Args:
        shown: runs of one data set, see ``data_sets``, with their record of one epoch.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    labels = _labels(shown[0][1])
    places = {label: place for place, label in enumerate(labels)}
    size = 9 if len(places) <= 40 else 6
    for turn, (row, record) in enumerate(shown):
        # side by side: marks of two runs would hide each other
        x = [places[label] + 0.6 * (turn + 0.5) / len(shown) - 0.3 for label in _labels(record)]
        marks = [bucket_mark(bucket, size) for bucket in record.buckets]
        classes = zip(record.class_names, record.train_counts, record.buckets, strict=True)
        about = [class_words(*each) for each in classes]
        for panel in (0, 1):
            own, others = record.cosines[2 * panel], record.cosines[2 * panel + 1]
            for name, values, marker in (
                (
                    f"{row.name}, own",
                    own,
                    {
                        "symbol": [run_mark(row, mark["symbol"]) for mark in marks],
                        "size": [mark["size"] for mark in marks],
                        "opacity": 1.0,
                        "line": {"width": 2 if "open" in run_mark(row, "") else 1, "color": "#FFFFFF"},
                    },
                ),
                (
                    f"{row.name}, others",
                    others,
                    {"symbol": "line-ew", "size": size, "line": {"width": 2, "color": recipe_colour(row)}},
                ),
            ):
                figure.add_scatter(
                    name=name,
                    legendgroup=name,
                    showlegend=panel == 0,
                    x=x,
                    y=values,
                    mode="markers",
                    marker={"color": recipe_colour(row), **marker},
                    customdata=about,
                    hovertemplate="%{customdata}: cosine %{y:.3f}<extra>%{fullData.name}</extra>",
                    row=panel + 1,
                    col=1,
                )
    first = shown[0][1]
    for panel, optimum in ((1, 1.0), (2, first.others_optimum)):
        figure.add_scatter(
            name="where the alignment loss is least",
            legendgroup="optimum",
            showlegend=panel == 1,
            x=[-0.6, len(places) - 0.4],
            y=[optimum, optimum],
            mode="lines",
            line={"dash": "dash", "color": OPTIMUM_COLOUR, "width": 1.5},
            hovertemplate="%{y:.3f}<extra>own, optimum</extra>",
            row=panel,
            col=1,
        )
        figure.update_yaxes(title_text=TITLES[panel - 1], zerolinecolor=NEUTRAL, row=panel, col=1)
    # one range for all epochs and runs, so that two moments can be compared by eye
    figure.update_yaxes(range=[-1.08, 1.08], dtick=0.5)
    figure.update_xaxes(range=[-0.6, len(places) - 0.4], showgrid=False, zeroline=False)
    figure.update_xaxes(
        title_text="class (training images), most frequent first",
        tickangle=60,
        tickvals=list(places.values()),
        ticktext=labels,
        tickfont={"size": 11 if len(places) <= 30 else 8},
        row=2,
        col=1,
    )
    above, notes = bucket_bands(first.buckets, "x", "y domain")
    below, _ = bucket_bands(first.buckets, "x2", "y2 domain")
    figure.update_layout(shapes=[*above, *below], annotations=notes)
    finished(figure, height=620)
    # above the names of the buckets, however many lines it takes
    return figure.update_layout(legend={"y": 1.05})


def _labels(record: AlignmentRecord) -> list[str]:
    return [f"{name} ({n})" for name, n in zip(record.class_names, record.train_counts, strict=True)]
