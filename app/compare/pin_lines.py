"""Pin a line of a chart in the browser: a click on it or its name dims the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

_PIN = st.components.v2.component(
    "mlcnc_pin_lines",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def pin_lines(chart: str, names: Sequence[str]) -> None:
    """Let the lines of a chart be pinned; called after the chart.

    Args:
        chart: key of the chart.
        names: groups in its legend that are lines, which annotations at their ends may have too.
    """
    _PIN(key=f"pin_{chart}", data={"chart": chart, "names": list(dict.fromkeys(names))})
