"""Two of the picked runs, side by side or one minus the other."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.widgets.controls import follow_default
from mlcnc.analysis.runs import RunRow
from mlcnc.store import Run

NONE = "none"


def pick_pair(
    usable: Sequence[tuple[Run, RunRow]],
    *,
    first_label: str = "Run",
    second_label: str = "Beside it",
    optional: bool = True,
) -> list[tuple[Run, RunRow]]:
    """Ask for one run and, where there is another of the same classes, a second; both live in the URL.

    Args:
        usable: the picked runs that have what the page shows; at least one.
        first_label, second_label: of the controls.
        optional: whether the second may be left out.

    Returns:
        One or two runs with their rows, the first one first.
    """
    by_id = {run.run_id: (run, row) for run, row in usable}
    ids = list(by_id)

    left, right = st.columns(2)
    # no format_func: the address holds what the control shows, and names can change or repeat
    first = left.selectbox(first_label, ids, key="a", bind="query-params") or ids[0]
    names = by_id[first][0].info.class_names
    others = [run_id for run_id in ids if run_id != first and by_id[run_id][0].info.class_names == names]
    options = [*([NONE] if optional or not others else []), *others]
    place = 1 if optional and others else 0
    follow_default("b", options[place])
    second = right.selectbox(
        second_label,
        options,
        index=place,
        key="b",
        bind="query-params",
        help="Runs of the same classes, of those picked in the sidebar.",
    )
    return [by_id[run_id] for run_id in (first, second) if run_id in by_id]
