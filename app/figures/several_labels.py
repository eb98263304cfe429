"""Pictures for images with several labels: the plane of two centres, shared images, two features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.angle_matrix import MOST_TICKS
from app.figures.attention import enlarged, image_address
from app.figures.backdrop import add_backdrop
from app.figures.line_ends import name_line_ends
from app.figures.style import GREY_GROUND, NEUTRAL, epoch_axis, finished
from mlcnc.analysis.geometry.co_occurrence import CoOccurrence
from mlcnc.analysis.geometry.label_pairs import LabelPairs
from mlcnc.analysis.images.drawn_scene import DrawnScene
from mlcnc.toys.several_labels import BetweenCentres

HEIGHT = 280


def labelled_scene(scene: DrawnScene, colours: Mapping[str, str]) -> go.Figure:
    """Return a picture with a frame around each object, in the colour and with the name of its label."""
    height, width = scene.image.shape[:2]
    figure = go.Figure()
    add_backdrop(figure, image_address(enlarged(scene.image)), (height, width))
    for label, (x0, y0, x1, y1) in zip(scene.labels, scene.boxes.tolist(), strict=True):
        # a colour that names a class may be too pale for writing on it
        figure.add_scatter(
            x=[x0, x1, x1, x0, x0],
            y=[y0, y0, y1, y1, y0],
            mode="lines",
            line={"color": colours[label], "width": 4},
            name=label,
            hovertemplate=f"{label}<extra></extra>",
        )
        figure.add_annotation(
            x=x0, y=y0, text=label, xanchor="left", yanchor="bottom", showarrow=False,
            font={"color": "#111111", "size": 13}, bgcolor="rgba(255,255,255,0.75)",
        )  # fmt: skip
    figure.update_xaxes(range=[0, width], visible=False, constrain="domain")
    figure.update_yaxes(range=[height, 0], visible=False, scaleanchor="x", constrain="domain")
    return finished(figure, height=HEIGHT, legend=False)


def feature_for_each(
    apart: float, labels: tuple[str, str], colours: Mapping[str, str], marks: Mapping[str, str]
) -> go.Figure:
    """Return two class centres in their plane, on each the feature of its label.

    Args:
        apart: angle between them, degrees.
        labels: the two classes.
        colours, marks: by name.
    """
    figure = go.Figure()
    half = np.radians(apart / 2)
    tips = [np.array([side * np.sin(half), np.cos(half)]) for side in (-1.0, 1.0)]
    for label, tip in zip(labels, tips, strict=True):
        _arrow(figure, tip, f"feature of {label}", colours[label], marks[label], width=5)
    _arc(figure, tips[0], tips[1], f"{apart:.1f}°")
    figure.update_xaxes(range=[-1.5, 1.5], visible=False, scaleanchor="y")
    figure.update_yaxes(range=[-0.55, 1.3], visible=False)
    return finished(figure, height=HEIGHT, legend=False)


def between_centres_plane(
    found: BetweenCentres,
    names: Sequence[str],
    colours: Mapping[str, str],
    marks: Mapping[str, str],
    *,
    reach: float | None = None,
) -> go.Figure:
    """Return the plane of two class centres with the feature of images that have both labels.

    Args:
        found: of the toy.
        names: (C,) of the classes.
        colours, marks: by name.
        reach: half the width of the picture; None fits the longest arrow.
    """
    figure = go.Figure()
    reach = reach or 1.25 * max(np.abs(found.centres).max(), np.abs(found.feature).max())
    others = [index for index in range(len(names)) if index not in (found.first, found.second)]
    figure.add_scatter(
        x=found.centres[others, 0].round(3),
        y=found.centres[others, 1].round(3),
        mode="markers+text",
        # the other classes count the same, so their shadows lie on one another
        text=["shadows of the others"] + [""] * (len(others) - 1),
        textposition="bottom center",
        textfont={"color": NEUTRAL, "size": 12},
        cliponaxis=False,
        marker={"symbol": [marks[names[i]] for i in others], "color": NEUTRAL, "size": 8, "opacity": 0.5},
        hovertext=[names[i] for i in others],
        hovertemplate="shadow of the centre of %{hovertext}<extra></extra>",
    )
    for index in (found.first, found.second):
        name = names[index]
        _arrow(figure, found.centres[index], f"{name} alone", colours[name], marks[name])
    both = f"{names[found.first]} and {names[found.second]}"
    _arrow(figure, found.feature, both, NEUTRAL, "star", width=5)
    for index, angle in ((found.first, found.to_first), (found.second, found.to_second)):
        _arc(figure, found.feature, found.centres[index], f"{angle:.1f}°")
    figure.update_xaxes(range=[-reach, reach], visible=False, scaleanchor="y")
    figure.update_yaxes(range=[-0.36 * reach, 0.87 * reach], visible=False)
    return finished(figure, height=HEIGHT, legend=False)


def _arrow(figure: go.Figure, tip: np.ndarray, name: str, colour: str, mark: str, *, width: float = 3) -> None:
    figure.add_scatter(
        x=[0.0, round(float(tip[0]), 3)],
        y=[0.0, round(float(tip[1]), 3)],
        mode="lines+markers+text",
        text=["", name],
        textposition="top center",
        cliponaxis=False,
        line={"color": colour, "width": width},
        marker={"symbol": ["circle", mark], "size": [0, 13], "color": colour},
        hovertemplate=f"{name}<extra></extra>",
    )


def _arc(figure: go.Figure, start: np.ndarray, end: np.ndarray, text: str) -> None:
    first, last = (float(np.arctan2(tip[1], tip[0])) for tip in (start, end))
    turns = np.linspace(first, last, 24)
    radius = 0.42 * float(min(np.linalg.norm(start), np.linalg.norm(end)))
    figure.add_scatter(
        x=(radius * np.cos(turns)).round(3),
        y=(radius * np.sin(turns)).round(3),
        mode="lines",
        line={"color": NEUTRAL, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )
    middle = (first + last) / 2
    figure.add_annotation(
        x=1.35 * radius * np.cos(middle), y=1.35 * radius * np.sin(middle), text=text, showarrow=False
    )


def shared_images(record: CoOccurrence) -> go.Figure:
    """Return, for each class (row), the share of its images that also have another class (column)."""
    labels = [f"{name} ({count})" for name, count in zip(record.class_names, record.class_counts, strict=True)]
    figure = go.Figure(
        go.Heatmap(
            z=(100 * record.shares).round(1),
            x=list(record.class_names),
            y=labels,
            zmin=0,
            zmax=100,
            colorscale="Cividis",
            colorbar={"title": {"text": "% of the row's images", "side": "right"}, "thickness": 12},
            customdata=record.images,
            hovertemplate="%{customdata} images of %{y} also have %{x}: %{z:.0f} %<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_layout(plot_bgcolor=GREY_GROUND)
    buckets = record.buckets
    for border in [i - 0.5 for i in range(1, len(buckets)) if buckets[i] != buckets[i - 1]]:
        figure.add_hline(y=border, line={"color": NEUTRAL, "width": 1.5})
        figure.add_vline(x=border, line={"color": NEUTRAL, "width": 1.5})
    named = {"tickfont": {"size": 12}, "showticklabels": len(labels) <= MOST_TICKS, "showgrid": False}
    figure.update_xaxes(tickangle=90, **named)
    figure.update_yaxes(autorange="reversed", **named)
    return finished(figure, height=480, legend=False)


def own_and_other(course: Sequence[LabelPairs]) -> go.Figure:
    """Return the angle of a feature to its own class mean and to the image's other class means, over epochs."""
    epochs = [record.epoch + 1 for record in course]
    figure = go.Figure()
    rows = (
        ("to its own<br>class mean", [r.to_own for r in course], "#CC79A7", "circle", "solid"),
        ("to the other<br>class mean", [r.to_other for r in course], NEUTRAL, "square", "dash"),
        ("between the<br>two features", [r.apart for r in course], "#56B4E9", "diamond", "dot"),
    )
    for name, values, colour, mark, dash in rows:
        figure.add_scatter(
            name=name,
            x=epochs,
            y=np.round(values, 2),
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash},
            marker={"symbol": mark, "size": 9},
            hovertemplate="epoch %{x}: %{y:.1f}°<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(**epoch_axis(epochs))
    figure.update_yaxes(title="mean angle (°)", rangemode="tozero")
    named = [(name, values[-1]) for name, values, *_ in rows]
    return name_line_ends(finished(figure, height=320, legend=False), named, x=epochs[-1], gap=14.0)
