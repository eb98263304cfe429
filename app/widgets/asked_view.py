"""What the address asks for and the page does not have: said, where Streamlit drops it in silence."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.session import RUNS_KEY
from app.widgets.plain_text import plain

_ASKED, _MISSING = "view_asked", "view_missing"
_LEFT_OUT = (RUNS_KEY, "sample", "pair")
"""Runs have a sentence of their own; samples and pairs are words in the address and numbers in the state."""

MAX_SHOWN = 60


def note_asked(view: str) -> None:
    """Keep what the address asks for when it is opened; before any control is drawn, which corrects it.

    Args:
        view: the page.
    """
    if _MISSING in st.session_state:
        return
    before, asked = st.session_state.get(_ASKED, (None, {}))
    now = {name: st.query_params.get_all(name) for name in st.query_params if name not in _LEFT_OUT}
    if before is not None:
        # the page was used before it was drawn whole: what was asked for is what the address still holds
        now = {name: values for name, values in asked.items() if before == view and now.get(name) == values}
    st.session_state[_ASKED] = (view, now)


def say_what_is_missing(place: st.delta_generator.DeltaGenerator, view: str) -> None:
    """Say what of the address is not shown and what is instead, until the address is another one.

    Args:
        place: an empty one above the page.
        view: the page, once all its controls are drawn.
    """
    address = (view, {name: st.query_params.get_all(name) for name in st.query_params})
    if _MISSING not in st.session_state:
        st.session_state[_MISSING] = (address, _missing(st.session_state.get(_ASKED, (view, {}))[1]))
    drawn_at, missing = st.session_state[_MISSING]
    if missing and drawn_at != address:
        # another choice was made, or another page: who made it knows what is shown
        missing = {}
        st.session_state[_MISSING] = (address, missing)
    said = [
        f"{name} = {plain(_short(values))}, which is not here; it shows {_shown(shown)}"
        for name, (values, shown) in missing.items()
    ]
    if said:
        place.warning(f"The address asks for {'; for '.join(said)}.", icon=":material/link_off:")


def _missing(asked: dict[str, list[str]]) -> dict[str, tuple[list[str], Any]]:
    found = {}
    for name, values in asked.items():
        if name not in st.session_state or st.query_params.get_all(name) == values:
            continue
        shown = st.session_state[name]
        if [_comparable(value) for value in _texts(shown)] != [_comparable(value) for value in values]:
            found[name] = (values, shown)
    return found


def _texts(shown: Any) -> list[str]:
    if shown is None:
        return []
    values = shown if isinstance(shown, list | tuple) else [shown]
    return [str(value) for value in values]


def _shown(shown: Any) -> str:
    return plain(_short(_texts(shown))) or "none"


def _comparable(text: str) -> object:
    """Return a number for what is one, so that 0.50 is 0.5, else the text in small letters."""
    try:
        return float(text)
    except ValueError:
        return text.lower()


def _short(values: list[str]) -> str:
    text = ", ".join(values)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
