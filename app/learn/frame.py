"""What every lesson has: classes, steps, a question to predict first, formula, evidence and doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitAPIException

from app.widgets.plain_text import plain
from app.widgets.scroll_into_view import ask_to_scroll, scroll_into_view

FIVE = ("person", "dog", "horse", "bus", "cow")
"""The classes of every lesson."""

TEN = (*FIVE, "boat", "sheep", "sofa", "train", "bottle")
"""The same five as frequent classes and five rare ones, for the lessons on imbalance."""

COLOURS = {"person": "#CC6677", "dog": "#44AA99", "horse": "#999933", "bus": "#AA4499", "cow": "#6699CC"}
"""Tol's muted palette: none of them means an embedding kind, a bucket or the optimum elsewhere."""

MARKS = {"person": "circle", "dog": "square", "horse": "diamond", "bus": "cross", "cow": "triangle-up"}

DATA_SETS = {
    "pictogram-lt": "drawn scenes with objects of 20 classes, most of them rare",
    "pictogram-balanced": "drawn scenes with objects of 20 classes, as many of each",
    "voc07-lt": "photographs with objects of 20 classes, most of them rare",
}
"""What the data sets of recorded runs are."""

STEP_KEY = "step"
MOVED_KEY = "step_moved"
TOP = "lesson_top"
TITLE_LINE = "lesson_title"
LATER = "later"
"""What the keys of containers begin with that the browser shows after five seconds."""

HOLD_KEY = "hold"
"""Of the switch with which answers wait for a guess alone; the browser reads it (``app/readable.css``)."""

BESIDE = "beside"
"""What the keys of containers begin with whose columns a narrow window sets below each other."""


