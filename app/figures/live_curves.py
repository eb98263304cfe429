"""Charts of a run that is being trained, as Vega-Lite: their data are swapped in place, without a flash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from app.figures.style import BUCKET_COLOURS, NEUTRAL, OPTIMUM_COLOUR
from mlcnc.analysis.live import PANELS, LiveCurves

HEIGHT = 250
_SOLID = [1, 0]
_DASHES = (_SOLID, [6, 3], [2, 2], [8, 3, 2, 3])


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


def live_frame(curves: LiveCurves, panel: str) -> pd.DataFrame:
    """Return the numbers of a chart, one row an epoch and one column a line, in single precision."""
    lines = {name: np.array(values, dtype=np.float32) for name, values in curves.panels[panel].items()}
    return pd.DataFrame({"epoch": np.array(curves.epochs, dtype=np.int32), **lines})


def live_spec(panel: str, num_epochs: int | None, optimal_angle: float | None) -> dict[str, Any]:
    """Return the Vega-Lite spec of a chart; it does not change while the run goes on.

    Args:
        panel: key of ``LIVE_PANELS``.
        num_epochs: planned, the end of the horizontal axis; None fits it.
        optimal_angle: drawn where the panel is that of angles.
    """
    shown = LIVE_PANELS[panel]
    names = list(PANELS[panel])
    colours = [shown.colours[name] for name in names]
    scale: dict[str, Any] = {"type": "log"} if shown.logarithmic else {}
    if shown.domain is not None:
        scale["domain"] = list(shown.domain)
    x_scale: dict[str, Any] = {"domain": [1, max(2, num_epochs)], "nice": False} if num_epochs else {}
    one_line = len(names) == 1
    legend = (
        None
        if one_line
        else {"orient": "top", "title": None, "symbolType": "stroke", "symbolSize": 400, "offset": 4}
    )
    line: dict[str, Any] = {
        "mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 2, "clip": True},
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "title": "epoch",
                "scale": x_scale,
                "axis": {"tickMinStep": 1, "tickCount": 6, "format": "d", "grid": False},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": shown.axis,
                "scale": scale,
                # room for the longest label, so that the plot does not move sideways as values change
                "axis": {"tickCount": 4, "format": "~g", "minExtent": 34},
            },
            "color": {
                "field": "line",
                "type": "nominal",
                "scale": {"domain": names, "range": colours},
                "legend": legend,
            },
            "strokeDash": {
                "field": "line",
                "type": "nominal",
                "scale": {"domain": names, "range": list(_DASHES[: len(names)])},
                "legend": legend,
            },
            "tooltip": [
                {"field": "line", "type": "nominal"},
                {"field": "epoch", "type": "quantitative"},
                {"field": "value", "type": "quantitative", "format": ".4~g"},
            ],
        },
    }
    layers = [line]
    if panel == "angle" and optimal_angle is not None:
        layers += _optimum(optimal_angle)
    return {
        "transform": [
            {"fold": names, "as": ["line", "value"]},
            {"filter": "isValid(datum.value)" + " && datum.value > 0" * shown.logarithmic},
        ],
        "layer": layers,
    }


def _optimum(angle: float) -> list[dict[str, Any]]:
    words = f"simplex ETF {angle:.1f}°"
    return [
        {
            "data": {"values": [{"optimum": angle}]},
            "mark": {"type": "rule", "color": OPTIMUM_COLOUR, "strokeDash": [6, 4], "strokeWidth": 1.5},
            "encoding": {"y": {"field": "optimum", "type": "quantitative"}},
        },
        {
            "data": {"values": [{"optimum": angle, "words": words}]},
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "bottom",
                "dx": 4,
                "dy": -3,
                "color": OPTIMUM_COLOUR,
                "fontSize": 12,
            },
            "encoding": {
                "x": {"value": 0},
                "y": {"field": "optimum", "type": "quantitative"},
                "text": {"field": "words", "type": "nominal"},
            },
        },
    ]
