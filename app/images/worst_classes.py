"""The weakest tail class of every picked run, each one click away from its missed images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.images.detail import looks_nowhere
from app.images.gallery import DETAIL, IMAGE_KEY
from app.widgets.plain_text import plain
from app.widgets.scroll_into_view import ask_to_scroll
from mlcnc.analysis.images.decisions import ClassResult, worst_tail_class
from mlcnc.analysis.runs.rows import RunRow


def show_worst_classes(results: Sequence[tuple[RunRow, Sequence[ClassResult]]]) -> None:
    """Draw one line a run: its tail class of lowest AP, and a button that shows what it misses."""
    st.subheader("The weakest tail class of each run")
    for row, found in results:
        worst = worst_tail_class(found)
        left, right = st.columns([2, 1], vertical_alignment="center")
        if worst is None:
            left.markdown(f"**{plain(row.name)}** ({plain(row.recipe)}): no tail class has a test image.")
            continue
        left.markdown(
            f"**{plain(row.name)}** ({plain(row.recipe)}): **{plain(worst.class_name)}**, "
            f"AP {worst.average_precision:.1f} % from {worst.train_count} training images; "
            f"{worst.num_missed or 'none'} of {worst.num_positives} test images missed"
            + (
                "."
                if looks_nowhere(row) or not worst.num_missed
                else f", {worst.num_with_attention} of these with stored attention."
            )
        )
        if worst.num_missed:
            right.button(
                "See a missed image",
                key=f"worst_{row.run_id}",
                on_click=show_misses,
                args=(row.run_id, worst.class_name),
            )
    with st.expander("Every class of these runs", icon=":material/table_rows:"):
        table = class_frame(results)
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.1f %%")
                for name in table.columns
                if str(name).startswith("AP ")
            },
            alt="Average precision of every class in every picked run, tail classes first",
        )
    st.caption(
        "Average precision on test images at the last epoch with stored scores, of one run each: another seed "
        "may have another weakest class. Missed: below the threshold of greatest F1."
    )


def class_frame(results: Sequence[tuple[RunRow, Sequence[ClassResult]]]) -> pd.DataFrame:
    """Return one line a class with AP and missed images of every run: tail first, then by the lowest AP."""
    lines: dict[str, dict[str, object]] = {}
    lowest: dict[str, tuple[int, float]] = {}
    places = {"tail": 0, "medium": 1, "head": 2}
    for row, found in results:
        for item in found:
            line = lines.setdefault(
                item.class_name,
                {"class": item.class_name, "bucket": item.bucket, "training images": item.train_count},
            )
            line[f"AP {row.name}"] = round(item.average_precision, 1)
            line[f"missed {row.name}"] = f"{item.num_missed} of {item.num_positives}"
            key = (places.get(item.bucket, 3), item.average_precision)
            lowest[item.class_name] = min(key, lowest.get(item.class_name, key))
    return pd.DataFrame([lines[name] for name in sorted(lines, key=lambda name: lowest[name])])


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
    ask_to_scroll(DETAIL)
