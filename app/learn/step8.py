"""Step 8, does alignment align: the share of the alignment loss in recorded runs, and what features came to."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.compare.loss_shares import READING, shares_frame
from app.figures.loss_shares import share_areas
from app.learn.frame import (
    formula,
    in_your_run,
    measured,
    question,
    what_happened,
    what_would_change_my_mind,
)
from app.session import remembered, runs_root
from app.widgets.chart import show_chart
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection
from mlcnc.analysis.geometry.does_it_align import AlignmentCase, alignment_cases
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.errors import MlcncError
from mlcnc.evidence.results import read_results

STUDY = "alpha"
"""Key of the recorded study of the weight of the alignment loss."""


def show() -> None:
    """Draw the lesson."""
    selected = selection()
    rows = {row.run_id: row for row in selected.rows}
    try:
        cases = remembered(alignment_cases, tuple(run for run in selected.runs if run.run_id in rows))
    except MlcncError as error:
        st.warning(plain(error))
        cases = []
    st.markdown(
        "MLC-NC adds three losses up. The alignment loss asks the feature of a class to point along its label "
        "embedding, cosine 1. But what a loss *trains* is not its value, it is its part of the gradient."
    )
    question(
        "8_share",
        "The alignment loss has 2 % of the gradient. After training, what is the cosine of features with "
        "their label embedding?",
        ["near 1, it has had time", "near 0.5", "near 0, as for random directions"],
        "near 0, as for random directions",
        {
            "near 1, it has had time": "The other losses pull too, and stronger: they need features that tell "
            "classes apart, not features that lie along a given vector.",
            "near 0.5": "Half way would still be far more than 2 % of the pull can hold against the rest.",
            "near 0, as for random directions": "The cosine of a random direction with a given vector is near "
            "0. What hardly pulls hardly moves; see the measured values below.",
        },
    )
    if cases:
        with what_happened("8_share"):
            _measured(cases, rows)
    else:
        st.info(
            "No finished run here measured both the gradient of its losses and the cosine of its features "
            "with the label embedding. Train one with `mlcnc train`: new runs measure both."
        )
    _study()
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


def _measured(cases: list[AlignmentCase], rows: dict[str, RunRow]) -> None:
    least, most = cases[0], cases[-1]
    shown = [least] if least is most else [least, most]
    measured(f"{len(cases)} recorded runs, each at its last measured epoch")
    sentences = [
        f"In **{plain(rows[case.run_id].name)}** the alignment loss has {100 * case.share:.2g} % of the "
        f"gradient, and features have cosine **{case.train:.2f}** with their label embedding on training "
        f"images, **{case.test:.2f}** on test images."
        for case in shown
    ]
    st.markdown(" ".join(sentences))
    drawn = [(rows[case.run_id], case.shares) for case in shown]
    show_chart(
        share_areas(drawn),
        key="lesson8_shares",
        title="Share of each loss in the gradient",
        alt=" ".join(sentences).replace("**", ""),
        reading=READING,
        frame=lambda: shares_frame(drawn),
    )
    st.dataframe(
        pd.DataFrame(
            {
                "run": [rows[case.run_id].name for case in cases],
                "share of alignment (%)": [round(100 * case.share, 1) for case in cases],
                "cosine, training": [round(case.train, 2) for case in cases],
                "cosine, test": [round(case.test, 2) for case in cases],
                "test NC1 against its null": [
                    "not measured" if case.variability is None else case.variability.text for case in cases
                ],
            }
        ),
        hide_index=True,
    )
    st.caption(
        "A cosine of 1 is alignment, 0 what random directions have. The null of NC1 asks the same class query "
        "of images without the class, where that was measured; else it shuffles the labels. A large cosine on "
        "training images and a small one on test images: the features were learned by heart."
    )


def _study() -> None:
    trees = [tree for tree in read_results(runs_root())[0] if tree["experiment"] == STUDY]
    for tree in trees:
        measured(f"the study of {tree['dataset']} over {len(tree['seeds'])} seeds")
        st.markdown(
            f"**{plain(tree['title'])}.** {plain(tree['question'])}\n\n"
            + "\n".join(f"- {plain(claim['text'])}: **{plain(claim['verdict'])}**" for claim in tree["claims"])
        )
