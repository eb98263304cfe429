"""Links to another page that carry settings which both pages keep in their address."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.session import RUNS_KEY, opened_run

SHARED = ("a", "b", "class")
"""Keys of controls with text values that several pages have."""

MAX_HANDED = 8
_HANDED = "to_"


def handed_over(**settings: str) -> dict[str, str]:
    """Return query parameters for ``st.page_link`` that arrive although this page has controls of these names.

    Streamlit drops from a link what is bound to a control of the page that is left; under another name it
    arrives, and ``take_over`` gives it back its own.
    """
    return {f"{_HANDED}{name}" if name in SHARED else name: value for name, value in settings.items()}


def with_runs(run_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return query parameters for ``st.page_link`` that pick these runs on the page it leads to."""
    return {_HANDED + RUNS_KEY: list(run_ids)}


def take_over() -> None:
    """Give settings of a link their own names; called before any control is drawn.

    A value that the page does not offer falls back to the page's default, as one typed into the address does.
    """
    for name in SHARED:
        value = st.query_params.get(_HANDED + name)
        if value is not None:
            _set(name, value)
            del st.query_params[_HANDED + name]
    asked = st.query_params.get_all(_HANDED + RUNS_KEY)
    if asked:
        # an id that is no run would not be an option of the picker
        known = [run_id for run_id in asked[:MAX_HANDED] if opened_run(run_id) is not None]
        if known:
            _set(RUNS_KEY, known)
        del st.query_params[_HANDED + RUNS_KEY]


def _set(name: str, value: str | list[str]) -> None:
    """Set a bound setting: a new page does not read the address alone, and the state alone may not reach it."""
    st.session_state[name] = value
    try:
        st.query_params[name] = value
    except StreamlitAPIException:
        return  # its control is there already, as the picker of runs is, and brings the state into the address
