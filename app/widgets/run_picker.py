"""The runs a visitor looks at, shared by all pages through the URL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from typing import cast

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.figures.plain_names import read_by_plotly
from app.figures.style import dash_gradient, told_apart
from app.session import READ_NAMES, RUNS_KEY, remembered, rows_of, runs_root, scanned
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.seeds import SeedGroup, family_place, recipe_names, seed_groups
from mlcnc.analysis.runs.filter import main_dataset
from mlcnc.analysis.runs.rows import Choice, RunRow, epochs_of, run_warnings
from mlcnc.launch import command_line
from mlcnc.store import Run, RunProblem, left_out

MAX_PICKED = 8
MAX_PROBLEMS = 3
TOO_MANY = "too_many_picked"
"""Session key: how many runs were picked where more than ``MAX_PICKED`` were."""

_UNKNOWN = "unknown_runs"
_GATHERED = "gathered_for_the_page"


@dataclass(frozen=True)
class Selection:
    """All readable runs, the picked ones, and what could not be read."""

    runs: list[Run]
    rows: list[RunRow]
    picked: list[tuple[Run, RunRow]]
    problems: list[RunProblem]

    @property
    def picked_recipes(self) -> list[RunRow]:
        """Rows of the picked runs and of their other seeds."""
        keys = {row.group_key for _, row in self.picked}
        return [row for row in self.rows if row.group_key in keys]

    @property
    def picked_groups(self) -> list[SeedGroup]:
        """The picked runs with their other seeds, called as among all runs."""
        keys = {row.group_key for _, row in self.picked}
        return [group for group in seed_groups(self.rows) if group.rows[0].group_key in keys]


def show_picker() -> None:
    """Draw the picker in the sidebar; called by the entry script on every page."""
    forget_gathered()
    _, _, rows, _ = st.session_state[_GATHERED] = _gathered()
    ids = [row.run_id for row in rows]
    if not ids:
        _say_left_out()
        return
    _note_unknown(ids)
    # the options are ids, for the address holds what the picker shows, and names can change or repeat
    picked = st.sidebar.multiselect(
        "Runs",
        ids,
        default=default_picks(rows),
        max_selections=MAX_PICKED,
        key=RUNS_KEY,
        bind="query-params",
        on_change=_picked_anew,
        select_all=False,
        help=f"Up to {MAX_PICKED} runs, shown on every page and kept in the address of the page.",
    )
    with st.sidebar:
        by_id = {row.run_id: row for row in rows}
        _show_names(told_apart([by_id[run_id] for run_id in picked if run_id in by_id]))
        unknown = st.session_state.get(_UNKNOWN)
        if unknown:
            st.warning(f"{unknown} Pick other runs above.", icon=":material/link_off:")
        st.caption(f"{len(ids)} run{'' if len(ids) == 1 else 's'} in {plain(runs_root().name)}/")
    _say_left_out()


def _gathered() -> tuple[list[Run], list[RunProblem], list[RunRow], list[RunProblem]]:
    """Return all runs and their rows, each with its problems; the page takes what the picker has just read."""
    kept = st.session_state.pop(_GATHERED, None)
    if kept is None:
        runs, problems = scanned()
        rows, more = rows_of(runs, "best")
        _note_names(runs, rows)
        kept = runs, problems, rows, more
    return cast(tuple[list[Run], list[RunProblem], list[RunRow], list[RunProblem]], kept)


def forget_gathered() -> None:
    """Let whoever asks next read the runs folder again: a fragment runs long after the page did."""
    st.session_state.pop(_GATHERED, None)


def _note_names(runs: Sequence[Run], rows: Sequence[RunRow]) -> None:
    """Keep for the charts which names of runs, data sets and classes they must escape."""
    names = {name for row in rows for name in (row.name, row.dataset)}
    st.session_state[READ_NAMES] = read_by_plotly(names.union(*(run.info.class_names for run in runs)))


def _say_left_out() -> None:
    for sentence in left_out(runs_root()):
        st.sidebar.caption(plain(f"{sentence}."))


def pick(run_ids: Sequence[str]) -> None:
    """Pick runs from elsewhere on a page; only in a callback, before the picker is drawn.

    Of more than eight the first eight are kept, and ``TOO_MANY`` says how many were asked for.
    """
    _picked_anew()
    if len(run_ids) > MAX_PICKED:
        st.session_state[TOO_MANY] = len(run_ids)
    st.session_state[RUNS_KEY] = list(run_ids[:MAX_PICKED])


def selection(choice: Choice = "best") -> Selection:
    """Return what the pages show, with values at the best validation epoch, the last one or one from 0.

    Rows of picked runs carry warnings about what could not be read; looking for them takes a while.
    """
    runs, problems, rows, more = _gathered()
    if choice != "best":
        rows, more = rows_of(runs, choice)
    by_id = {row.run_id: row for row in rows}
    found = {run.run_id: run for run in runs}
    wanted = st.session_state.get(RUNS_KEY)
    if wanted is None:  # a page opened by itself, without the picker
        wanted = default_picks(rows)
    # in the order in which they were picked: what is shown first, and a dash, stay when another joins
    picked = [
        (found[run_id], replace(by_id[run_id], warnings=remembered(run_warnings, found[run_id])))
        for run_id in wanted
        if run_id in by_id
    ]
    shown = told_apart([row for _, row in picked])
    picked = [(run, row) for (run, _), row in zip(picked, shown, strict=True)]
    return Selection(runs, rows, picked, problems + more)


def default_picks(rows: Sequence[RunRow]) -> list[str]:
    """Return ids of runs of the most frequent data set, at most three, one a label embedding or method.

    Runs with pictures come before others with arrays, for every page has something to show of them. Of one
    label embedding the recipe with most seeds comes first, whatever these store, then a plain one, then the
    longest: a new run of one's own does not take the place of what a link without runs showed.
    """
    with_arrays = [row for row in rows if row.has_arrays] or list(rows)
    candidates = [row for row in with_arrays if row.has_pictures] or with_arrays
    most = main_dataset(candidates)
    groups = seed_groups([row for row in candidates if row.dataset == most])
    num_seeds = {group.rows[0].group_key: group.num_seeds for group in seed_groups(rows)}
    groups.sort(
        key=lambda group: (
            -num_seeds[group.rows[0].group_key],
            not group.rows[0].is_plain,
            -max(row.num_logged for row in group.rows),
        )
    )
    # one run a family reads better than three seeds of the first
    first_of: dict[str, RunRow] = {}
    for group in groups:
        first_of.setdefault(group.family, group.rows[0])
    return [row.run_id for row in sorted(first_of.values(), key=lambda row: family_place(row.family))][:3]


def show_problems(problems: list[RunProblem], picked: list[tuple[Run, RunRow]]) -> None:
    """Say in one sentence each what could not be read, and how picked runs stand; many go behind a button."""
    texts = [f"{plain(problem.run_id)} cannot be read: {plain(problem.text)}" for problem in problems]
    if len(texts) > MAX_PROBLEMS:
        with st.expander(f"{len(texts)} folders cannot be read as runs", icon=":material/broken_image:"):
            st.markdown("\n".join(f"- {text}" for text in texts[:50]))
            if len(texts) > 50:
                st.caption(f"The first 50 of {len(texts)}; mlcnc runs list names them all.")
    else:
        for text in texts:
            st.warning(text, icon=":material/broken_image:")
    for _, row in picked:
        _say_how_it_stands(row)


def stop_without_runs(selected: Selection) -> None:
    """End the page with one sentence and the next step where there is nothing to show."""
    if selected.picked:
        return
    if selected.runs:
        st.info("No run is picked: choose one to eight in the sidebar.")
    else:
        show_problems(selected.problems, [])
        for sentence in left_out(runs_root()):
            st.warning(plain(f"{sentence}."), icon=":material/folder_off:")
        folder = runs_root()
        there = (
            "" if folder.is_dir() else f" The folder {folder.absolute()} does not exist; was another one meant?"
        )
        st.info(
            plain(
                f"There are no runs in {folder.name}/ yet.{there} Train one, under two minutes without a GPU:"
            )
        )
        st.code(command_line(["mlcnc", "train", "--runs", str(folder)]), language="bash")
        with st.container(horizontal=True), suppress(StreamlitAPIException, KeyError):
            st.page_link("train/page.py", label="Train one here", icon=":material/model_training:")
            st.page_link("learn/page.py", label="New here? Start the lesson", icon=":material/school:")
    st.stop()


def _say_how_it_stands(row: RunRow) -> None:
    name = plain(row.name)
    if row.state == "running":
        st.info(f"{name} is still running: {epochs_of(row.num_logged, row.num_epochs)} so far.")
    elif row.state == "lost":
        st.warning(
            f"{name} stopped without saying so after {row.num_logged} epochs; what it logged is "
            f"shown. Go on with: mlcnc train --resume {row.run_id}"
        )
    elif row.state == "failed":
        reason = f" Its reason: {plain(row.failure)}" if row.failure else ""
        st.warning(f"{name} failed after {row.num_logged} epochs; what it logged is shown.{reason}")
    for warning in row.warnings:
        st.warning(f"{name}: {plain(warning)}.")


def _show_names(rows: Sequence[RunRow]) -> None:
    """Show what the picked ids stand for: a line in the colour and dash of theirs, the name and the recipe."""
    names = recipe_names(rows)
    # the colour comes from our own palette; a name is given by people, so it is escaped
    lines = [
        '<div style="font-size:0.875rem;line-height:1.5;overflow-wrap:anywhere">'
        '<span aria-hidden="true" style="display:inline-block;width:44px;height:3px;margin-right:6px;'
        f'vertical-align:middle;background:{dash_gradient(row)}"></span><span>{escape(row.name)}</span> '
        '<span style="opacity:0.65;font-size:0.8rem;display:inline-block">'
        f"{escape(names[row.group_key])}</span></div>"
        for row in rows
    ]
    if lines:
        st.html("".join(lines))


def _note_unknown(ids: Sequence[str]) -> None:
    """Remember which runs the address asks for that are not here, before the picker corrects the address."""
    asked = [run_id for run_id in st.query_params.get_all(RUNS_KEY) if run_id]
    unknown = [run_id for run_id in asked if run_id not in ids]
    more = [run_id for run_id in asked if run_id in ids][MAX_PICKED:]
    said = []
    if unknown:
        are = "is no such run" if len(unknown) == 1 else "are no such runs"
        said.append(f"The address asks for {_named(unknown)}; there {are} here, so others are shown.")
    if more:
        said.append(f"The address asks for more than {MAX_PICKED} runs; left out: {_named(more)}.")
    if said:
        st.session_state[_UNKNOWN] = " ".join(said)


def _named(run_ids: Sequence[str]) -> str:
    return ", ".join(plain(run_id[:60]) for run_id in run_ids)


def _picked_anew() -> None:
    st.session_state.pop(_UNKNOWN, None)
    st.session_state.pop(TOO_MANY, None)
