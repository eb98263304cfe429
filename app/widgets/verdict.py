"""The answer of a page, large, above its charts: collapsed, partly or not, with value, null and optimum."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.analysis.verdict import RULE, Verdict


def show_verdicts(found: Sequence[tuple[str, Verdict | None]], what: str) -> None:
    """Show a verdict a run, side by side.

    Args:
        found: name of the run, and its verdict; None where none is defined.
        what: is judged, for those without.
    """
    for column, (name, verdict) in zip(st.columns(max(1, len(found))), found, strict=False):
        with column:
            if verdict is None:
                st.markdown(f"##### {plain(name)}: no verdict", help=RULE)
                st.caption(f"Its {what} is not defined, or was not logged.")
            else:
                st.markdown(f"##### {plain(name)}: {verdict.words}", help=RULE)
                st.caption(plain(verdict.text))
