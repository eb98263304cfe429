"""The sampled image-label pairs of one split as points, at one epoch or with a player over all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.figures.player import with_player
from app.figures.style import BUCKET_COLOURS, BUCKET_MARKS, NEUTRAL, bucket_mark, finished
from mlcnc.analysis.samples.layouts import Layout, SampleTable, densest_place
from mlcnc.analysis.samples.placement import Outcomes, Placement

STANDS_OUT_COLOUR = "#CC79A7"

COLOURINGS = ("misplaced", "bucket", "class", "error")
WEBGL_ABOVE = 2000
"""So many points are drawn as SVG; of more, the browser draws them by WebGL."""

NO_SAMPLE = -1
"""Stands in ``customdata`` where a mark is no sample."""

HEIGHT = 560
FEW_NAMES = 6
_NARROWEST = 400.0
"""Pixels of the axes of a map beside another one; names are kept apart as if it were so."""
_REACH = 10
"""So far above or below its place a name may stand, in lines of text, and two of its widths beside it."""


@dataclass(frozen=True)
class Kind:
    """One kind of points: its name in the legend, its colour, whether marks are filled, whether they stand out.

    A colour of None is the bucket's own.
    """

    name: str
    colour: str | None
    filled: bool = True
    stands_out: bool = False


@dataclass(frozen=True)
class Colouring:
    """Which kind each sample is of.

    Attributes:
        kinds: in the order in which they are drawn, those that stand out last.
        of_sample: (S,) index of the kind of each sample.
    """

    kinds: tuple[Kind, ...]
    of_sample: NDArray[np.int64]


def colour_by_bucket(table: SampleTable) -> Colouring:
    """Return one kind for all: colour and mark of the bucket say the rest."""
    return Colouring((Kind("", None),), np.zeros(len(table.split), dtype=np.int64))


def colour_by_class(table: SampleTable, class_index: int, colour: str) -> Colouring:
    """Return one class against all others."""
    kinds = (
        Kind("other classes", NEUTRAL, filled=False),
        Kind(table.class_names[class_index], colour, stands_out=True),
    )
    return Colouring(kinds, (table.class_index == class_index).astype(np.int64))


def colour_by_placement(table: SampleTable, record: Placement) -> Colouring:
    """Return samples nearest to their own class mean, and those nearest to another."""
    of_sample = np.zeros(len(table.split), dtype=np.int64)
    of_sample[record.samples] = record.misplaced
    kinds = (Kind("in place", None, filled=False), Kind("misplaced", STANDS_OUT_COLOUR, stands_out=True))
    return Colouring(kinds, of_sample)


def colour_by_outcome(record: Outcomes | None, number: int) -> Colouring:
    """Return samples that are found, missed, or of which no score is known."""
    words = np.array(record.words if record else ["no score"] * number)
    kinds = (
        Kind("no score", NEUTRAL, filled=False),
        Kind("found", None, filled=False),
        Kind("missed", STANDS_OUT_COLOUR, stands_out=True),
    )
    of_sample = np.select([words == "missed", words == "found"], [2, 1], 0)
    return Colouring(kinds, of_sample.astype(np.int64))


def feature_map(
    layout: Layout,
    table: SampleTable,
    rows: NDArray[np.int64],
    colouring: Colouring,
    epoch: int,
    *,
    named: Sequence[int] = (),
    chosen: Collection[int] = (),
) -> go.Figure:
    """Return the samples at one epoch; the number of each is the ``customdata`` of its point.

    Args:
        layout: coordinates of all samples.
        table: what the samples are.
        rows: (n,) the samples that are drawn.
        colouring: of all samples.
        epoch: the nearest one of the layout is drawn.
        named: classes whose name stands above their densest place.
        chosen: samples that are drawn as selected, all others dimmed; none dims nothing.
    """
    points = layout.at(epoch)
    groups = _groups(table, rows, colouring)
    trace = go.Scattergl if len(rows) > WEBGL_ABOVE else go.Scatter
    figure = go.Figure(
        [_points(trace, points, table, samples, kind, bucket, chosen) for kind, bucket, samples in groups]
    )
    figure.add_traces(_names(points, table, rows, named, _units_per_pixel(layout, rows)))
    return _axes(figure, layout, rows)


def feature_map_player(
    layout: Layout,
    table: SampleTable,
    rows: NDArray[np.int64],
    colouring: Colouring,
    *,
    start: int,
    named: Sequence[int] = (),
    chosen: Collection[int] = (),
) -> go.Figure:
    """Return the samples with a frame an epoch, played in the browser.

    A box drawn on a chart with frames would take in other points at each epoch, so this one is for looking:
    what was selected before is drawn as selected and can be followed.

    Args:
        layout, table, rows, colouring, named, chosen: as of ``feature_map``; a point keeps its mark while
            it moves.
        start: index of the epoch shown first.
    """
    groups = _groups(table, rows, colouring)
    figure = feature_map(layout, table, rows, colouring, layout.epochs[start], named=named, chosen=chosen)
    trace = go.Scattergl if len(rows) > WEBGL_ABOVE else go.Scatter
    frames, units = [], _units_per_pixel(layout, rows)
    for points in layout.coordinates:
        moved = [trace(x=points[samples, 0], y=points[samples, 1]) for _, _, samples in groups]
        moved += [go.Scatter(x=of.x, y=of.y) for of in _names(points, table, rows, named, units)]
        frames.append(go.Frame(data=moved, traces=list(range(len(moved)))))
    figure.frames = frames
    figure.update_layout(height=HEIGHT + 90)
    return with_player(figure, [epoch + 1 for epoch in layout.epochs], start=start)


def _groups(
    table: SampleTable, rows: NDArray[np.int64], colouring: Colouring
) -> list[tuple[Kind, str, NDArray[np.int64]]]:
    buckets = np.array(table.buckets)[table.class_index[rows]]
    groups = []
    for index, kind in enumerate(colouring.kinds):
        for bucket in BUCKET_MARKS:
            samples = rows[(colouring.of_sample[rows] == index) & (buckets == bucket)]
            if len(samples):
                groups.append((kind, bucket, samples))
    return groups


def _points(
    trace: type[go.Scatter] | type[go.Scattergl],
    points: NDArray[np.float32],
    table: SampleTable,
    samples: NDArray[np.int64],
    kind: Kind,
    bucket: str,
    chosen: Collection[int],
) -> go.Scatter | go.Scattergl:
    colour = kind.colour or BUCKET_COLOURS[bucket]
    name = f"{kind.name}, {bucket}" if kind.name else bucket
    mark = bucket_mark(bucket, 10 if kind.stands_out else 7)
    marked = (
        {"selectedpoints": [i for i, sample in enumerate(samples.tolist()) if sample in chosen]}
        if chosen
        else {}
    )
    return trace(
        x=points[samples, 0],
        y=points[samples, 1],
        mode="markers",
        name=name,
        customdata=samples.astype(np.int32),
        # the bucket, the same for all of them, need not travel with every point
        text=[
            f"{table.class_names[label]} ({table.class_counts[label]})" for label in table.class_index[samples]
        ],
        hovertemplate=f"%{{text}}, {bucket}: sample %{{customdata}}<extra>{name}</extra>",
        marker={
            "symbol": mark["symbol"] + ("" if kind.filled else "-open"),
            "color": colour,
            "size": mark["size"],
            "opacity": 0.9 if kind.stands_out or kind.filled else 0.75,
            "line": {"width": 1 if kind.filled else 1.8, "color": NEUTRAL if kind.filled else colour},
        },
        selected={"marker": {"opacity": 1.0, "size": mark["size"] + 3}},
        unselected={"marker": {"opacity": 0.2}},
        **marked,
    )


def _names(
    points: NDArray[np.float32],
    table: SampleTable,
    rows: NDArray[np.int64],
    named: Sequence[int],
    units: float,
) -> list[go.Scatter]:
    """Return lines to the densest places of classes, and the names of the classes above."""
    labels = table.class_index[rows]
    shown = [label for label in named if (labels == label).any()]
    if not shown:
        return []
    places = []
    for label in shown:
        own = points[rows[labels == label]]
        thick = own[densest_place(own)[:4]]
        places.append((thick[0, 0], thick[:, 1].max()))
    x, y = np.array(places, dtype=np.float32).T
    size = 14 if len(shown) <= FEW_NAMES else 11
    # letters of this font are on average some six tenths as wide as they are high
    widths = [0.62 * size * units * len(table.class_names[label]) for label in shown]
    at = kept_apart(x, y, widths, 1.25 * size * units)
    ties = go.Scatter(
        x=np.stack([x, at[0], np.full_like(x, np.nan)], axis=1).ravel(),
        y=np.stack([y, at[1], y], axis=1).ravel(),
        mode="lines",
        line={"width": 1, "color": NEUTRAL},
        hoverinfo="skip",
        showlegend=False,
    )
    names = go.Scatter(
        x=at[0],
        y=at[1],
        mode="markers+text",
        name="name of a class, at its densest place",
        showlegend=False,
        text=[table.class_names[label] for label in shown],
        textposition="top center",
        textfont={"size": size, "weight": 700, "shadow": "auto"},
        customdata=np.full(len(shown), NO_SAMPLE, dtype=np.int32),
        hovertemplate="densest place of the shown %{text}<extra></extra>",
        # not seen; it keeps the name off the points
        marker={"size": 9, "opacity": 0.0},
        selected={"marker": {"opacity": 0.0}},
        unselected={"marker": {"opacity": 0.0}},
    )
    return [ties, names]


def kept_apart(
    x: NDArray[np.float32], y: NDArray[np.float32], widths: Sequence[float], height: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where names stand so that none covers another: each at the nearest free place, the lowest first.

    Args:
        x: (n,) middles of the names.
        y: (n,) their lower ends.
        widths: (n,) of the names.
        height: of a line.

    Returns:
        (n,) middles and lower ends; a name that finds nothing free within reach stays where it was.

    Example:
        >>> kept_apart(np.zeros(2), np.array([0.0, 0.5]), [3.0, 3.0], 1.0)[1].tolist()
        [0.0, 1.5]
    """
    middles, ends, wide = np.array(x, np.float64), np.array(y, np.float64), np.array(widths, np.float64)
    lines, steps = np.meshgrid(np.arange(-_REACH, _REACH + 1), np.arange(-4, 5))
    taken: list[int] = []
    for own in np.argsort(y, kind="stable").tolist():
        aside, up = (0.5 * steps * wide[own]).ravel(), (lines * height).ravel()
        far = np.argsort(np.hypot(aside, up), kind="stable")
        across = np.abs(middles[own] + aside[far, None] - middles[taken]) < (wide[own] + wide[taken]) / 2
        along = np.abs(ends[own] + up[far, None] - ends[taken]) < 0.999 * height
        free = ~(across & along).any(axis=1)
        if free.any():
            place = far[np.argmax(free)]
            middles[own] += aside[place]
            ends[own] += up[place]
        taken.append(own)
    return middles, ends


