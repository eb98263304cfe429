"""How charts look that this package draws itself: offline in light, dark and on paper, on a page like it."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
import plotly.io

_CLEAR = "rgba(0,0,0,0)"
THEMES = {
    "light": {
        "ink": "#1F2430", "ground": "#FFFFFF", "paper": "#FFFFFF", "grid": "#E1E5EA", "line": "#9AA3AE",
        "font": "system-ui, sans-serif",
    },
    "dark": {
        "ink": "#E8EAED", "ground": "#15181D", "paper": "#15181D", "grid": "#343A43", "line": "#6B7480",
        "font": "system-ui, sans-serif",
    },
}  # fmt: skip
PAGE_THEME = {
    "ink": "--st-text-color", "ground": "--st-background-color", "paper": _CLEAR, "grid": "--st-border-color",
    "line": "--st-border-color", "font": "--st-font",
}  # fmt: skip
"""Names of the variables that Streamlit gives to components, filled in by the browser."""


def template(colours: dict[str, str]) -> dict[str, Any]:
    """Return the template of Plotly that draws in the colours and font of a theme."""
    axis = {
        "gridcolor": colours["grid"],
        "zerolinecolor": colours["grid"],
        "linecolor": colours["line"],
        "tickcolor": colours["line"],
        "title": {"font": {"size": 13}},
    }
    return {
        "layout": {
            "paper_bgcolor": colours["paper"],
            "plot_bgcolor": colours["paper"],
            "font": {"color": colours["ink"], "family": colours["font"], "size": 13},
            "hoverlabel": {"bgcolor": colours["ground"], "font": {"color": colours["ink"]}},
            "xaxis": axis,
            "yaxis": axis,
            "scene": {f"{name}axis": {**axis, "backgroundcolor": colours["paper"]} for name in "xyz"},
            "modebar": {"bgcolor": _CLEAR, "color": colours["line"], "activecolor": colours["ink"]},
            "annotationdefaults": {"font": {"color": colours["ink"]}},
            "sliderdefaults": {"bgcolor": colours["grid"], "font": {"color": colours["ink"]}},
            "updatemenudefaults": {"bgcolor": colours["ground"], "font": {"color": colours["ink"]}},
        }
    }


def figure_tree(figure: go.Figure) -> Any:
    """Return a figure as JSON holds it, without the template that it was made with."""
    tree = json.loads(plotly.io.to_json(figure, validate=False))
    tree["layout"].pop("template", None)
    return tree
