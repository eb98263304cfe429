"""Step 5, several labels in one image: one feature lies between the centres, one feature a class does not."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.figures.several_labels import between_centres_plane, feature_for_each, labelled_scene
from app.learn.frame import (
    COLOURS,
    FIVE,
    MARKS,
    beside,
    formula,
    in_your_run,
    question,
    toy,
    what_happened,
    what_would_change_my_mind,
)
from app.learn.labels_in_runs import HORSE, PERSON, show_company, show_one_feature_a_class
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.downloads import mode_bar
from app.widgets.drawing import drawing_of
from app.widgets.run_picker import selection
from mlcnc.analysis.images.drawn_scene import drawn_scene
from mlcnc.toys.collapse import collapse_course
from mlcnc.toys.several_labels import BetweenCentres, SeveralLabelsEnd, between_centres, several_labels

EACH = 10
"""Images of each class alone in the toy."""

SCENE = 9
"""Seed of the drawn image, which shows both classes whole."""

TIMES = (1, 2, 5, 10, 20, 50)
MANY = 20


def show() -> None:
    """Draw the lesson."""
    even, end = _toy(1)
    st.markdown(
        f"{toy('five classes, every pair of them in some images')} So far each image had one label, and its "
        "feature went to its class mean, the centre of its class. Most photographs show more than "
        "one thing, like this one: a person *and* a horse. Where should its feature go?"
    )
    _picture(even)
    question(
        "5_where",
        "A network gives the image a single feature. Where does it end?",
        ["at the centre of person", "at the centre of horse", "between the two", "at a place of its own"],
        "between the two",
        {
            "at the centre of person": "Then horse would get a low score, and this image has both labels.",
            "at the centre of horse": "Then person would get a low score, and this image has both labels.",
            "between the two": f"In the toy it stands {even.to_first:.1f}° from the one and "
            f"{even.to_second:.1f}° from the other: half of the {even.apart:.1f}° between them.",
            "at a place of its own": "That costs more: one and the same direction raises both scores at once, "
            "the sum of the two centres.",
        },
    )
    with what_happened("5_where", "_way"):
        st.markdown(
            "**The trouble.** Images of one class lie in many places: its features no longer collapse to one "
            "point.\n\n**The way out: one feature for each class.** MLC-NC looks at the image once for each "
            "class, so two labels give two features, and each can go to a centre of its own. It has a vector "
            "for each class, the *label embedding*; where in the image a position resembles that of *horse*, "
            "it counts more for the feature of *horse*. These weights are the class's **attention**."
        )
    formula(
        r"a_{i,k,c}=\frac{e^{s(z_i^k,\,l_c)}}{\sum_j e^{s(z_i^j,\,l_c)}},\qquad f_i^c=\sum_k a_{i,k,c}\,z_i^k",
        "$z_i^k$ is the network's vector at position $k$ of image $i$, $l_c$ the label embedding of class $c$, "
        "$s$ the cosine (Eq. 3 to 5 of MLC-NC). The released code uses learned attention with several "
        "heads instead, and so do the recorded runs unless their settings say otherwise.",
        title="One feature for each class",
    )
    formula(
        r"-\frac1N\sum_{i=1}^{N}\ \sum_{k:\,y_i^k=1} \log\frac{e^{w_k\cdot h_i}}{\sum_j e^{w_j\cdot h_i}}"
        r"\;+\;\frac{\lambda}{2N}\sum_i\lVert h_i\rVert^2+\frac{\lambda}{2}\lVert W\rVert_F^2",
        "*Pick all labels*: one cross-entropy for each label the image has. Li et al. (2023, arXiv "
        "2310.15903) prove that with equal counts the features of images with several labels are a scaled "
        "average of the centres of the single labels. Here the average is met within "
        f"{even.to_average:.1g}° and {even.length_ratio:.2f} times as long. No score can be perfect: two "
        "labels share the probability, so their loss stays above 2 log 2 = 1.39 (mean loss here "
        f"{end.loss:.2f}).",
        title="The loss with several labels, and what is proved",
    )
    selected = selection()
    runs = [run for run, _ in selected.picked] or selected.runs
    show_one_feature_a_class(runs, [*runs, *(run for run in selected.runs if run not in runs)])
    _uneven()
    st.subheader("Do rare classes come alone?")
    show_company(runs)
    in_your_run(
        "Look at any image and class, and at the classes an image does *not* have: their attention must go "
        "somewhere too.",
        "images",
        "Images and attention",
    )
    what_would_change_my_mind(
        "A trained network in which the two features of an image lie no nearer to their own class means than "
        "to each other's. Then one feature for each class would have bought nothing."
    )


def _toy(times: int) -> tuple[BetweenCentres, SeveralLabelsEnd]:
    counts = tuple(EACH * (times if name == "person" else 1) for name in FIVE)
    end = remembered(several_labels, counts)
    return between_centres(end, PERSON, HORSE), end


def _picture(even: BetweenCentres) -> None:
    labels = (FIVE[PERSON], FIVE[HORSE])
    apart = float(remembered(collapse_course, decay=0.05).angles.angles[-1][PERSON, HORSE])
    picture, one, each = beside("labels", 3)
    with picture:
        st.markdown("The image and its two labels")
        st.plotly_chart(
            labelled_scene(drawn_scene(labels, seed=SCENE), COLOURS),
            key="lesson5_scene",
            config=mode_bar("lesson5_scene"),
            alt="A drawn scene: a person on the left and a horse on the right, each in a frame with its name.",
        )
    with one, what_happened("5_where"):
        st.markdown(f"One feature: **{even.to_first:.1f}°** to person, **{even.to_second:.1f}°** to horse")
        _plane(even, "lesson5_even", "equally many images of each class alone")
    with each, what_happened("5_where", "_each"):
        st.markdown(f"One feature for each class: **{apart:.1f}°** apart")
        said = f"Two features, each at the centre of its own class, {apart:.1f}° apart."
        show_chart(
            drawing_of(feature_for_each, apart, labels, COLOURS, MARKS),
            key="lesson5_each",
            title="A feature for each label",
            alt=said,
            reading="With a feature for each class every feature has one label, as in steps 2 and 3, and ends "
            "at the centre of its class. The angle is that of step 3. Two arrows span this plane, so it is "
            "drawn true.",
            frame=pd.DataFrame({"first": [labels[0]], "second": [labels[1]], "degrees": [apart]}),
        )


@st.fragment
def _uneven() -> None:
    st.subheader("And if one of the two classes is rare?")
    uneven, _ = _toy(MANY)
    row = f"the classifier's row of person is {uneven.classifier_ratio:.2f} times as long as that of horse"
    question(
        "5_uneven",
        f"{MANY} times as many images show a person alone. Where does the one shared feature move?",
        ["to person, the frequent one", "to horse, the rare one", "it stays in the middle"],
        "to horse, the rare one",
        {
            "to person, the frequent one": f"The frequent class is strong already: {row}, so the feature can "
            "lean on it less.",
            "to horse, the rare one": "Both labels should get the same probability, but "
            f"{row}. So the feature leans to the shorter row: {uneven.to_second:.1f}° to horse, "
            f"{uneven.to_first:.1f}° to person.",
            "it stays in the middle": f"It stays in the plane of the two centres, but {row}, and the "
            "feature has to make up for that.",
        },
    )
    with what_happened("5_uneven"):
        times = st.select_slider(
            "Images of a person alone for each image of a horse alone",
            TIMES,
            value=MANY,
            key="times",
            bind="query-params",
            width=420,
        )
        found, _ = _toy(times)
        st.markdown(
            f"Person {times} : 1 horse: **{found.to_first:.1f}°** to person, **{found.to_second:.1f}°** to "
            "horse."
        )
        _plane(found, "lesson5_uneven", f"{times} times as many images of a person alone")


def _plane(found: BetweenCentres, key: str, counts: str) -> None:
    said = (
        f"With {counts}, the feature of person and horse is {found.to_first:.1f}° from the centre of "
        f"person and {found.to_second:.1f}° from that of horse; the centres are {found.apart:.1f}° apart."
    )
    show_chart(
        drawing_of(between_centres_plane, found, FIVE, COLOURS, MARKS, reach=3.7),
        key=key,
        title="The feature of an image with two labels",
        alt=said,
        reading="The plane of the two class centres, from the origin. Thick grey arrow: the feature of images "
        "with both labels, which lies in this plane up to "
        f"{100 * found.outside:.1g} % of its squared length. Small grey marks: the shadows of the three other "
        "centres, which point out of the plane. Angles between the three arrows are drawn true.",
        frame=pd.DataFrame(
            {
                "of": [*FIVE, "person and horse"],
                "right": [*found.centres[:, 0], found.feature[0]],
                "up": [*found.centres[:, 1], found.feature[1]],
            }
        ),
    )
