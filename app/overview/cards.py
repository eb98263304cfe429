"""Above the table: how many runs there are, the highest test mAP of finished ones, and where to go."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.findings import best_runs, state_counts
from mlcnc.analysis.runs.rows import BUCKETS, RunRow

STEPS = (
    ("learn", "New here? Start the lesson", ":material/school:"),
    ("compare", "Compare recipes", ":material/bar_chart:"),
    ("geometry", "How close to an ETF", ":material/hub:"),
    ("images", "Missed images", ":material/visibility:"),
)


def show_cards(rows: Sequence[RunRow], dataset: str | None) -> None:
    """Draw one card with the states of all runs and one a bucket with the highest run of a data set."""
    best = best_runs(rows, dataset)
    finished = [row for row in rows if row.dataset == dataset and row.state == "finished"]
    lengths = sorted({row.num_epochs or row.num_logged for row in finished})
    with st.container(horizontal=True, gap="small"):
        counts = state_counts(rows)
        _card("Runs", str(len(rows)), ", ".join(f"{number} {state}" for state, number in counts.items()))
        for bucket in BUCKETS:
            run = best[bucket]
            value = "-" if run is None else f"{run.map_percent[bucket]:.1f} %"
            name = "no finished run" if not finished else "not logged" if run is None else run.name
            if run is not None and len(lengths) > 1:
                name = f"{name}, {run.num_epochs or run.num_logged} epochs"
            # of a single run nothing is the top
            _card(f"Top {bucket} mAP" if len(finished) > 1 else f"{bucket} mAP", value, name)
    if len(finished) > 1:
        unlike = f" Their lengths differ, {lengths[0]} to {lengths[-1]} epochs." if len(lengths) > 1 else ""
        st.caption(
            plain(
                f"Top: the highest single one of {len(finished)} finished runs on {dataset}.{unlike} Whether a "
                "lead holds over seeds stands above."
            )
        )


def show_next_steps() -> None:
    """Draw links to the lesson and to the pages of the picked runs; none where the page runs alone."""
    with st.container(horizontal=True):
        for view, label, icon in STEPS:
            try:
                st.page_link(f"{view}/page.py", label=label, icon=icon)
            except (StreamlitAPIException, KeyError):  # opened without the entry script
                return


def _card(label: str, value: str, below: str) -> None:
    # wide enough for the longest label, narrow enough for five in a row beside the sidebar
    with st.container(border=True, gap="xxsmall", width=148, height="stretch"):
        st.metric(label, value)
        st.caption(plain(below))
