"""Cards above the table: how many runs there are, and the highest test mAP by bucket."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.analysis.findings import best_runs, state_counts
from mlcnc.analysis.runs import BUCKETS, RunRow


def show_cards(rows: Sequence[RunRow], dataset: str | None) -> None:
    """Draw one card with the states of all runs and one a bucket with the highest run of a data set."""
    best = best_runs(rows, dataset)
    with st.container(horizontal=True, gap="small"):
        counts = state_counts(rows)
        _card("Runs", str(len(rows)), ", ".join(f"{number} {state}" for state, number in counts.items()))
        for bucket in BUCKETS:
            run = best[bucket]
            value = "-" if run is None else f"{run.map_percent[bucket]:.1f} %"
            _card(f"Top {bucket} mAP", value, "not logged" if run is None else run.name)
    st.caption(
        plain(f"Top: the highest single run on {dataset}; whether its lead holds over seeds stands above.")
    )


def _card(label: str, value: str, below: str) -> None:
    # wide enough for the longest label, narrow enough for five in a row beside the sidebar
    with st.container(border=True, gap="xxsmall", width=152, height="stretch"):
        st.metric(label, value)
        st.caption(plain(below))
