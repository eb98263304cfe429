"""Name, tags and notes of a run, kept beside its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.errors import StoreError
from mlcnc.store import Run

_SAVED, _TURN = "notes_saved", "notes_turn"


@dataclass(frozen=True)
class Written:
    """Name, tags and notes of a run as the form shows them."""

    name: str
    tags: str
    text: str

    @classmethod
    def of(cls, run: Run) -> Written:
        """Return what is stored."""
        notes = run.notes()
        tags = notes.get("tags")
        return cls(
            run.name,
            ", ".join(str(tag) for tag in tags) if isinstance(tags, list) else "",
            str(notes.get("notes") or ""),
        )


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
        stored = Written.of(run)
        # under keys of their own the fields keep what is typed, whatever somebody else stores meanwhile
        turn = st.session_state.get(_TURN, 0)
        keys = {part: f"notes_{part}_{run.run_id}_{turn}" for part in ("name", "tags", "text")}
        begun = f"notes_begun_{run.run_id}"
        if not all(key in st.session_state for key in keys.values()):
            st.session_state[begun] = stored
        with st.form(f"notes_{run.run_id}", border=False):
            name = st.text_input(
                "Name", stored.name, key=keys["name"], help=f"Shown instead of {plain(run.info.name)}."
            )
            tags = st.text_input("Tags", stored.tags, key=keys["tags"], placeholder="parted by commas")
            text = st.text_area("Notes", stored.text, key=keys["text"], placeholder="what this run is for")
            saved = st.form_submit_button("Save", icon=":material/save:")
        typed = Written(" ".join(name.split()) or run.info.name, ", ".join(tags_of(tags)), text.strip())
        if saved:
            if stored not in (st.session_state[begun], typed):
                st.session_state[begun] = stored
                st.warning(
                    plain(
                        "Not saved, for somebody else changed this run's name, tags or notes meanwhile. Stored "
                        f"are now: name {stored.name!r}, tags {stored.tags!r}, notes {stored.text!r}. What you "
                        "typed is still here: save again to put it in their place."
                    )
                )
                return
            try:
                run.write_notes(
                    changed_notes(run.notes(), name=name, own_name=run.info.name, tags=tags, text=text)
                )
            except StoreError as error:
                st.error(plain(f"Nothing was changed and what you typed is still here: {error}."))
                return
            # new keys make new fields, which begin with what is stored
            st.session_state[_TURN] = turn + 1
            st.session_state[_SAVED] = run.run_id
            st.rerun()
        if st.session_state.pop(_SAVED, None) == run.run_id:
            st.success("Saved beside the run, in notes.json.", icon=":material/check:")
