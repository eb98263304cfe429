"""The address, which holds the view: links that carry settings to a page, and what it asks for in vain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.session import RUNS_KEY, opened_run
from app.widgets.plain_text import plain

SHARED = ("a", "b", "c", "class")
"""Keys of controls with text values that several pages have."""

MAX_SHOWN = 60
"""Characters of a value that is said."""

MAX_HANDED = 8
_HANDED = "to_"
_DEFAULT = "default_of_"
_ASKED, _UNKNOWN = "view_asked", "view_unknown"
_SHOWN = "view_shown"


def follow_default(key: str, default: object, options: Sequence[object] | None = None) -> None:
    """Set a control that the address does not hold to its default of now; before it is drawn.

    Streamlit leaves out of the address what equals the default. Where the default hangs on another control, a
    value that stayed behind would be another one for whoever opens the address. Nor does it take out what is
    no longer offered. What a button has set is not in the address yet, and stays.

    Args:
        key: of the control.
        default: what it shows when nobody has chosen.
        options: where they change, what it offers now; a choice that is not among them is set to the default.
    """
    chosen = st.session_state.get(key)
    before = st.session_state.get(_DEFAULT + key, chosen)
    st.session_state[_DEFAULT + key] = default
    gone = options is not None and chosen not in options
    stayed = key not in st.query_params and chosen == before
    if key in st.session_state and (gone or stayed):
        st.session_state[key] = default


def handed_over(**settings: str) -> dict[str, str]:
    """Return query parameters for ``st.page_link`` that arrive although this page has controls of these names.

    Streamlit drops from a link what is bound to a control of the page that is left; under another name it
    arrives, and ``take_over`` gives it back its own.
    """
    return {f"{_HANDED}{name}" if name in SHARED else name: value for name, value in settings.items()}


def as_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as a short text for the address, e.g. ``2-4.7`` of 2, 3, 4 and 7."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ".".join("-".join(str(end) for end in part) for part in parts)


def from_ranges(text: str | None, below: int) -> tuple[int, ...]:
    """Return the numbers of ``as_ranges`` from 0 and below a limit, rising; what is no number is left out."""
    found: set[int] = set()
    for part in (text or "").split("."):
        ends = part.split("-")
        if len(ends) <= 2 and all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
            found.update(range(int(ends[0]), min(int(ends[-1]) + 1, below)))
    return tuple(sorted(found))


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


def note_asked(view: str) -> None:
    """Keep what the address asks for when it is opened; before any control is drawn, which corrects it.

    Args:
        view: the page.
    """
    st.session_state[_SHOWN] = {}
    if _UNKNOWN in st.session_state:
        return
    before, asked = st.session_state.get(_ASKED, (None, {}))
    now = {name: st.query_params.get_all(name) for name in st.query_params if name != RUNS_KEY}
    if before is not None:
        # the page was used before it was drawn whole: what was asked for is what the address still holds
        now = {name: values for name, values in asked.items() if before == view and now.get(name) == values}
    st.session_state[_ASKED] = (view, now)


def note_shown(name: str, shown: object) -> None:
    """Keep what is shown of a parameter whose value no control of its name holds as the address does.

    Args:
        name: in the address, of a player or of a control that shows words for numbers.
        shown: as the address would hold it; None where nothing is.
    """
    st.session_state.setdefault(_SHOWN, {})[name] = shown


def say_unknown_parameters(place: st.delta_generator.DeltaGenerator, view: str) -> None:
    """Say what of the address is not shown and what is instead, until the address is another one.

    Args:
        place: an empty one above the page.
        view: the page, once all its controls are drawn.
    """
    address = (view, {name: st.query_params.get_all(name) for name in st.query_params})
    if _UNKNOWN not in st.session_state:
        st.session_state[_UNKNOWN] = (address, _unknown_parameters(st.session_state.get(_ASKED, (view, {}))[1]))
    drawn_at, unknown = st.session_state[_UNKNOWN]
    if unknown and drawn_at != address:
        # another choice was made, or another page: who made it knows what is shown
        unknown = {}
        st.session_state[_UNKNOWN] = (address, unknown)
    said = [
        f"{name} = {plain(_short(values))}, which is not here; it shows {_shown(shown)}"
        for name, (values, shown) in unknown.items()
    ]
    if said:
        place.warning(f"The address asks for {'; for '.join(said)}.", icon=":material/link_off:")


def _set(name: str, value: str | list[str]) -> None:
    """Set a bound setting: a new page does not read the address alone, and the state alone may not reach it."""
    st.session_state[name] = value
    try:
        st.query_params[name] = value
    except StreamlitAPIException:
        return  # its control is there already, as the picker of runs is, and brings the state into the address


def _unknown_parameters(asked: dict[str, list[str]]) -> dict[str, tuple[list[str], Any]]:
    found = {}
    for name, values in asked.items():
        noted = st.session_state.get(_SHOWN, {})
        if name in noted:
            shown = noted[name]
        elif name not in st.session_state or st.query_params.get_all(name) == values:
            continue
        else:
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
    return ", ".join(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..." for text in values)
