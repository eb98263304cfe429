"""Charts of a run that is being trained, as Vega-Lite: their data are swapped in place, without a flash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from app.figures.style import BUCKET_COLOURS, NEUTRAL, OPTIMUM_COLOUR
from mlcnc.analysis.curves.live import OF_SPACE, LiveCurves

HEIGHT = 280
TERM_COLOURS = (NEUTRAL, "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8D6AA8")
"""Of the total and the terms of a loss, in the order in which a run logs them."""

_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [4, 4], [1, 3], [12, 3, 3, 3])
_DECADES = [10.0**power for power in range(-4, 5)]


@dataclass(frozen=True)
class PanelLook:
    """What one chart shows.

    Attributes:
        title: above it; a space of features is named after it.
        axis: of its values.
        logarithmic: whether its axis is.
        colours: by line, in the order of the legend; None where each run has lines of its own.
        domain: of the values, or None to fit them; so may be either end.
        more: end of the title, after the space.
    """

    title: str
    axis: str
    logarithmic: bool
    colours: dict[str, str] | None
    domain: tuple[float | None, float] | None = None
    more: str = ""


_SPLITS = {"test": "#0072B2", "train": "#009E73"}
LIVE_PANELS = {
    "nc1": PanelLook(
        "NC1 of features",
        "NC1",
        True,
        {**_SPLITS, "test, tail": "#56B4E9", "labels shuffled": NEUTRAL},
        more=", 0 is collapse",
    ),
    "alignment": PanelLook(
        "Cosine of features",
        "mean cosine",
        False,
        _SPLITS,
        domain=(None, 1.0),
        more=" with their label embedding, 1 is aligned",
    ),
    "losses": PanelLook("Loss and its parts", "training loss", True, None),
    "map": PanelLook(
        "Test mAP by bucket", "mAP (%)", False, {"total": NEUTRAL, **BUCKET_COLOURS}, domain=(0, 100)
    ),
    "angle": PanelLook("Smallest angle between class means", "degrees", False, _SPLITS, domain=(0, 120)),
}
"""In the order of the page: what tells of collapse stands first."""


def live_title(panel: str, curves: LiveCurves | None) -> str:
    """Return what stands above a chart, with the space of features that it measures."""
    look = LIVE_PANELS[panel]
    space = None if curves is None else curves.space
    if space is None or panel not in OF_SPACE:
        return look.title + look.more
    if panel == "angle":
        return f"{look.title}, {space.name}"
    return f"{look.title} {space.name}{' (one an image)' if space.kind == 'image' else ''}{look.more}"


def live_table(curves: LiveCurves, panel: str) -> pa.Table:
    """Return the numbers of a chart, one row a point, in the order of epochs and of the legend.

    Arrow in single precision with the names of lines as a dictionary, for it is sent at every tick. What an
    epoch did not measure has no row, so that lines connect what was measured, nor has what a logarithmic axis
    cannot show.
    """
    shown, logarithmic = curves.panels[panel], LIVE_PANELS[panel].logarithmic
    names = list(shown.lines)
    points = [
        (epoch, line, value)
        for place, epoch in enumerate(shown.epochs)
        for line, name in enumerate(names)
        if (value := shown.lines[name][place]) is not None and (value > 0 or not logarithmic)
    ]
    epochs, lines, values = zip(*points, strict=True) if points else ((), (), ())
    return pa.table(
        {
            "epoch": np.array(epochs, dtype=np.int16 if max(epochs, default=0) < 2**15 else np.int32),
            "line": pa.DictionaryArray.from_arrays(
                np.array(lines, dtype=np.int8), pa.array(names, pa.string())
            ),
            "value": np.array(values, dtype=np.float32),
        }
    )


def live_spec(curves: LiveCurves, panel: str, num_epochs: int | None) -> dict[str, Any]:
    """Return the Vega-Lite spec of a chart; it does not change while the run goes on, for then it would flash.

    Args:
        curves: of the run. The optimal angle is drawn where the panel is that of angles, the end of the warm-up
            where it is that of losses.
        panel: key of ``LIVE_PANELS``, with at least one line.
        num_epochs: planned, the end of the horizontal axis; None fits it.
    """
    shown = LIVE_PANELS[panel]
    x_scale = {"domain": [1, max(2, num_epochs)], "nice": False} if num_epochs else {}
    y_scale: dict[str, Any] = {"type": "log"} if shown.logarithmic else {}
    if shown.domain is not None:
        low, high = shown.domain
        y_scale |= {"domainMax": high} if low is None else {"domain": [low, high]}
    # room for the longest label, so that the plot does not move sideways as values change
    y_axis: dict[str, Any] = {"minExtent": 34, "tickCount": 4}
    if shown.logarithmic:
        y_axis |= {"values": _DECADES, "format": "~g"}
    lines = {
        "mark": {"type": "line", "point": {"size": 16}, "tooltip": True},
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "scale": x_scale,
                "axis": {"tickMinStep": 1, "tickCount": 6, "grid": False},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": shown.axis,
                "scale": y_scale,
                "axis": y_axis,
            },
            **_line_looks(shown.colours),
        },
    }
    # of the values under the pointer
    config = {"config": {"numberFormat": ".4~g"}}
    if panel == "angle" and curves.optimal_angle is not None:
        return {"layer": [lines, *_optimum(curves.optimal_angle)], **config}
    if panel == "losses" and curves.warmup_epochs:
        return {"layer": [lines, *_warmup_end(curves.warmup_epochs)], **config}
    return {**lines, **config}


def _line_looks(colours: dict[str, str] | None) -> dict[str, Any]:
    """Return colour and dash of every line, in one legend that tells lines apart without colour too.

    Args:
        colours: by line; None where the lines are known by their numbers only, which they are given in order.
    """
    if colours is not None and len(colours) == 1:
        return {"color": {"value": next(iter(colours.values()))}}
    legend = {"orient": "top", "title": None, "symbolType": "stroke", "offset": 4, "padding": 0, "columns": 2}
    domain = {} if colours is None else {"domain": list(colours)}
    wanted = TERM_COLOURS if colours is None else colours.values()
    ranges = {"color": list(wanted), "strokeDash": list(_DASHES[: len(wanted)])}
    return {
        channel: {
            "field": "line",
            "type": "nominal",
            "sort": None,
            "scale": {**domain, "range": values},
            "legend": legend,
        }
        for channel, values in ranges.items()
    }


def _warmup_end(epochs: int) -> list[dict[str, Any]]:
    """Return the line at which the other losses join, for there the total jumps, and what it is."""
    return [
        {
            "mark": {"type": "rule", "color": NEUTRAL, "strokeDash": [2, 3]},
            "encoding": {"x": {"datum": epochs + 0.5}},
        },
        {
            "data": {"values": [{"words": "warm-up ends: all losses"}]},
            "mark": {"type": "text", "align": "left", "dx": 4, "dy": 8, "color": NEUTRAL},
            "encoding": {"x": {"datum": epochs + 0.5}, "y": {"value": 0}, "text": {"field": "words"}},
        },
    ]


def _optimum(angle: float) -> list[dict[str, Any]]:
    """Return the line of the best possible angle and its name."""
    return [
        {
            "mark": {"type": "rule", "color": OPTIMUM_COLOUR, "strokeDash": [6, 4]},
            "encoding": {"y": {"datum": angle}},
        },
        {
            "data": {"values": [{"words": f"simplex ETF {angle:.1f}°"}]},
            "mark": {"type": "text", "align": "left", "dx": 4, "dy": -8, "color": OPTIMUM_COLOUR},
            "encoding": {"x": {"value": 0}, "y": {"datum": angle}, "text": {"field": "words"}},
        },
    ]