def _units_per_pixel(layout: Layout, rows: NDArray[np.int64]) -> float:
    wide = np.ptp(layout.coordinates[:, rows].reshape(-1, 2), axis=0).max()
    return float(max(1.12 * wide, 2e-3) / _NARROWEST)


def _axes(figure: go.Figure, layout: Layout, rows: NDArray[np.int64]) -> go.Figure:
    # one range for all epochs, so that the eye compares places
    drawn = layout.coordinates[:, rows].reshape(-1, 2)
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    pad = np.maximum(0.06 * (high - low), 1e-3)
    titles: tuple[str, str]
    if layout.explained is None:
        titles = ("UMAP 1 (no unit)", "UMAP 2 (no unit)")
    else:
        first, second = (
            f"principal direction {i + 1} ({100 * share:.0f} % of variance)"
            for i, share in enumerate(layout.explained)
        )
        titles = (first, second)
    for update, index in ((figure.update_xaxes, 0), (figure.update_yaxes, 1)):
        update(
            title=titles[index],
            range=[float(low[index] - pad[index]), float(high[index] + pad[index])],
            showticklabels=layout.explained is not None,
            zeroline=False,
        )
    # equal units on both axes: a distance is the same in every direction
    figure.update_yaxes(scaleanchor="x")
    finished(figure, height=HEIGHT)
    figure.update_layout(dragmode="lasso", uirevision="map", newselection={"line": {"color": NEUTRAL}})
    return figure
