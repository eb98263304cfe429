"""Links to another page that carry settings which both pages keep in their address."""

from __future__ import annotations

import streamlit as st

SHARED = ("a", "b", "class")
"""Keys of controls with text values that several pages have."""

_HANDED = "to_"


def handed_over(**settings: str) -> dict[str, str]:
    """Return query parameters for ``st.page_link`` that arrive although this page has controls of these names.

    Streamlit drops from a link what is bound to a control of the page that is left; under another name it
    arrives, and ``take_over`` gives it back its own.
    """
    return {f"{_HANDED}{name}" if name in SHARED else name: value for name, value in settings.items()}


def take_over() -> None:
    """Give settings of a link their own names; called before any control is drawn.

    A value that the page does not offer falls back to the page's default, as one typed into the address does.
    """
    for name in SHARED:
        value = st.query_params.get(_HANDED + name)
        if value is not None:
            del st.query_params[_HANDED + name]
            # the address alone is not read again on a change of page, the state alone does not reach it
            st.query_params[name] = value
            st.session_state[name] = value
