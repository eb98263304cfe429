"""The answer of a page, large, above its charts: collapsed, partly or not, with value, null and optimum."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.analysis.verdict import RULES, Verdict

SIDE_BY_SIDE = 3
"""Runs whose verdicts stand beside each other; of more the words come first and the values are folded."""


def show_verdicts(
    found: Sequence[tuple[str, Verdict | None]],
    what: str,
    *,
    when: str | Sequence[str],
    of: Sequence[str],
) -> None:
    """Show a verdict a run, side by side; of many runs, which have which.

    Args:
        found: name of the run, and its verdict; None where none is defined.
        what: is judged, a key of ``RULES``; it comes first, for the verdicts of one run differ in it.
        when: of the values, ``epoch 7``; one for all, or one a run.
        of: which features, a run: split and space, ``test f``.
    """
    moments = [when] * len(found) if isinstance(when, str) else when
    # two spaces: a line each
    rule = "  \n".join(RULES[what])
    if len(found) > SIDE_BY_SIDE:
        _show_many(found, what, moments, of, rule)
        return
    columns = st.columns(max(1, len(found)))
    for column, (name, verdict), moment, features in zip(columns, found, moments, of, strict=False):
        # three headings have no room for it
        heading, below = (f"({features})", "") if len(found) < SIDE_BY_SIDE else ("", f"{features}, ")
        with column:
            st.markdown(f"##### {what.capitalize()}: {_words(verdict)} {plain(heading)}".rstrip(), help=rule)
            st.caption(f"**{plain(name)}**, {plain(below + _text(verdict, what, moment))}")


def _show_many(
    found: Sequence[tuple[str, Verdict | None]], what: str, moments: Sequence[str], of: Sequence[str], rule: str
) -> None:
    names: dict[str, list[str]] = {}
    for name, verdict in found:
        names.setdefault(_words(verdict), []).append(name)
    counts = ", ".join(f"{len(names[words])} {words}" for words in sorted(names))
    features = plain(", ".join(dict.fromkeys(of)))
    st.markdown(f"##### {what.capitalize()}: of {len(found)} runs {counts} ({features})", help=rule)
    with st.expander("Which, and their values"):
        st.markdown(
            "\n".join(
                f"- {plain(name)}: **{_words(verdict)}**, {plain(_text(verdict, what, moment))}"
                for (name, verdict), moment in sorted(
                    zip(found, moments, strict=True), key=lambda each: _words(each[0][1])
                )
            )
        )


def _words(verdict: Verdict | None) -> str:
    return "no verdict" if verdict is None else verdict.words


def _text(verdict: Verdict | None, what: str, when: str) -> str:
    return f"its {what} is not defined, or was not logged." if verdict is None else f"{when}: {verdict.text}"
