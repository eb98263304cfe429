"""Step 1, the simplex ETF: vectors as far apart as they can be."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.figures.toys import angle_against_number, random_against_etf
from app.learn.frame import (
    COLOURS,
    FIVE,
    formula,
    in_your_run,
    question,
    toy,
    what_happened,
    what_would_change_my_mind,
)
from app.learn.relaxing_arrows import relaxing_arrows
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from mlcnc.toys.simplex import random_vectors, simplex_angles

NUMBERS = tuple(range(2, 101))
MARKED = (2, 3, 4, 20, 80)


def show() -> None:
    """Draw the lesson."""
    best = simplex_angles(NUMBERS)
    st.markdown(
        f"{toy('unit vectors that push each other apart')} A classifier gives every class a direction, an "
        "arrow. Two classes are easy to tell apart when their arrows point far from each other. How far apart "
        "can *all* of them be at once?"
    )
    _arrows()
    question(
        "1_four",
        f"Three arrows can all be {best.angle_of(3):.0f}° apart. Now a fourth one, and all of space to turn "
        "in: how far apart can the closest two be? (Then check: set K to 4.)",
        ["90°", "109°", "120°"],
        "109°",
        {
            "90°": "That is the best of four arrows in a plane. Space leaves room to lift them out of it.",
            "109°": f"Just above it, {best.angle_of(4):.2f}°: the corners of a tetrahedron, seen from its "
            "middle.",
            "120°": "Three arrows that are 120° apart fill a plane. Lift a fourth one out of it, and it stands "
            "at 90° to them; all four must move closer together.",
        },
    )
    with what_happened("1_four"):
        st.markdown(
            f"Three arrows settle at **{best.angle_of(3):.0f}°**, four at **{best.angle_of(4):.2f}°** (in "
            "space: the corners of a tetrahedron)."
        )
    st.markdown(
        "A set of arrows with all pairs at one and the same angle, and that angle as large as possible, is a "
        "**simplex equiangular tight frame**, a simplex ETF."
    )
    question(
        "1_twenty",
        "From 20 to 80 classes: what happens to the best possible angle?",
        ["it falls to about 23°", "it hardly changes", "it grows"],
        "it hardly changes",
        {
            "it falls to about 23°": "A quarter of the angle would be right in a plane. Every further arrow "
            "brings a dimension of its own, so there is room.",
            "it hardly changes": f"It goes from {best.angle_of(20):.1f}° to {best.angle_of(80):.1f}°, and "
            "never below a right angle: each arrow brings its own dimension.",
            "it grows": "A further arrow only takes room away; the angle can never grow.",
        },
    )
    with what_happened("1_twenty"):
        show_chart(
            drawing_of(angle_against_number, best, MARKED),
            key="lesson1_number",
            title="Angle of a simplex ETF against the number of arrows",
            alt=f"The angle falls from 180 degrees for 2 arrows to {best.angle_of(80):.1f} for 80, towards 90.",
            reading="The dashed line is the largest angle that all pairs of so many arrows can have at once. "
            "The axis of numbers is logarithmic.",
            frame=pd.DataFrame({"arrows": best.numbers, "angle": best.angles}),
        )
    with what_happened("1_twenty", "_random"):
        _random()
    formula(
        r"0 \le \Big\lVert \sum_{k=1}^{K} v_k \Big\rVert^2 = K + \sum_{i \ne j} \cos\angle(v_i, v_j)"
        r"\quad\Rightarrow\quad \min_{i \ne j} \angle(v_i, v_j) \le \arccos\Big(-\frac{1}{K-1}\Big)",
        "The squared length of a sum cannot be negative, so the mean cosine cannot be below $-1/(K-1)$, and "
        "the closest pair cannot do better than the mean. Equality needs all cosines equal and the arrows "
        f"to sum to zero. For $K = 20$: cosine {-1 / 19:.4f}, angle {best.angle_of(20):.2f}°. It takes $K - "
        "1$ dimensions.",
        title="Why no set of arrows can do better",
    )
    in_your_run(
        "A *run* is one recorded training of a network. It has an arrow for each class, the label embedding: "
        "in *etf* runs a simplex ETF by construction, in *trainable* runs learned, in *glove* runs the GloVe "
        "vector of its name, learned from the company that words keep in texts. Compare their smallest angles.",
        "geometry",
        "Angles of the label embeddings",
        of="label embedding",
    )
    what_would_change_my_mind(
        "K arrows whose closest pair is wider than the formula allows. The squared length of their sum "
        "would be negative, so nobody will find them."
    )


@st.fragment
def _arrows() -> None:
    number = st.slider("Number of arrows K", 2, 20, 3, key="num_arrows", bind="query-params", width=420)
    relaxing_arrows(number, FIVE, [COLOURS[name] for name in FIVE], key="relaxing_arrows")
    if number <= 4:
        place = "a plane" if number <= 3 else "space"
        st.caption(
            f"{number} arrows in {place}. Drag one, or focus it and press the arrow keys; then let them relax."
            + (" Drag the ground to turn the view." if number == 4 else "")
        )
    else:
        st.caption(
            f"{number} arrows need {number - 1} dimensions, which no picture can show. So this is the matrix "
            "of their angles: white is the angle of a simplex ETF, blue too close, brown too far apart."
        )


def _random() -> None:
    vectors = random_vectors(20)
    show_chart(
        drawing_of(random_against_etf, vectors),
        key="lesson1_random",
        title="Twenty random arrows in 19 dimensions",
        alt=f"Angles of random arrows spread from {vectors.summary.minimum:.1f} to "
        f"{vectors.summary.maximum:.1f} degrees around a mean of {vectors.summary.mean:.1f}.",
        reading="How many of the 190 pairs of twenty random arrows have which angle. An ETF would put all "
        "of them on the dashed line.",
        frame=pd.DataFrame({"angle": vectors.pairs}),
    )
    st.markdown(
        f"**The mean says little, the spread says all.** Twenty *random* arrows in 19 dimensions have a mean "
        "angle of "
        f"{vectors.summary.mean:.1f}°, only {vectors.optimum - vectors.summary.mean:.1f}° from the optimum of "
        f"{vectors.optimum:.1f}°. But their closest pair stands at {vectors.summary.minimum:.1f}°. With many "
        "classes, look at the smallest angle."
    )
