"""Step 8, does alignment align: over its weight, and its share of the gradient in recorded runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.compare.loss_shares import READING, shares_frame
from app.figures.loss_shares import share_areas
from app.figures.weight_courses import accuracy_over_weight, cosines_over_weight
from app.learn.frame import (
    beside,
    data_set,
    formula,
    in_your_run,
    measured,
    question,
    what_happened,
    what_would_change_my_mind,
)
from app.session import remembered, runs_root
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.run_picker import Selection, selection
from mlcnc.analysis.geometry.does_it_align import (
    AlignmentGroup,
    alignment_cases,
    alignment_groups,
    contrasting_cases,
    optimum_of_dataset,
)
from mlcnc.analysis.runs.rows import RunRow, training_settings
from mlcnc.errors import MlcncError
from mlcnc.evidence.longer_training import (
    before_longer,
    collapse_answer,
    longer_answer,
    null_of_nc1,
    trained_epochs,
)
from mlcnc.evidence.results import read_results, spread_text
from mlcnc.evidence.rows import LONGER
from mlcnc.evidence.weight_of_alignment import WeightCourse, alignment_answer, weight_courses

WEIGHTS, TERMINAL = "alpha", "terminal"
"""Keys of the recorded studies: of the weight of the alignment loss, and of a training ten times longer."""

STORY = (
    "MLC-NC adds up three losses. The *two-way loss* tells classes apart in an image and images in a class, "
    "the *calibration loss* draws the features of a class to their mean. The **alignment loss** asks a feature "
    "to point along the label embedding of its class: cosine 1. It has a weight, 0.5 in the paper."
)


def show() -> None:
    """Draw the lesson."""
    trees = read_results(runs_root())[0]
    studies = [(tree, weight_courses(tree)) for tree in trees if tree["experiment"] == WEIGHTS]
    drawn = [(tree, courses) for tree, courses in studies if courses]
    if drawn:
        _weights(*drawn[0])
    else:
        st.markdown(f"{STORY} But what a loss *trains* is not its value, it is its part of the gradient.")
    question(
        "8_share",
        "With the weight of the paper, how much of the whole pull on the network, its gradient, is that of the "
        "alignment loss at the end of training?",
        ["about a third, it is one of three", "about half, as its weight says", "a few %"],
        "a few %",
        {
            "about a third, it is one of three": "Losses do not pull alike: each pulls as strongly as its "
            "value changes with what is trained, times its weight.",
            "about half, as its weight says": "The weight multiplies its gradient. Those of the other losses, "
            "which need features that tell classes apart, are far larger.",
            "a few %": "The other losses pull far more strongly, and what hardly pulls hardly moves.",
        },
    )
    with what_happened("8_share", "_below"):
        _gradients(beside_curves=bool(drawn))
        for tree, _ in drawn:
            _does_it_pay(tree)
        for tree in trees:
            if tree["experiment"] == TERMINAL:
                _longer(tree, selection())
    formula(
        r"\text{share of } k = \frac{w_k\lVert\nabla L_k\rVert}{\sum_j w_j\lVert\nabla L_j\rVert}",
        "$L_k$ is a term of the loss with its weight $w_k$, and the gradient is with respect to all that is "
        "trained beside the backbone, on the last batch of an epoch.",
        title="What a share of the gradient is",
    )
    in_your_run(
        "The cosine of every class with its label embedding, and with those of the others.",
        "geometry",
        "Alignment of every class",
        space="f",
    )
    what_would_change_my_mind(
        "Runs with a small share of the alignment loss whose test features have a cosine near 1, over several "
        "seeds; or runs with a large share that stay near 0."
    )


def _weights(tree: Mapping[str, Any], courses: list[WeightCourse]) -> None:
    of = f"{plain(tree['dataset'])}, {_seeds(tree)}"
    answer = alignment_answer(courses)
    st.markdown(f"{measured(of)} On {data_set(tree['dataset'])}. {STORY}")
    st.markdown(f"**{answer}**")
    cosines, accuracy = beside("weights", [3, 2])
    with cosines:
        show_chart(
            drawing_of(cosines_over_weight, courses),
            key="lesson8_weights",
            title=f"Cosine of features with their label embedding over the weight of its loss, {of}",
            alt=answer,
            reading="Mean cosine of the features of images with a class and the label embedding of the "
            "class, mean over seeds. Solid: training images. Dotted: test images. 1 is alignment; the dashed "
            "line at 0 is what random directions have. A gap between solid and dotted: the features of the "
            "training images were learned by heart. The weights stand at equal distances.",
            frame=_frame(courses),
        )
    with accuracy:
        best = max(courses[0].map_total)
        at = courses[0].weights[courses[0].map_total.index(best)]
        show_chart(
            drawing_of(accuracy_over_weight, courses),
            key="lesson8_accuracy",
            title=f"Test mAP over the weight of the alignment loss, {of}",
            alt=f"With {courses[0].series} embeddings test mAP is highest, {best:.1f} %, at weight {at:g}.",
            reading="Mean over seeds of the mean average precision on test images. More alignment is not more "
            "accuracy by itself. The weights stand at equal distances.",
            frame=_frame(courses),
        )


def _frame(courses: Sequence[WeightCourse]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(vars(course)) for course in courses], ignore_index=True)


def _of(tree: Mapping[str, Any]) -> str:
    return measured(f"{plain(tree['dataset'])}, {_seeds(tree)}")


def _seeds(tree: Mapping[str, Any]) -> str:
    return "1 seed" if len(tree["seeds"]) == 1 else f"{len(tree['seeds'])} seeds"


def _gradients(*, beside_curves: bool) -> None:
    """Show why: the share of the alignment loss in the gradient of recorded runs, beside its cosine.

    Args:
        beside_curves: curves over the weight stand above, along which nothing else differs.
    """
    selected = selection()
    rows = {row.run_id: row for row in selected.rows}
    try:
        cases = remembered(alignment_cases, tuple(run for run in selected.runs if run.run_id in rows))
    except MlcncError as error:
        st.warning(plain(error))
        cases = []
    if not cases:
        st.info(
            "No finished run here measured both the gradient of its losses and the cosine of its features "
            "with the label embedding. Train one with `mlcnc train`: new runs measure both."
        )
        return
    groups = alignment_groups(cases, list(rows.values()))
    sentences = [
        f"In **{plain(rows[case.run_id].name)}** the alignment loss has {100 * case.share:.2g} % of the "
        f"gradient at the end, and features have cosine **{case.train:.2f}** on training images."
        for case in contrasting_cases(groups)
    ]
    apart = _settings_apart([rows[case.run_id] for case in contrasting_cases(groups)])
    if apart:
        sentences.append(f"{apart}; in the curves above in the weight alone." if beside_curves else f"{apart}.")
    st.markdown(
        f"{measured(f'{len(cases)} recorded runs')} **Why?** A loss trains by its part of the gradient. "
        + " ".join(sentences)
    )
    drawn: list[tuple[RunRow, Any]] = [(rows[case.run_id], case.shares) for case in contrasting_cases(groups)]
    show_chart(
        drawing_of(share_areas, drawn),
        key="lesson8_shares",
        title="Share of each loss in the gradient",
        alt=" ".join(sentences).replace("**", ""),
        reading=READING,
        frame=lambda: shares_frame(drawn),
    )
    st.dataframe(group_frame(groups), hide_index=True, height="content")
    st.caption("Mean over seeds, lowest and highest, number of seeds n; each run at its last measured epoch.")


def _settings_apart(of: Sequence[RunRow]) -> str:
    """Return in what two runs were trained otherwise, without a full stop; nothing of one run."""
    if len(of) != 2:
        return ""
    ours, theirs = (training_settings(row) for row in of)
    said = [
        f"{name.rpartition('.')[2].replace('_', ' ')} ({ours.get(name, 'none')}, {theirs.get(name, 'none')})"
        for name in sorted(ours | theirs)
        if ours.get(name) != theirs.get(name)
    ]
    return f"The two differ in {plain(' and '.join(said))}"


def group_frame(groups: Sequence[AlignmentGroup]) -> pd.DataFrame:
    """Return a line a recipe: share of the alignment loss, and cosines on training and test images."""
    return pd.DataFrame(
        {
            "data set": [group.dataset for group in groups],
            "recipe": [group.recipe for group in groups],
            "share of alignment (%)": [group.share.written(1) for group in groups],
            "cosine, training": [group.train.written(2) for group in groups],
            "cosine, test": [group.test.written(2) for group in groups],
        }
    )


def _does_it_pay(tree: Mapping[str, Any]) -> None:
    if not tree["claims"]:
        return
    st.markdown(f"{_of(tree)} **Does it pay?** Difference in test mAP of runs of the same seed.")
    st.dataframe(claim_frame(tree["claims"]), hide_index=True, height="content")
    st.caption(
        "Reproduced: the interval lies above 0; not reproduced: below it. Undecided: it holds 0, or is none. "
        "Not testable here: a row or a value is missing."
    )


def claim_frame(claims: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a line a claim, its numbers as text: what was not measured is said, not left empty."""
    return pd.DataFrame(
        {
            "claim": [_weight(claim["text"]) for claim in claims],
            "difference": ["not measured" if c["mean"] is None else f"{c['mean']:+.1f}" for c in claims],
            "95 % interval": [
                "none" if c["low"] is None or c["high"] is None else f"{c['low']:+.1f} to {c['high']:+.1f}"
                for c in claims
            ],
            "seeds": [claim["n"] for claim in claims],
            "verdict": [claim["verdict"] for claim in claims],
        }
    )


