"""The weakest tail class of every picked run, each one click away from its missed images."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.widgets.image_gallery import IMAGE_KEY
from app.widgets.plain_text import plain
from mlcnc.analysis.decisions import ClassResult, worst_tail_class
from mlcnc.analysis.runs import RunRow


def show_worst_classes(results: Sequence[tuple[RunRow, Sequence[ClassResult]]]) -> None:
    """Draw one line a run: its tail class of lowest AP, and a button that shows what it misses."""
    st.subheader("The weakest tail class of each run")
    for row, found in results:
        worst = worst_tail_class(found)
        left, right = st.columns([3, 1], vertical_alignment="center")
        if worst is None:
            left.markdown(f"**{plain(row.name)}** ({plain(row.embedding)}): no tail class has a test image.")
            continue
        left.markdown(
            f"**{plain(row.name)}** ({plain(row.embedding)}): **{plain(worst.class_name)}**, "
            f"AP {worst.average_precision:.1f} % from {worst.train_count} training images; "
            f"{worst.num_missed} of {worst.num_positives} test images missed, "
            f"{worst.num_with_attention} of these with stored attention."
        )
        right.button(
            "Show what it misses",
            key=f"worst_{row.run_id}",
            on_click=show_misses,
            args=(row.run_id, worst.class_name),
        )


def show_misses(run_id: str, class_name: str) -> None:
    """Turn the page to the missed images of a class in a run; only in a callback."""
    state = st.session_state
    if state.get("b") == run_id:
        state["b"] = state.get("a")
    state["a"] = run_id
    state["class"] = class_name
    state["kind"] = "missed"
    state["page"] = 1
    state[IMAGE_KEY] = None
