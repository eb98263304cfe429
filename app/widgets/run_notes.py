"""Name, tags and notes of a run, kept beside its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.errors import StoreError
from mlcnc.store import Run

_SAVED = "notes_saved"


def tags_of(text: str) -> list[str]:
    """Return the tags in a line, parted by commas, each once.

    Example:
        >>> tags_of(" keep, for the talk,, keep ")
        ['keep', 'for the talk']
    """
    return list(dict.fromkeys(tag for part in text.split(",") if (tag := " ".join(part.split()))))


def changed_notes(notes: dict[str, Any], *, name: str, own_name: str, tags: str, text: str) -> dict[str, Any]:
    """Return notes with name, tags and text replaced; whatever else they hold stays.

    Args:
        notes: as stored.
        name, tags, text: as typed.
        own_name: of the run itself; the same or no name leaves no other name behind.
    """
    kept = {key: value for key, value in notes.items() if key not in ("name", "tags", "notes")}
    name = " ".join(name.split())
    if name and name != own_name:
        kept["name"] = name
    return kept | {"tags": tags_of(tags), "notes": text.strip()}


def edit_notes(runs: Sequence[Run], first: str | None) -> None:
    """Offer a form for name, tags and notes of one run.

    Args:
        runs: to choose from.
        first: id of the run that is chosen at first; None is the first one.
    """
    with st.expander(
        "Name, tags and notes", icon=":material/edit_note:", on_change="rerun", key="edit_notes"
    ) as box:
        if not box.open or not runs:
            return
        by_id = {run.run_id: run for run in runs}
        ids = list(by_id)
        run_id = st.selectbox(
            "Run to edit", ids, index=ids.index(first) if first in by_id else 0, key="edit_run"
        )
        run = by_id.get(run_id or "", runs[0])
        notes = run.notes()
        stored_tags = notes.get("tags")
        with st.form(f"notes_{run.run_id}", border=False):
            name = st.text_input("Name", run.name, help=f"Shown instead of {plain(run.info.name)}.")
            tags = st.text_input(
                "Tags",
                ", ".join(str(tag) for tag in stored_tags) if isinstance(stored_tags, list) else "",
                placeholder="parted by commas",
            )
            text = st.text_area("Notes", str(notes.get("notes") or ""), placeholder="what this run is for")
            saved = st.form_submit_button("Save", icon=":material/save:")
        if saved:
            try:
                run.write_notes(
                    changed_notes(run.notes(), name=name, own_name=run.info.name, tags=tags, text=text)
                )
            except StoreError as error:
                st.error(plain(f"Nothing was changed and what you typed is still here: {error}."))
                return
            st.session_state[_SAVED] = run.run_id
            st.rerun()
        if st.session_state.pop(_SAVED, None) == run.run_id:
            st.success("Saved beside the run, in notes.json.", icon=":material/check:")
