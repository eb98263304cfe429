"""Step 3, angles: class means become a simplex ETF, and how centring can hide that they did not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.collapse_course import angle_frames
from app.figures.toys import centring_strips
from app.learn.frame import (
    COLOURS,
    FIVE,
    formula,
    in_your_run,
    question,
    small,
    toy,
    what_happened,
    what_would_change_my_mind,
)
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.drawing import Drawing, drawing_of
from app.widgets.player import show_player
from mlcnc.toys.centring import GEOMETRIES, centring_trap
from mlcnc.toys.collapse import collapse_course

OTHER_STARTS = (1, 2)
"""Seeds of the trainings that the first question asks about."""


def show() -> None:
    """Draw the lesson."""
    course = remembered(collapse_course, decay=0.05)
    angles = course.angles
    st.markdown(
        f"{toy('the training of step 2')} The same five classes: each has shrunk to a point, its class mean. "
        "Where do the five means lie (circles), and where do the five arrows of the classifier point (grey)?"
    )
    show_player(
        _figure(),
        key="lesson3_angles",
        title="Class means and classifier become one simplex ETF",
        alt=f"The smallest angle between class means grows from {angles.minimum[0]:.1f} to "
        f"{angles.minimum[-1]:.1f} degrees; the mean angle stays near {angles.mean[-1]:.1f}.",
        reading="Left: open circles are class means, grey arrows those of the classifier, both scaled to the "
        "same total length, in the plane of the pentagon. Five arrows at equal angles need four dimensions, so "
        "the plane shows angles other than they are. Right: the true angles between class means; white is the "
        "angle of a simplex ETF, blue too close, brown too far apart. Below: the smallest and the mean angle "
        "against the step; the dashed line is the ETF. The mean of the class means is subtracted first.",
        frame=pd.DataFrame(
            {
                "step": course.steps,
                "mean": angles.mean,
                "smallest": angles.minimum,
                "sd": angles.std,
                "self_duality": course.duality,
            }
        ),
        parameter="moment3",
        what="step",
        autoplay=True,
    )
    others = [remembered(collapse_course, decay=0.05, num_frames=2, seed=seed).angles for seed in OTHER_STARTS]
    off = max(abs(item.angles[-1] - course.optimum)[~np.eye(len(FIVE), dtype=bool)].max() for item in others)
    question(
        "3_equal",
        "Many arrangements classify every point correctly. Start from other random features: will all angles "
        "end equal again?",
        ["no, each start has an end of its own", "yes, at the same angle", "yes, at another angle"],
        "yes, at the same angle",
        {
            "no, each start has an end of its own": "For accuracy any would do. Cross-entropy with weight "
            "decay wants more: the most room at the least length, and one arrangement alone has it.",
            "yes, at the same angle": f"From {len(others)} other starts every pair ends within {small(off)}° "
            f"of {course.optimum:.1f}°, the angle of a simplex ETF of five. Only the whole is turned.",
            "yes, at another angle": "Five vectors that sum to zero, all as long and all equally far apart, "
            "leave no choice of the angle.",
        },
    )
    with what_happened("3_equal"):
        st.markdown(
            f"**NC2.** The **smallest angle** grows from {angles.minimum[0]:.1f}° to {angles.minimum[-1]:.1f}° "
            f"and the standard deviation falls from {angles.std[0]:.1f}° to {small(angles.std[-1])}°: the "
            "class means become a simplex ETF.\n\n**NC3.** The arrows of the classifier turn until they lie "
            "on the class means: their squared distance, both scaled to length 1, falls from "
            f"{course.duality[0]:.2f} to {small(course.duality[-1])} (self-duality)."
        )
    st.subheader("The mean angle was right from the start")
    st.markdown(
        f"The **mean** angle (dotted) is {angles.mean[0]:.1f}° at the random start and {angles.mean[-1]:.1f}° "
        f"at the end, and the ETF has {course.optimum:.1f}°."
    )
    question(
        "3_trap",
        "Why was the mean right before anything was learned?",
        ["a lucky start", "the class means are centred", "random arrows are nearly an ETF"],
        "the class means are centred",
        {
            "a lucky start": "Any other has it too: choose another arrangement below.",
            "the class means are centred": "This is the **centring trap**: their own mean is subtracted first, "
            "so they sum to zero. If they are about as long, this alone fixes the mean cosine at $-1/(C-1)$, "
            "whatever the arrangement.",
            "random arrows are nearly an ETF": f"Not these: the closest two stood at {angles.minimum[0]:.1f}°.",
        },
    )
    with what_happened("3_trap"):
        _trap()
    formula(
        r"\sum_c (m_c - g) = 0 \;\Rightarrow\; \sum_{i\ne j} a_i a_j \cos_{ij} = -\sum_i a_i^2"
        r"\;\Rightarrow\; \overline{\cos} = -\frac{1}{C-1} \text{ if all } a_i = \lVert m_i - g\rVert"
        r"\text{ are equal}",
        "Square the sum of the centred means and sort the terms. No word about the arrangement is needed. With "
        "unequal lengths the identity fails, and the mean angle falls: then it measures lengths, not angles.",
        title="Why the mean angle is no evidence",
    )
    with what_happened("3_trap", "_run"):
        in_your_run(
            "Switch the centring of the class means, and read the smallest angle, not the mean. "
            "Without centring you see a direction that all classes share.",
            "geometry",
            "Angles of class means, uncentred",
            centring="none",
        )
        what_would_change_my_mind(
            "A mean centred angle far from the ETF with equal norms: the identity says it cannot be. For the "
            "claim of an ETF: one pair of classes that stays close however long training goes on."
        )


def _figure() -> Drawing:
    return drawing_of(angle_frames, remembered(collapse_course, decay=0.05), FIVE, COLOURS)


@st.fragment
def _trap() -> None:
    st.markdown(toy("made-up class means, nothing trained"))
    left, right = st.columns(2)
    geometry = left.segmented_control(
        "Arrangement of 20 class means",
        list(GEOMETRIES),
        default=GEOMETRIES[0],
        required=True,
        key="arrangement",
        bind="query-params",
    )
    spread = right.slider(
        "Spread of their lengths (standard deviation of the logarithm)",
        0.0,
        2.0,
        0.0,
        0.25,
        key="lengths",
        bind="query-params",
    )
    chosen = next((item for item in GEOMETRIES if item == geometry), GEOMETRIES[0])
    trap = remembered(centring_trap, chosen, norm_spread=spread)
    none, centred = trap.reading("none").summary, trap.reading("class").summary
    show_chart(
        drawing_of(centring_strips, trap),
        key="lesson3_trap",
        title="The same class means under three centrings",
        alt=f"Mean angle {none.mean:.1f} degrees uncentred and {centred.mean:.1f} centred by class; the "
        f"smallest centred one is {centred.minimum:.1f}; an ETF has {trap.optimum:.1f}.",
        reading="Every dot is one of the 190 pairs of 20 class means, which also share one direction, as "
        "features after a ReLU do. Rows: nothing subtracted; the mean of the class means subtracted; the "
        "mean of all samples subtracted, which the frequent classes rule (500 down to 4 images). Diamond: "
        "mean. Triangle: smallest angle. Dashed: simplex ETF.",
        frame=pd.DataFrame(
            {f"centring_{reading.centring}": reading.pairs for reading in trap.readings},
        ),
    )
    words = (
        f"The mean centred angle is {centred.mean:.1f}°, the ETF has {trap.optimum:.1f}°; the smallest angle "
        f"is {centred.minimum:.1f}° and the standard deviation {centred.std:.1f}°. Uncentred, the mean is "
        f"{none.mean:.1f}°, because of the shared direction."
    )
    if spread > 0:
        words += (
            f" The lengths differ (coefficient of variation {trap.reading('class').norm_spread:.2f}), so the "
            "mean angle has lost its identity and moves with the lengths."
        )
    st.markdown(words)
