"""Bring a part of the page into view after something was opened there from elsewhere on the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_TURN = "scroll_turn_"

_SCROLL = st.components.v2.component(
    "mlcnc_scroll_into_view",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def ask_to_scroll(target: str) -> None:
    """Bring a container into view with the run that follows; in a callback or before ``scroll_into_view``.

    Args:
        target: key of the container.
    """
    st.session_state[_TURN + target] = st.session_state.get(_TURN + target, 0) + 1


def scroll_into_view(target: str) -> None:
    """Do what ``ask_to_scroll`` asked for, once; called after the container of that key."""
    _SCROLL(key=f"scroll_to_{target}", data={"target": target, "turn": st.session_state.get(_TURN + target, 0)})