_STEP_KEYS = st.components.v2.component(
    "mlcnc_step_keys", js=Path(__file__).with_name("step_keys.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Step:
    """One lesson: its place, its question as the title of the page, its name in a few words."""

    number: int
    title: str
    name: str


STEPS = (
    Step(1, "How far apart can arrows point?", "the simplex ETF"),
    Step(2, "Training accuracy is 100 %: does anything still move?", "variability collapse, NC1"),
    Step(3, "Tight clusters: must they be equally far apart?", "angles, NC2 and NC3"),
    Step(4, "200 images of one class and 2 of another: what happens?", "imbalance and minority collapse"),
    Step(
        5, "Person and horse in one image: where should its feature go?", "several labels, one feature a class"
    ),
    Step(6, "If we know the goal, why learn it?", "fixed label embeddings"),
    Step(7, "Which run is which?", "reading real runs"),
    Step(8, "Does alignment align?", "which loss trains, in recorded runs"),
)


def pick_step() -> Step:
    """Draw the navigator (numbers, Back, Next, Shift with an arrow key) and return the step of the address."""
    # a default beside a value that a callback has just set is a warning in the server's log
    moved = st.session_state.pop(MOVED_KEY, False)
    with st.container(horizontal=True, vertical_alignment="center", key=TOP):
        back = st.empty()
        chosen = st.segmented_control(
            "Step",
            [str(step.number) for step in STEPS],
            default=None if moved else "1",
            required=True,
            key=STEP_KEY,
            bind="query-params",
            label_visibility="collapsed",
        )
        following = st.empty()
        step = STEPS[int(chosen or "1") - 1]
        st.caption(f"Step {step.number} of {len(STEPS)}: {step.name}")
    # a plain arrow key belongs to the player of a chart
    back.button(
        "Back",
        icon=":material/arrow_back:",
        shortcut="Shift+Left",
        key="step_back",
        on_click=_go,
        args=(step.number - 1,),
        disabled=step.number == 1,
    )
    following.button(
        "Next",
        icon=":material/arrow_forward:",
        icon_position="right",
        shortcut="Shift+Right",
        key="step_next",
        on_click=_go,
        args=(step.number + 1,),
        disabled=step.number == len(STEPS),
    )
    scroll_into_view(TOP)
    return step


def show_title(step: Step) -> None:
    """Draw the question of a step, and beside it a switch, the same on all, that holds the answers."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=TITLE_LINE
    ):
        st.title(step.title, width="content")
        st.toggle(
            "Hold the answers",
            key=HOLD_KEY,
            bind="query-params",
            help="By themselves answers appear after five seconds. Held, for a class, each waits for a guess, "
            "or until this is switched off.",
        )


def offer_next(step: Step) -> None:
    """Draw a button to the next step below a lesson, none after the last one, and listen to the step keys."""
    _STEP_KEYS(key="step_keys")
    if step.number < len(STEPS):
        following = STEPS[step.number]
        st.button(
            f"Next: {following.title}",
            icon=":material/arrow_forward:",
            icon_position="right",
            key="step_on",
            on_click=_go,
            args=(following.number,),
        )


def _go(number: int) -> None:
    st.session_state[MOVED_KEY] = True
    st.session_state[STEP_KEY] = str(min(max(number, 1), len(STEPS)))
    ask_to_scroll(TOP)


def toy(what: str = "a model small enough to solve here, not a network") -> str:
    """Return a mark, as Markdown, for what is the result of a toy."""
    return f":violet-badge[:material/toys: Toy: {what}]"


def measured(what: str = "from recorded runs") -> str:
    """Return a mark, as Markdown, for what was measured on a trained network."""
    return f":green-badge[:material/labs: Measured: {what}]"


def data_set(name: str) -> str:
    """Return the name of a data set, as Markdown, with what it is where that is known."""
    return plain(name) + (f" ({DATA_SETS[name]})" if name in DATA_SETS else "")


def question(key: str, text: str, options: Sequence[str], right: str, reasons: Mapping[str, str]) -> None:
    """Ask the reader to predict before looking; the answer appears after a guess, or after five seconds.

    Where the answers are held, they wait for a guess alone.

    The guess is kept in the session, not in the address: a link to a lesson must not carry an answer.

    Args:
        key: unique over all lessons, starting with the step's number.
        text: the question.
        options: what can be guessed.
        right: the one of ``options`` that holds.
        reasons: for every option, what its reader should hear.

    Raises:
        ValueError: ``right`` is no option, or an option has no reason.
    """
    if right not in options or set(reasons) != set(options):
        raise ValueError(
            f"right must be one of the options and each option needs a reason, got right={right!r}, "
            f"options={list(options)}, reasons for {list(reasons)}"
        )
    # Streamlit knows a fragment by its place, which a question of another step has too: a run of that step that
    # was broken off while it computed ends at this container, and does not take the place of what is shown
    with st.container():
        _ask(key, text, options, right, reasons)


@st.fragment
def _ask(key: str, text: str, options: Sequence[str], right: str, reasons: Mapping[str, str]) -> None:
    # the first guess opens the answers below; a later one runs this card again, not the lesson
    with st.container(border=True):
        guess = st.radio(
            f"**Predict first.** {text}",
            options,
            index=None,
            horizontal=True,
            key=f"guess_{key}",
            persist_state="session",
        )
        if guess == right:
            st.success(f"**Yes.** {reasons[right]}", icon=":material/check_circle:")
        elif guess is not None:
            st.warning(f"**Not quite.** {reasons[guess]}", icon=":material/lightbulb:")
        if guess != right:
            with st.container(key=f"{LATER if guess is None else 'told'}_answer_{key}"):
                st.markdown(f"**{right}.** {reasons[right]}")
    if guess is not None and not guessed(key):
        st.session_state[f"guessed_{key}"] = True
        st.rerun()


def guessed(key: str) -> bool:
    """Return whether the reader has answered a question of this session, rightly or not."""
    return bool(st.session_state.get(f"guessed_{key}"))


def what_happened(key: str, part: str = "") -> AbstractContextManager[object]:
    """Return where the answer to a question is drawn: in the open after a guess, or after five seconds.

    The browser waits (``app/readable.css``), for the end of a film too that plays by itself, so that a reader
    who clicks nothing reads on without a rerun.

    Args:
        key: of the question.
        part: names the place where one question has several.
    """
    return st.container(key=f"{'told' if guessed(key) else LATER}_{key}{part}")


def beside(key: str, widths: int | Sequence[int]) -> list[DeltaGenerator]:
    """Return columns for charts; in a narrow window they stand below each other (``app/readable.css``).

    Args:
        key: unique on the page.
        widths: number of columns, or their shares.
    """
    with st.container(key=f"{BESIDE}_{key}"):
        return st.columns(widths)


def formula(latex: str, words: str, *, title: str = "The formula") -> None:
    """Offer a formula and what its letters stand for, with live numbers, behind an expander."""
    with st.expander(title, icon=":material/function:"):
        st.latex(latex)
        st.markdown(words)


def in_your_run(words: str, view: str, label: str, **settings: str | list[str]) -> None:
    """Say what to look for in a trained network, with a link that opens the page on it.

    Args:
        words: what the reader should check there.
        view: name of the page, e.g. ``"geometry"``.
        label: of the link.
        settings: the controls of that page as its address holds them.
    """
    with st.container(border=True):
        st.markdown(f":material/labs: **In your run.** {words}")
        # with the step among them the lesson is found again on the way back
        kept = {name: st.query_params.get_all(name) for name in st.query_params}
        try:
            st.page_link(
                f"{view}/page.py",
                label=label,
                icon=":material/open_in_new:",
                query_params={**kept, **settings},
            )
        except StreamlitAPIException:  # the lesson runs alone, without the other pages
            st.caption(f"{label}: open the page {view} of the dashboard.")


def what_would_change_my_mind(text: str) -> None:
    """Name the observation that would speak against the lesson's claim."""
    st.markdown(f":material/balance: **What would change my mind.** {text}")


def small(value: float) -> str:
    """Return a number of any size as Markdown: 0.16, or a power of ten below 0.01."""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.2g}"
    digits, exponent = f"{value:.0e}".split("e")
    return rf"${digits}\times10^{{{int(exponent)}}}$"
