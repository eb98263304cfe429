"""Charts of a run that is being trained, as Vega-Lite: their data are swapped in place, without a flash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from app.figures.style import BUCKET_COLOURS, NEUTRAL, OPTIMUM_COLOUR
from mlcnc.analysis.live import PANELS, LiveCurves

HEIGHT = 280
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
_DECADES = [10.0**power for power in range(-4, 5)]


@dataclass(frozen=True)
class LivePanel:
    """What one chart shows.

    Attributes:
        title: above it.
        axis: of its values.
        logarithmic: whether its axis is.
        colours: by line, in the order of the legend.
        domain: of the values, or None to fit them.
    """

    title: str
    axis: str
    logarithmic: bool
    colours: dict[str, str]
    domain: tuple[float, float] | None = None


LIVE_PANELS = {
    "losses": LivePanel(
        "Loss and its parts",
        "training loss",
        True,
        {"total": NEUTRAL, "alignment": "#0072B2", "calibration": "#E69F00", "two-way": "#009E73"},
    ),
    "map": LivePanel(
        "Test mAP by bucket", "mAP (%)", False, {"total": NEUTRAL, **BUCKET_COLOURS}, domain=(0, 100)
    ),
    "nc1": LivePanel(
        "NC1 of test features f, 0 is collapse",
        "NC1",
        True,
        {"NC1": "#0072B2", "NC1, tail": "#56B4E9", "labels shuffled": NEUTRAL},
    ),
    "angle": LivePanel(
        "Smallest angle between test class means, f",
        "degrees",
        False,
        {"smallest angle": "#0072B2"},
        domain=(0, 120),
    ),
}


def live_table(curves: LiveCurves, panel: str) -> pa.Table:
    """Return the numbers of a chart, one row an epoch and one column a line, in single precision.

    A bare Arrow table is half as large as the same numbers in a data frame, and it is sent at every tick.
    """
    lines = {name: np.array(values, dtype=np.float32) for name, values in curves.panels[panel].items()}
    return pa.table({"epoch": np.array(curves.epochs, dtype=np.int32), **lines})


def live_spec(
    panel: str, num_epochs: int | None, optimal_angle: float | None, warmup_epochs: int = 0
) -> dict[str, Any]:
    """Return the Vega-Lite spec of a chart; it does not change while the run goes on.

    Args:
        panel: key of ``LIVE_PANELS``.
        num_epochs: planned, the end of the horizontal axis; None fits it.
        optimal_angle: drawn where the panel is that of angles.
        warmup_epochs: their end is drawn where the panel is that of losses; 0 draws none.
    """
    shown = LIVE_PANELS[panel]
    names = list(PANELS[panel])
    x_scale = {"domain": [1, max(2, num_epochs)], "nice": False} if num_epochs else {}
    y_scale: dict[str, Any] = {"type": "log"} if shown.logarithmic else {}
    if shown.domain is not None:
        y_scale["domain"] = list(shown.domain)
    # room for the longest label, so that the plot does not move sideways as values change
    y_axis: dict[str, Any] = {"minExtent": 34, "tickCount": 4}
    if shown.logarithmic:
        y_axis |= {"values": _DECADES, "format": "~g"}
    lines = {
        "mark": {"type": "line", "point": {"size": 16}},
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
            **_line_looks(names, [shown.colours[name] for name in names]),
            "tooltip": [
                {"field": "line"},
                {"field": "epoch"},
                {"field": "value", "type": "quantitative", "format": ".4~g"},
            ],
        },
    }
    unfolded = {"transform": [{"fold": names, "as": ["line", "value"]}, {"filter": "isValid(datum.value)"}]}
    if panel == "angle" and optimal_angle is not None:
        return {**unfolded, "layer": [lines, *_optimum(optimal_angle)]}
    if panel == "losses" and warmup_epochs:
        return {**unfolded, "layer": [lines, *_warmup_end(warmup_epochs)]}
    return {**unfolded, **lines}


def _line_looks(names: list[str], colours: list[str]) -> dict[str, Any]:
    """Return colour and dash of every line, in one legend that tells lines apart without colour too."""
    if len(names) == 1:
        return {"color": {"value": colours[0]}}
    legend = {"orient": "top", "title": None, "symbolType": "stroke", "offset": 4, "padding": 0, "columns": 2}
    return {
        channel: {"field": "line", "scale": {"domain": names, "range": values}, "legend": legend}
        for channel, values in (("color", colours), ("strokeDash", list(_DASHES[: len(names)])))
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