def _longer(tree: Mapping[str, Any], selected: Selection) -> None:
    rows = [row for row in tree["rows"] if row["values"].get("alignment", {}).get("mean") is not None]
    if not rows:
        return
    etf, epochs = optimum_of_dataset(tree["dataset"]), trained_epochs(rows)
    st.markdown(f"{_of(tree)} **{plain(tree['question'])}**")
    earlier: list[Mapping[str, Any]] = []
    if epochs is not None:
        st.markdown(
            f"{epochs} epochs, that is {LONGER} times longer than the {epochs // LONGER} epochs of the usual "
            f"recipe on {data_set(tree['dataset'])}."
        )
        of_dataset = {row.run_id for row in selected.rows if row.dataset == tree["dataset"]}
        found = (remembered(before_longer, run, epochs) for run in selected.runs if run.run_id in of_dataset)
        earlier = [row for row in found if row is not None]
    if answer := longer_answer(rows, earlier, etf):
        st.markdown(f"**{plain(_weight(answer))}**")
    said = [_weight(collapse_answer(row, etf)) for row in (*rows, *earlier)]
    st.markdown("\n".join(f"- {plain(text)}" for text in said if text))
    st.dataframe(longer_frame([*rows, *earlier]), hide_index=True, height="content")
    st.caption(
        "NC1: how widely the features of a class scatter about their mean, over how far class means stand from "
        "each other; 0 is collapse. Beside it NC1 of as many images without the class, which is what looking "
        "for the class does by itself. Smallest angle: between the two closest class means, centred, of test "
        + ("images." if etf is None else f"images; {etf:.1f}° where all are equally far apart, an ETF.")
    )


def longer_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a line a row of a longer training with its collapse and its cosines at the end."""
    nulls = [null_of_nc1(row) for row in rows]
    return pd.DataFrame(
        {
            "recipe": [_weight(row["name"]) for row in rows],
            "NC1, training": _told(rows, "nc1"),
            "without the class": ["not measured" if null is None else f"{null:.3g}" for null in nulls],
            "smallest angle (°), test": _told(rows, "angle_min"),
            "cosine, training": _told(rows, "alignment"),
            "cosine, test": _told(rows, "alignment_test"),
        }
    )


def _told(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    told = [spread_text(row["values"].get(key), key) for row in rows]
    return ["not measured" if text == "-" else text for text in told]


def _weight(text: str) -> str:
    return text.replace("alpha", "weight")
