"""Links from the overview to the lesson and to the pages of the picked runs."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAPIException

STEPS: tuple[tuple[str, dict[str, str], str, str], ...] = (
    ("learn", {}, "New here? Start the lesson", ":material/school:"),
    ("compare", {}, "Compare recipes", ":material/bar_chart:"),
    ("compare", {"show": "Tables"}, "What was not reproduced", ":material/fact_check:"),
    ("geometry", {}, "How close to an ETF", ":material/hub:"),
    ("images", {}, "Missed images", ":material/visibility:"),
)


def show_next_steps() -> None:
    """Draw the links; none where the page runs alone."""
    with st.container(horizontal=True):
        for view, asked, label, icon in STEPS:
            try:
                st.page_link(f"{view}/page.py", label=label, icon=icon, query_params=asked)
            except (StreamlitAPIException, KeyError):  # opened without the entry script
                return
