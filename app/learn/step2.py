"""Step 2, variability collapse: what still moves once every training image is classified correctly."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.figures.collapse_course import collapse_frames
from app.learn.frame import (
    COLOURS,
    FIVE,
    MARKS,
    formula,
    in_your_run,
    question,
    small,
    toy,
    what_happened,
    what_would_change_my_mind,
)
from app.session import remembered
from app.widgets.drawing import Drawing, drawing_of
from app.widgets.player import show_player
from mlcnc.toys.collapse import CollapseCourse, collapse_course

DECAY = 0.05


def show() -> None:
    """Draw the lesson."""
    with_decay = remembered(collapse_course, decay=DECAY)
    without = remembered(collapse_course, decay=0.0)
    st.markdown(
        f"{toy('free features, five classes of as many images each')} A network turns each image into a point, "
        "its **feature**, and a classifier scores it against one arrow for each class. Let every feature go "
        "wherever it likes (the *unconstrained-features model*), and train both."
        f"  \n**NC1** = mean squared distance to the class mean (solid, for {FIVE[0]}), divided by that of "
        "class means to their centre (dashed). 0 is collapse."
    )
    _collapse(with_decay, without)
    question(
        "2_moves",
        f"By step {with_decay.first_perfect} all {len(with_decay.labels)} points are classified correctly, and "
        f"still each class shrinks to a point. That was with weight decay {DECAY:g}. And without? (Then check: "
        "switch it to 0.)",
        ["they shrink as fast", "they shrink little and move outwards", "all stands still"],
        "they shrink little and move outwards",
        {
            "they shrink as fast": "Every feature of a class wants the same place, but where length is free "
            "the quicker way to a lower loss is a longer feature.",
            "they shrink little and move outwards": "Length is free then, and every step outwards lowers the "
            "loss. *Weight decay* makes it cost; what is left to gain then is one place for all of a class.",
            "all stands still": "A correct answer still has a loss: cross-entropy is never zero, so its "
            "gradient never is.",
        },
    )
    with what_happened("2_moves"):
        after = with_decay.frame_at(with_decay.first_perfect or 0)
        st.markdown(
            f"Accuracy reaches 100 % by step {with_decay.first_perfect} and says nothing more. NC1 stands at "
            f"{with_decay.nc1[after]:.1f} then and at {small(with_decay.nc1[-1])} after "
            f"{with_decay.steps[-1]:,} steps. This is **variability collapse**."
        )
        st.markdown(
            "**Weight decay does it**, the part of the loss that grows with the length of features and arrows. "
            f"Without it NC1 still is {without.nc1[-1]:.2f} at the end, and the mean "
            f"length of the features has grown from {without.feature_norms[0]:.1f} to "
            f"{without.feature_norms[-1]:.1f} and goes on growing. With it, the length settles at "
            f"{with_decay.feature_norms[-1]:.1f}."
        )
    formula(
        r"\mathrm{NC1} = \frac{\operatorname{tr}\Sigma_W}{\operatorname{tr}\Sigma_B},\qquad"
        r"\Sigma_W = \frac1C\sum_c \frac1{n_c}\sum_{i} (x_{ic}-m_c)(x_{ic}-m_c)^\top,\qquad"
        r"\Sigma_B = \frac1C\sum_c (m_c-g)(m_c-g)^\top",
        f"$m_c$ is the mean of the {len(with_decay.labels) // len(FIVE)} points of class $c$ (the large open "
        f"marks), $g$ the mean of the $C = {len(FIVE)}$ class means. The trace ratio is the short form of "
        f"NC1; it is {with_decay.nc1[0]:.0f} at the random start.",
        title="What NC1 measures",
    )
    in_your_run(
        "A real network is not free: its features come from images, and each image has several labels. NC1 "
        "falls far less. Compare it with NC1 of the same features under shuffled labels, never look at it "
        "alone.",
        "variability",
        "NC1 of your runs on the training images",
        split="train",
    )
    with what_happened("2_moves", "_mind"):
        what_would_change_my_mind(
            "A run with weight decay, trained long after its training accuracy reached 100 %, whose NC1 on "
            "training images stays flat. This toy says nothing about *test* images."
        )


@st.fragment
def _collapse(with_decay: CollapseCourse, without: CollapseCourse) -> None:
    controls = st.container(horizontal=True, vertical_alignment="center")
    controls.markdown("Weight decay", width="content")
    chosen = controls.segmented_control(
        "Weight decay",
        [f"{DECAY:g}", "0"],
        default=f"{DECAY:g}",
        required=True,
        label_visibility="collapsed",
        key="decay",
        bind="query-params",
    )
    course = without if chosen == "0" else with_decay
    show_player(
        _figure(course.decay),
        key="lesson2_collapse" if course.decay else "lesson2_no_decay",
        title="Features collapse onto their class means",
        alt=f"Points of five classes draw together; NC1 goes from {course.nc1[0]:.0f} to {course.nc1[-1]:.2g} "
        f"in {course.steps[-1]} steps with weight decay {course.decay:g}.",
        reading="Left: every small mark is the feature of one training image, every large open mark a class "
        "mean. There are five dimensions; the picture shows the plane in which five equidistant means form a "
        "regular pentagon, so distances within it are true but a part of each is hidden, and angles are drawn "
        f"other than they are. Thin solid lines: the spread within {FIVE[0]}. Dashed: from the centre of all "
        "to its mean.\n\nRight: NC1 against the step, both logarithmic. The dashed line is the first kept "
        "moment with all points classified correctly."
        + ("" if course.decay else f" Grey: the same start with weight decay {DECAY:g}."),
        frame=pd.DataFrame(
            {"step": course.steps, "nc1": course.nc1, "accuracy": course.accuracy, "norm": course.feature_norms}
        ),
        parameter="moment" if course.decay else "moment0",
        what="step",
        autoplay=True,
    )


def _figure(decay: float) -> Drawing:
    # the film of the question must not hold its answer: what is without decay is compared, not what is with it
    other = None if decay else remembered(collapse_course, decay=DECAY)
    return drawing_of(collapse_frames, remembered(collapse_course, decay=decay), other, FIVE, COLOURS, MARKS)
