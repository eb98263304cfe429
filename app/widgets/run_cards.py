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
    with st.container(horizontal=True):
        counts = state_counts(rows)
        _card("Runs", str(len(rows)), ", ".join(f"{number} {state}" for state, number in counts.items()))
        for bucket in BUCKETS:
            run = best[bucket]
            value = "-" if run is None else f"{run.map_percent[bucket]:.1f} %"
            name = "not logged" if run is None else run.name
            _card(
                f"Highest {bucket} mAP", value, name, f"Single run on {dataset}; see the sentences for seeds."
            )


def _card(label: str, value: str, below: str, explanation: str | None = None) -> None:
    with st.container(border=True, width=220):
        st.metric(label, value, help=plain(explanation) if explanation else None)
        st.caption(plain(below))
