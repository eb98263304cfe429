"""Where to go from the overview."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAPIException

STEPS = (
    ("learn", "New here? Start the lesson", ":material/school:"),
    ("compare", "Compare recipes", ":material/bar_chart:"),
    ("geometry", "How close to an ETF", ":material/hub:"),
    ("images", "Missed images", ":material/visibility:"),
)


def show_next_steps() -> None:
    """Draw links to the lesson and to the pages of the picked runs; none where the page runs alone."""
    with st.container(horizontal=True):
        for view, label, icon in STEPS:
            try:
                st.page_link(f"views/{view}.py", label=label, icon=icon)
            except (StreamlitAPIException, KeyError):  # opened without the entry script
                return
