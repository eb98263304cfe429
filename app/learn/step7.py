"""Step 7, a quiz without names: three trained networks, and what their plots support."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import streamlit as st

from app.figures.blind_quiz import BLIND_NAMES, blind_looks, open_looks
from app.learn.frame import (
    data_set,
    guessed,
    in_your_run,
    measured,
    question,
    what_happened,
    what_would_change_my_mind,
)
from app.learn.quiz_plots import show_plots
from app.overview.matrix import known_errors
from app.session import RUNS_KEY
from app.widgets.run_picker import selection
from mlcnc.analysis.comparison.blind_quiz import (
    Hand,
    claim_reason,
    claim_sentence,
    comparisons_sentence,
    deal,
    paper_total_map,
    reading,
    reading_sentence,
    run_evidence,
    supported_claim,
    unsupported_claim,
)
from mlcnc.analysis.comparison.pair_sentences import RULE
from mlcnc.analysis.comparison.seeds import EMBEDDING_ORDER
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

KIND_NAMES = {"etf": "ETF", "trainable": "trainable", "glove": "GloVe"}
QUIZ_KEY, OPENED_KEY = "quiz", "quiz_opened"


STORY = (
    "If the kind of label embedding (a simplex ETF, trainable, or GloVe vectors of words, step 6) mattered as "
    "much as the story so far says, you could tell from plots of trained networks which had which. Try."
)
ELSEWHERE = "Other pages give these numbers with the names of their runs: guess before you look there."


def show() -> None:
    """Draw the lesson."""
    selected = selection()
    rows = {row.run_id: row for row in selected.rows}
    runs = [(run, rows[run.run_id]) for run in selected.runs if run.run_id in rows]
    picked = [run.run_id for run, _ in selected.picked]
    if deal(runs, picked, 0) is None:
        st.markdown(STORY)
        kinds = [kind for kind in EMBEDDING_ORDER if any(row.family == kind for row in rows.values())]
        had = ", ".join(KIND_NAMES[kind] for kind in kinds) or "none"
        st.info(
            "The quiz needs three finished runs of one data set with stored arrays that differ in label "
            "embedding and seed alone: one with an ETF, one with a trainable and one with a GloVe label "
            f"embedding. Here: {had}. Train the missing ones, "
            "for instance with `mlcnc train --method.label_embedding trainable`."
        )
        _paper(None)
        in_your_run("What the runs you have differ in.", "compare", "Compare runs")
        return
    _quiz(runs, picked)


@st.fragment
def _quiz(runs: Sequence[tuple[Run, RunRow]], picked: Sequence[str]) -> None:
    plots, card = st.container(), st.container(border=True)
    number = card.number_input(
        "Shuffle number",
        0,
        999,
        key=QUIZ_KEY,
        bind="query-params",
        width=260,
        help="Each number puts the three runs in another order. It is in the address, so a link opens "
        "the same order for everyone.",
    )
    by_id = {run.run_id: run for run, _ in runs}
    errors_of = known_errors(by_id)
    hand = deal(runs, picked, int(number or 0), errors_of)
    if hand is None:
        return
    opened = st.session_state.get(OPENED_KEY) == _name(hand)
    # who knows the names has read what parts the runs
    in_the_open = opened or not _asks_claim(hand)
    shown = [by_id[row.run_id] for row in hand.rows]
    names = list(BLIND_NAMES)
    if opened:
        names = [f"{blind} ({KIND_NAMES[kind]})" for blind, kind in zip(BLIND_NAMES, hand.answers, strict=True)]
    with plots:
        st.markdown(f"{measured('three runs')} On {data_set(hand.dataset)}. {STORY}")
        try:
            show_plots(
                hand,
                shown,
                open_looks(names, hand.answers) if opened else blind_looks(),
                lambda part: _judged(hand, in_the_open, part),
            )
        except RunFormatError:
            # the error names the run
            st.warning("A file of one of these three runs is damaged: the rest of its plots cannot be shown.")
        if errors_of.problems:
            # as above
            st.warning("Intervals leave out the choice of test images: a file of a run is damaged.")
    with card:
        _guess(hand, opened)
    _predict_claim(hand)
    _claims(hand, names, opened)
    with _judged(hand, in_the_open, "paper"):
        _paper(hand)
    if opened:
        _links(hand)
    what_would_change_my_mind(
        "More seeds, that is, trainings from other random starts: each narrows the interval of a difference. "
        "With three a side only a gap that is much the same in each seed is supported."
    )


def _name(hand: Hand) -> tuple[str, ...]:
    return (str(hand.seed), *(row.run_id for row in hand.rows))


def _guess(hand: Hand, opened: bool) -> None:
    guesses = []
    st.markdown(f"**Which run had which label embedding?** Guess, then reveal the names. {ELSEWHERE}")
    for index, column in enumerate(st.columns(len(hand.rows))):
        guesses.append(
            column.selectbox(
                BLIND_NAMES[index],
                list(KIND_NAMES.values()),
                index=None,
                placeholder="your guess",
                key=f"quiz_guess_{hand.seed}_{index}",
                persist_state="session",
            )
        )
    if not opened:
        st.button("Reveal the names", type="primary", on_click=_open, args=(_name(hand),), key="quiz_reveal")
        return
    right = sum(KIND_NAMES[kind] == guess for kind, guess in zip(hand.answers, guesses, strict=True))
    if any(guess is not None for guess in guesses):
        st.markdown(
            f"**{right} of {len(guesses)} right.** Blind chance gets one right on average and all three in "
            "one of six."
        )
    names = [f"{BLIND_NAMES[i]} ({KIND_NAMES[kind]})" for i, kind in enumerate(hand.answers)]
    for index, (row, guess) in enumerate(zip(hand.rows, guesses, strict=True)):
        answer = KIND_NAMES[row.family]
        said = f"{BLIND_NAMES[index]} is **{answer}** ({row.run_id}). {run_evidence(hand, index, names)}"
        if guess == answer:
            st.success(f"Yes: {said}", icon=":material/check_circle:")
        else:
            start = "" if guess is None else f"You said {guess}. "
            st.warning(start + said, icon=":material/lightbulb:")
    st.button("Deal again", on_click=_deal_again, args=(hand.seed,), key="quiz_again")


def _open(name: tuple[str, ...]) -> None:
    st.session_state[OPENED_KEY] = name


def _deal_again(seed: int) -> None:
    st.session_state[QUIZ_KEY] = (seed + 1) % 1000


def _predict_claim(hand: Hand) -> None:
    good, bad = supported_claim(hand), unsupported_claim(hand)
    if good is None or bad is None:
        return
    yes, no = (claim_sentence(claim, BLIND_NAMES).removesuffix(".") for claim in (good, bad))
    question(
        _claims_key(hand),
        "One of these two claims is supported, the other is undecided. Which one is supported?",
        sorted([yes, no]),
        yes,
        {yes: claim_reason(good, BLIND_NAMES), no: claim_reason(bad, BLIND_NAMES)},
    )


def _asks_claim(hand: Hand) -> bool:
    return supported_claim(hand) is not None and unsupported_claim(hand) is not None


def _judged(hand: Hand, in_the_open: bool, part: str) -> AbstractContextManager[object]:
    """Return where it is written what a plot supports, which answers the question of the two claims."""
    return st.container() if in_the_open else what_happened(_claims_key(hand), f"_{part}")


def _claims_key(hand: Hand) -> str:
    return f"7_claims_{hand.seed}"


def _claims(hand: Hand, names: Sequence[str], opened: bool) -> None:
    st.subheader("What do these plots support?", help=RULE)
    good, bad = supported_claim(hand), unsupported_claim(hand)
    folded = _asks_claim(hand) and not opened and not guessed(_claims_key(hand))
    with (
        _judged(hand, not folded, "fold"),
        st.expander("What they support", icon=":material/visibility:") if folded else st.container(),
    ):
        if good is not None:
            st.markdown(f"**Supported.** {claim_sentence(good, names)} {claim_reason(good, names)}")
        else:
            st.markdown("**Supported.** No order of any two of these runs is.")
        counted = comparisons_sentence(hand)
        if counted:
            st.markdown(counted)
        if bad is not None:
            st.markdown(f"**Undecided.** {claim_sentence(bad, names)} {claim_reason(bad, names)}")
    st.markdown(
        "Nothing follows from *gaps between clusters of a feature map* (UMAP places clusters freely, their "
        "distances and sizes mean little), from *one attention map*, or from *a mean angle centred by class "
        "means* (step 3)."
    )


def _paper(hand: Hand | None) -> None:
    published = paper_total_map()
    gap = max(published.values()) - min(published.values())
    numbers = ", ".join(f"{KIND_NAMES[kind]} {value:.2f}" for kind, value in published.items())
    words = (
        f"**The paper's own gaps are small.** Total mAP of MLC-NC on VOC-LT: {numbers} (its Tables 1 and "
        f"4), {gap:.2f} points between the first and the last, means of three runs whose spread is not "
        "given."
    )
    if hand is not None:
        total = reading(hand, "map_total")
        if total.widest_seeds > 0:
            words += (
                f" Here, two seeds of one and the same recipe differ by up to {total.widest_seeds:.1f} "
                "points of total mAP: a gap like the paper's is "
                + ("smaller than that." if gap < total.widest_seeds else "larger than that.")
            )
        words += f" {reading_sentence(total, BLIND_NAMES)}" if total.widest_seeds == 0 else ""
    st.markdown(words)


def _links(hand: Hand) -> None:
    first, second, third = (row.run_id for row in hand.rows)
    shown: dict[str, str | list[str]] = {RUNS_KEY: [first, second, third]}
    in_your_run(
        "One plot would have told at once: the angles of the label embeddings. An ETF's are all equal.",
        "geometry",
        "Angles of the label embeddings",
        **shown | {"a": first, "b": second, "of": "label embedding"},
    )
    in_your_run(
        "All seeds, all metrics, class by class.",
        "compare",
        "Compare the three runs",
        **shown | {"a": first, "b": third},
    )
    in_your_run(
        "More than one image.",
        "images",
        "Attention of two of them",
        **shown | {"a": first, "b": second},
    )
