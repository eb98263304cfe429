"""The table of runs: values, filters, and the picking of runs for all pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app.overview.matrix import HELP
from app.session import RUNS_KEY
from app.widgets.plain_text import plain
from app.widgets.run_picker import MAX_PICKED, TOO_MANY, pick
from mlcnc.analysis.comparison.seeds import recipe_names
from mlcnc.analysis.runs.filter import RunFilter
from mlcnc.analysis.runs.rows import BUCKETS, Choice, RunRow, thinned

TABLE_KEY = "run_table"
_TURN = "run_table_turn"
CURVE_POINTS = 20
ANY = "all"
_SHARED = (
    "At the moment chosen above. Methods that train only a linear layer on a frozen backbone (such as ERM and "
    "ASL) share its features and so this number."
)


def run_frame(rows: Sequence[RunRow], every: Sequence[RunRow] = ()) -> pd.DataFrame:
    """Return one line a run with the columns of the table; recipes are called as among every run."""
    names = recipe_names(every or rows)
    return pd.DataFrame(
        [
            {
                "run": row.name,
                "state": row.state,
                "recipe": names[row.group_key],
                **{f"mAP {bucket}": row.map_percent[bucket] for bucket in BUCKETS},
                "epochs": f"{row.num_logged}/{row.num_epochs}" if row.num_epochs else str(row.num_logged),
                "NC1": row.nc1,
                "min angle": row.angle_min,
                "alignment": row.alignment,
                "data set": row.dataset,
                "mAP curve": [round(value, 1) for value in thinned(row.map_curve, CURVE_POINTS)],
                "NC1 shuffled": row.nc1_shuffled,
                "space": row.nc1_space or None,
                "embedding": row.embedding or None,
                "attention": row.attention or None,
                "classifier": row.classifier.replace("_", "-") or None,
                "seed": row.seed,
                "at epoch": None if row.epoch is None else row.epoch + 1,
                "tags": list(row.tags),
                "created": row.created_at[:16].replace("T", " "),
            }
            for row in rows
        ]
    )


def show_run_table(rows: Sequence[RunRow], picked: Sequence[str], every: Sequence[RunRow]) -> None:
    """Draw the table; a click on a column sorts, the boxes pick runs for all pages.

    The picker in the sidebar holds the truth: the boxes are set from it before they are drawn, and a click on
    one changes it.

    Args:
        rows: the ones shown, perhaps after a filter.
        picked: ids of the picked runs, shown or not.
        every: all runs, among which recipes are told apart.
    """
    asked_for = st.session_state.get(TOO_MANY)
    if asked_for:
        st.warning(
            f"{asked_for} runs were chosen; pages show {MAX_PICKED} at most, so the first {MAX_PICKED} are "
            "picked."
        )
    ids = [row.run_id for row in rows]
    boxes = [place for place, run_id in enumerate(ids) if run_id in picked]
    # a browser that is sent the boxes it was sent before keeps its own: a new key makes a new table
    key = f"{TABLE_KEY}_{st.session_state.get(_TURN, 0)}"
    st.session_state[key] = {"selection": {"rows": boxes, "columns": [], "cells": []}}
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        run_frame(rows, every),
        key=key,
        on_select=partial(_boxes_changed, key, ids, list(picked)),
        selection_mode="multi-row",
        hide_index=True,
        placeholder="-",
        column_config={
            # narrow, so that the mAP of tail classes is in sight beside the sidebar of a small screen, and all
            # up to the alignment on a common one
            "run": text(pinned=True, width=160),
            "state": text(width=70, help="only finished runs are compared"),
            "recipe": text(width=120, help="method, label embedding, and what of its settings is unusual"),
            "epochs": text(width=58, help="done / planned; runs of other lengths are no comparison of methods"),
            **{
                f"mAP {bucket}": number(
                    "mAP" if bucket == "total" else bucket,
                    width=64 if bucket == "medium" else 58,
                    format="%.1f",
                    help=HELP[f"map_{bucket}"],
                )
                for bucket in BUCKETS
            },
            "mAP curve": st.column_config.LineChartColumn(
                y_min=0, y_max=100, width="small", help="total test mAP at logged epochs, 0 to 100 %"
            ),
            "NC1": number(width=66, format="%.2f", help=f"{HELP['nc1']}. {_SHARED}"),
            "NC1 shuffled": number(
                format="%.2f", help="the same with labels shuffled: what no collapse at all gives"
            ),
            "min angle": number(width=96, format="%.1f°", help=f"{HELP['angle_min']}. {_SHARED}"),
            "alignment": number(width=96, format="%.2f", help=HELP["alignment"]),
            "space": text(
                help="Of the features behind NC1 and angle. f: one for every class of an image. Other spaces, "
                "such as z of ERM, stand where a run has no f; numbers of two spaces are not compared."
            ),
            "at epoch": number(help="the epoch that the values are of"),
            "tags": st.column_config.ListColumn(),
            "created": text(help="UTC; the newest run stands first until a column is clicked"),
        },
        alt="Table of runs with state, settings, test mAP by bucket, NC1, smallest angle, alignment and tags",
    )


def pick_filter(rows: Sequence[RunRow]) -> RunFilter:
    """Ask which runs are shown; every part lives in the URL."""
    words, state, dataset, least = st.columns([3, 2, 2, 1.5], vertical_alignment="bottom")
    text = words.text_input(
        "Find runs",
        key="q",
        bind="query-params",
        placeholder="name, method, tag, setting",
        help="All words must be found, in name, tags, notes, data set, method or recipe; or a setting as "
        "name=value, for example training.lr=0.001.",
    )
    states = state.multiselect(
        "State",
        sorted({row.state for row in rows}),
        key="state",
        bind="query-params",
        placeholder="any",
        select_all=False,
    )
    chosen = dataset.selectbox(
        "Data set",
        [ANY, *dict.fromkeys(row.dataset for row in rows)],
        key="dataset",
        bind="query-params",
    )
    minimum = least.number_input(
        "mAP total ≥",
        min_value=0.0,
        max_value=100.0,
        value=None,
        step=1.0,
        key="min_map",
        bind="query-params",
        placeholder="any",
    )
    return RunFilter(text or "", tuple(states), None if chosen in (ANY, None) else chosen, minimum)


def _boxes_changed(key: str, ids: Sequence[str], picked_before: Sequence[str]) -> None:
    """Carry the boxes of the table over to the picker; picks that a filter hides stay."""
    rows = st.session_state[key]["selection"]["rows"]
    ticked = [ids[place] for place in rows if place < len(ids)]
    before = st.session_state.get(RUNS_KEY) or picked_before
    kept = [run_id for run_id in before if run_id not in ids or run_id in ticked]
    pick([*kept, *(run_id for run_id in ticked if run_id not in kept)])
    if TOO_MANY in st.session_state:
        st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def clear_filter() -> None:
    """Show all runs again; only in a callback."""
    st.session_state["q"] = ""
    st.session_state["state"] = []
    st.session_state["dataset"] = ANY
    st.session_state["min_map"] = None


def say_epochs(rows: Sequence[RunRow], choice: Choice, total: int, num_picked: int) -> None:
    """Say below the table what is shown, at which epoch, and which runs have no value there.

    Args:
        rows: shown ones.
        choice: the moment they were asked for.
        total: number of all runs.
        num_picked: how many are picked.
    """
    moment = {"best": "the best epoch on validation", "last": "the last measured epoch"}
    when = f"epoch {choice + 1}" if isinstance(choice, int) else moment[choice]
    count = f"{total} runs" if len(rows) == total else f"{len(rows)} of {total} runs"
    st.caption(
        f"{count}, values at {when} of each run; {num_picked} of at most {MAX_PICKED} picked for all pages."
    )
    if num_picked == 0:
        st.info("No run is picked: tick one to eight boxes in the table, or choose runs in the sidebar.")
    late = [row.name for row in rows if choice == "best" and row.chosen_on == "last epoch"]
    if late:
        st.caption(f"No validation mAP, so the last epoch is shown: {_named(late)}.")
    absent = [row.name for row in rows if row.chosen_on == "not measured"]
    if absent:
        st.caption(f"Not measured at {when}, so left empty: {_named(absent)}.")


def say_left_out(rows: Sequence[RunRow], num_damaged: int) -> None:
    """Say at the top which runs no comparison holds, for they are not finished or cannot be read.

    Args:
        rows: of all runs.
        num_damaged: folders that cannot be read.
    """
    by_state: dict[str, list[str]] = {}
    for row in rows:
        if row.state != "finished":
            by_state.setdefault(row.state, []).append(row.name)
    parts = [f"{len(names)} {state} ({_named(names, 3)})" for state, names in by_state.items()]
    if num_damaged:
        parts.append(f"{num_damaged} damaged (named at the end of the page)")
    if parts:
        st.caption(f":material/info: Left out of comparisons: {', '.join(parts)}.")


def _named(names: Sequence[str], most: int = MAX_PICKED) -> str:
    few = ", ".join(plain(name) for name in names[:most])
    return few if len(names) <= most else f"{few} and {len(names) - most} more"
