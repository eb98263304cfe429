"""Controls that several pages share: epoch, split, space, a pair of runs; each lives in the URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.address import follow_default
from app.session import CHOICE_KEY
from mlcnc.analysis.geometry.angles import CENTRINGS, Centring
from mlcnc.analysis.runs.rows import FIRST_SPACE, Choice, RunRow
from mlcnc.analysis.runs.spaces import offered_spaces
from mlcnc.store import Run, Space

NONE = "none"
PICK_WIDTH = 215
"""Of a list of runs in a row of controls, pixels."""
Split = Literal["train", "test"]
SPACES_HELP = (
    "Where in the network features are taken. f: what a class gathers from the image by attention (Eq. 5). "
    "mu: f of a class, projected to length 1, which the losses pull to the mean of the class (Eq. 7). concat: "
    "mu of all classes of an image in a row, which the classifier reads (Eq. 10). z: what a plain network ends "
    "in, one for an image."
)


@contextmanager
def toolbar(key: str = "toolbar") -> Iterator[Callable[[], DeltaGenerator]]:
    """Lay controls out in a row; what is yielded adds the popover *More*, for what is rarely asked for.

    Args:
        key: of the row, unique on the page; by its beginning ``toolbar`` readable.css lines controls up.
    """
    row = st.container(horizontal=True, gap="small", vertical_alignment="bottom", key=key)
    with row:
        yield partial(row.popover, "More", icon=":material/tune:")


def pick_split() -> Split:
    """Ask for the split whose features are shown."""
    chosen = st.segmented_control(
        "Split", ["test", "train"], default="test", required=True, key="split", bind="query-params"
    )
    return "train" if chosen == "train" else "test"


def pick_space(stored: Sequence[Sequence[Space]]) -> str:
    """Ask for one of the spaces that all runs shown have, f where they have it.

    Args:
        stored: of each run the spaces that it stored what is drawn of, the run shown first in front.

    Returns:
        The space chosen; where the runs have none in common, one of the first, see ``space_for``.
    """
    offered = offered_spaces(stored) or [FIRST_SPACE]
    follow_default("space", offered[0])
    if st.session_state.get("space") not in (None, *offered):
        st.session_state["space"] = offered[0]
    chosen = st.segmented_control(
        "Space", offered, default=offered[0], required=True, key="space", bind="query-params", help=SPACES_HELP
    )
    return chosen if chosen in offered else offered[0]


def pick_centring() -> Centring:
    """Ask what is subtracted from the class means before angles are taken."""
    chosen = st.segmented_control(
        "Centring",
        ["class", "none", "sample", "all"],
        default="class",
        required=True,
        key="centring",
        bind="query-params",
        help="What is subtracted from the class means. class: the mean of all class means, the test for an "
        "ETF. none: nothing, the reading of Figure 3 of the paper that its numbers fit. sample: the mean of "
        "all positive features. all: the mean of all features, negatives included. See docs/figure3.md.",
    )
    for centring in CENTRINGS:
        if chosen == centring:
            return centring
    return "class"


def pick_moment(most_epochs: int) -> Choice:
    """Ask at which moment of training values are shown: best or last epoch, or one counted from 0.

    Args:
        most_epochs: logged by any run; the epoch to choose goes up to it.
    """
    with toolbar("toolbar_moment"):
        # no format_func: the address holds what the control shows
        chosen = st.segmented_control(
            "Values at",
            ["best", "last", "epoch"],
            default="best",
            required=True,
            key=CHOICE_KEY,
            bind="query-params",
            help="best: the epoch with the highest mAP on validation images, so that the test set chooses "
            "nothing. last: the last measured epoch. epoch: the same epoch of every run.",
        )
        if chosen == "epoch" and most_epochs > 0:
            follow_default("at_epoch", most_epochs)
            epoch = st.number_input(
                "Epoch",
                min_value=1,
                max_value=most_epochs,
                value=most_epochs,
                key="at_epoch",
                bind="query-params",
                width=140,
            )
            return int(epoch) - 1
    return "last" if chosen == "last" else "best"


def pick_epoch(stored: list[int], label: str = "Epoch") -> int | None:
    """Ask for one of the epochs with stored arrays (from 0); None where there is none."""
    if not stored:
        return None
    options = [epoch + 1 for epoch in stored]
    if len(options) == 1:
        st.caption(f"{label} {options[0]}: the only one with stored arrays.")
        return stored[0]
    follow_default("epoch", options[-1])
    chosen = st.select_slider(label, options, value=options[-1], key="epoch", bind="query-params")
    return int(chosen) - 1 if isinstance(chosen, int) else stored[-1]


def pick_pair(
    usable: Sequence[tuple[Run, RunRow]],
    *,
    first_label: str = "Run",
    second_label: str = "Beside it",
    optional: bool = True,
) -> list[tuple[Run, RunRow]]:
    """Ask for one run and, where there is another of the same classes, a second; both live in the URL.

    They are drawn one after the other, so that a row of controls may hold them.

    Args:
        usable: the picked runs that have what the page shows; at least one.
        first_label, second_label: of the controls.
        optional: whether the second may be left out.

    Returns:
        One or two runs with their rows, the first one first.
    """
    by_id = {run.run_id: (run, row) for run, row in usable}
    ids = list(by_id)

    # no format_func: the address holds what the control shows, and names can change or repeat
    follow_default("a", ids[0], ids)
    first = st.selectbox(first_label, ids, key="a", bind="query-params", width=PICK_WIDTH) or ids[0]
    names = by_id[first][0].info.class_names
    others = [run_id for run_id in ids if run_id != first and by_id[run_id][0].info.class_names == names]
    options = [*([NONE] if optional or not others else []), *others]
    place = 1 if optional and others else 0
    follow_default("b", options[place], options)
    second = st.selectbox(
        second_label,
        options,
        index=place,
        key="b",
        bind="query-params",
        width=PICK_WIDTH,
        help="Runs of the same classes, of those picked in the sidebar.",
    )
    return [by_id[run_id] for run_id in (first, second) if run_id in by_id]


def how_to_read(text: str, *, key: str | None = None) -> None:
    """Offer an explanation behind a button."""
    with st.popover("How to read this", icon=":material/help:", key=key):
        st.markdown(text)
