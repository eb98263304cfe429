"""A button that copies the address of a view, with the runs that it shows."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.session import RUNS_KEY

_HERE = Path(__file__)
_BUTTON = st.components.v2.component(
    "mlcnc_copy_link",
    html="""<button type="button" part="button">Copy link to this view</button>
<span role="status" aria-live="polite"></span>""",
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def copy_link() -> None:
    """Draw the button; called after the picker of runs."""
    runs = list(st.session_state.get(RUNS_KEY) or [])
    _BUTTON(key="copy_link", data={"key": RUNS_KEY, "runs": runs})
