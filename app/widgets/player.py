"""A chart with frames that plays in the browser: keys, buttons and the address follow, the server rests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app import plotly_script
from app.address import note_shown
from app.figures.player import at_frame
from app.figures.theme import PAGE_THEME, template
from app.widgets.chart import chart_config, show_chart, show_extras
from app.widgets.downloads import Numbers
from app.widgets.drawing import Drawing

EPOCH_KEY = "epoch"

_HERE = Path(__file__)
_TEMPLATE = json.dumps(template(PAGE_THEME))
_PLAYER = st.components.v2.component(
    "mlcnc_player",
    html="""<div class="mlcnc-player"><div class="chart" role="figure"></div>
<div class="controls" role="group" aria-label="Step through the chart">
<button type="button" class="back" disabled aria-label="One step back"
 title="One step back (left)">&#8592;</button>
<button type="button" class="play" disabled title="Play or pause (space)">&#9654; Play</button>
<button type="button" class="on" disabled aria-label="One step on" title="One step on (right)">&#8594;</button>
<span class="hint">arrow keys step, space plays</span>
<span class="said" role="status" aria-live="polite"></span></div></div>""",
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # Plotly keeps its styles in the document
)
_TOLD = st.components.v2.component(
    "mlcnc_player_told", js=_HERE.with_name("player_told.js").read_text(encoding="utf-8")
)


def show_player(
    figure: go.Figure | Drawing,
    *,
    key: str,
    title: str,
    alt: str,
    reading: str,
    frame: Numbers,
    follow: bool = False,
    parameter: str | None = EPOCH_KEY,
    what: str = "epoch",
    autoplay: bool = False,
    alt_at: Callable[[str], str] | None = None,
) -> str | None:
    """Draw a figure of ``with_player`` with the extras of a chart and the keys that move it.

    The figure is sent once. Slider, buttons, arrow keys and the space bar move it in the browser, and the
    shown frame is kept in the address of the page, from where a reload starts again. Players of one page
    with the same parameter move together.

    Args:
        figure: with frames, see ``app.figures.player``; without a slider no keys are added.
        key, title, alt, reading, frame: as of ``show_chart``.
        follow: whether the page or its fragment runs again once the player comes to rest at another frame;
            the chart itself is not sent again as long as its figure is the same.
        parameter: name in the address, or None to leave the address alone. No bound control of the page
            may have the same name. The last frame is the default and leaves no trace in the address.
        what: the frames are of, as read out by screen readers.
        autoplay: play through once when the chart appears, unless the address names a frame or the reader
            asked for less motion.
        alt_at: says of a frame what ``alt`` says of the last one; an exported chart has the words of its own.

    Returns:
        Label of the frame the player rests at as far as the server knows: the one of the address at first;
        None where the figure has no frames.
    """
    drawing = figure if isinstance(figure, Drawing) else Drawing(figure)
    labels = [item.name for item in drawing.figure.frames]
    if len(labels) < 2:
        if labels and parameter:
            note_shown(parameter, labels[0])
        show_chart(drawing, key=key, title=title, alt=alt, reading=reading, frame=frame)
        return labels[0] if labels else None
    told = _rested_at(st.session_state.get(key, {}).get("label"), labels) if follow else None
    if told is None:
        told = nearest_label(labels, st.query_params.get(parameter) if parameter else None)
    if parameter:
        note_shown(parameter, told)
    # a state key needs its callback; what is to be done at rest is done by the run that follows
    settings: dict[str, Any] = {"on_label_change": lambda: None} if follow else {}
    _PLAYER(
        key=key,
        data={
            "figure": drawing.packed(),
            "template": _TEMPLATE,
            "config": chart_config(drawing.figure, key),
            "library": plotly_script.address(),
            "chart": key,
            "alt": alt,
            "parameter": parameter,
            "what": what,
            "follow": follow,
            "autoplay": autoplay,
        },
        **settings,
    )
    show_extras(
        drawing.figure,
        key=key,
        title=title,
        alt=alt_at(told) if alt_at is not None else alt,
        reading=reading,
        frame=frame,
        exported=lambda: at_frame(drawing.figure, told),
    )
    if follow:
        _TOLD(key=f"told_{key}", data={"chart": key, "label": told})
    return told


def _rested_at(said: str | None, labels: Sequence[str]) -> str | None:
    """Return the frame that somebody chose: not what was merely the last one of another figure.

    Args:
        said: by the browser, the frame it rests at and the last one of the figure of then, ``7/20``.
        labels: of the frames of now.
    """
    label, _, last = (said or "").rpartition("/")
    if label not in labels or (label == last and last != labels[-1]):
        return None
    return label


def nearest_label(labels: Sequence[str], wanted: str | None) -> str:
    """Return the label that is wanted or, of numbers, nearest to it, the later of two; else the last one."""
    if wanted in labels:
        return str(wanted)
    try:
        number = float(wanted or "")
        return min(reversed(labels), key=lambda label: abs(float(label) - number))
    except ValueError:
        return labels[-1]
