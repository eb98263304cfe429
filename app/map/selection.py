"""Which samples are selected on the feature map, kept while the picture of them changes."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import streamlit as st

from app.address import as_ranges, from_ranges
from app.figures.feature_map import NO_SAMPLE
from mlcnc.analysis.samples.layouts import SampleTable

_SELECTED = "map_selected"
_CARRIED = "map_carried"
_VIEW = "map_view"
_PAIRS = "map_pairs"
_CLEARED = "map_cleared"
ADDRESS_KEY = "sel"


def selected_samples(table: SampleTable, split: str) -> tuple[int, ...]:
    """Return the selected samples of a split, rising; none after a change to a run with other samples."""
    pairs = hash((table.image_index.tobytes(), table.class_index.tobytes(), table.split))
    known = st.session_state.get(_PAIRS)
    if known != pairs:
        st.session_state[_PAIRS] = pairs
        if known is None:
            asked = from_ranges(st.query_params.get(ADDRESS_KEY), len(table.split))
            st.session_state.setdefault(_SELECTED, asked)
        else:
            clear_selection()
    inside = {sample for sample in st.session_state.get(_SELECTED, ()) if table.split[sample] == split}
    return tuple(sorted(inside))


def carried_samples(view: str, selected: Collection[int]) -> tuple[int, ...]:
    """Return the samples that a view draws as selected from the start: those selected in the view before it.

    What is selected in a view itself is left to the browser. Were it drawn by the figure too, each selection
    would change the figure, and a changed figure is built anew and loses its selection.
    """
    if st.session_state.get(_VIEW) != view:
        st.session_state[_VIEW] = view
        st.session_state[_CARRIED] = tuple(sorted(selected))
    return tuple(st.session_state.get(_CARRIED, ()))


def chart_key(view: str, carried: Collection[int]) -> str:
    """Return a key for the chart of a view, new where the figure is another one or was cleared."""
    turn = st.session_state.get(_CLEARED, 0)
    extra = f"_{len(carried)}_selected" if carried else ""
    return re.sub(r"[^A-Za-z0-9]+", "_", f"map_{view}{extra}") + (f"_{turn}" if turn else "")


def take_selection(key: str) -> None:
    """Take over what was selected on the chart of that key."""
    _select(samples_of(st.session_state.get(key)))


def clear_selection() -> None:
    """Select nothing; the chart is drawn anew, without its box or lasso."""
    _select(())
    st.session_state[_CARRIED] = ()
    st.session_state[_CLEARED] = st.session_state.get(_CLEARED, 0) + 1


def _select(samples: tuple[int, ...]) -> None:
    st.session_state[_SELECTED] = samples
    if samples:
        st.query_params[ADDRESS_KEY] = as_ranges(samples)
    elif ADDRESS_KEY in st.query_params:
        del st.query_params[ADDRESS_KEY]


def samples_of(event: Any) -> tuple[int, ...]:
    """Return the numbers of the samples in a selection event of Streamlit, rising, each once.

    The index of a point counts within its trace, so only ``customdata`` says which sample it is; marks
    that are no sample are left out.
    """
    points = event["selection"]["points"] if event else []
    found = set()
    for point in points:
        data = point.get("customdata")
        number = data[0] if isinstance(data, list) and data else data
        if isinstance(number, int | float) and number != NO_SAMPLE:
            found.add(int(number))
    return tuple(sorted(found))
