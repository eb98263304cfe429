"""The toolbar of the page of images: runs, class, and from which score on a class is a yes."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.address import follow_default
from app.widgets.controls import NONE, pick_pair
from mlcnc.analysis.images.decisions import ClassResult, rarest_first, worst_tail_class
from mlcnc.analysis.images.thresholds import RULES, ThresholdRule
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run


def pick_runs(usable: Sequence[tuple[Run, RunRow]]) -> list[tuple[Run, RunRow]]:
    """Ask for up to three runs of the same classes; the third begins with a recipe that the others lack."""
    pair = pick_pair(usable)
    if len(pair) < 2:
        return pair
    names, taken = pair[0][0].info.class_names, {run.run_id for run, _ in pair}
    others = {
        run.run_id: (run, row)
        for run, row in usable
        if run.run_id not in taken and run.info.class_names == names
    }
    if not others:
        return pair
    recipes = {row.recipe for _, row in pair}
    first = next((run_id for run_id, (_, row) in others.items() if row.recipe not in recipes), NONE)
    options = [NONE, *others]
    follow_default("c", first)
    if st.session_state.get("c") not in (None, *options):
        st.session_state["c"] = first
    third = st.selectbox(
        "And",
        options,
        index=options.index(first),
        key="c",
        bind="query-params",
        width=190,
        help="A third run of the same classes, of those picked in the sidebar.",
    )
    return [*pair, others[third]] if third in others else pair


def class_first_shown(results: Sequence[ClassResult]) -> ClassResult:
    """Return the tail class of lowest AP; without one the class of lowest AP."""
    return worst_tail_class(results) or results[0]


def pick_class(run: Run, first: ClassResult) -> int:
    """Ask for a class of a run, rarest first."""
    names = list(run.info.class_names)
    options = [names[index] for index in rarest_first(run)]
    follow_default("class", first.class_name)
    chosen = st.selectbox(
        "Class",
        options,
        index=options.index(first.class_name),
        key="class",
        bind="query-params",
        width=140,
        help="Rarest first. At the start, the tail class of lowest AP of the run.",
    )
    return names.index(chosen) if chosen in names else first.class_index


def pick_thresholds() -> tuple[ThresholdRule, float, float]:
    """Ask how thresholds are chosen; return the rule, its target as a share, and how far one is moved."""
    chosen = st.segmented_control(
        "Thresholds of",
        RULES,
        default=RULES[0],
        required=True,
        key="rule",
        bind="query-params",
        help="Every run and class has its own threshold, chosen on validation images. greatest F1: balances "
        "misses and false alarms. equal precision: the lowest that is right as often as asked, so that runs "
        "differ in what they find. equal recall: the highest that finds as many as asked, so that runs differ "
        "in false alarms.",
    )
    rule = next((item for item in RULES if item == chosen), RULES[0])
    target = 50
    if rule != RULES[0]:
        target = st.slider(
            f"{rule.removeprefix('equal ').capitalize()} on validation, %",
            5,
            100,
            50,
            5,
            key="target",
            bind="query-params",
        )
    shift = st.slider(
        "Moved by",
        -20.0,
        20.0,
        0.0,
        0.1,
        key="shift",
        bind="query-params",
        help="The threshold of the class, in units of the score (logit). To the left more images count as "
        "found, and more false alarms.",
    )
    return rule, target / 100, shift
