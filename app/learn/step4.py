"""Step 4, imbalance: the vectors of rare classes fall together."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from app.figures.toys import angles_against_ratio, imbalanced_matrix
from app.learn.frame import (
    TEN,
    beside,
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
from app.widgets.drawing import drawing_of
from mlcnc.toys.imbalance import ImbalancedEnd, imbalanced_end
from mlcnc.toys.unconstrained_features import Subject

RATIOS = (1, 2, 5, 10, 20, 30, 50, 70, 100)
STRONG, WEAK = 0.05, 0.005
ROUNDING = 1e-12


def show() -> None:
    """Draw the lesson."""
    rows = _ends("classifier", STRONG)
    last, middle = rows[-1], next(end for end in rows if end.ratio == 50)
    counts = last.class_counts
    st.markdown(
        f"{toy('free features, ten classes')} Until now every class had as many images as any other. Now take "
        f"five frequent ones with {counts[0]} images each and five rare ones with {counts[-1]}."
    )
    _imbalance()
    st.markdown(
        f"**Minority collapse.** With weight decay {STRONG:g} all pairs of classifier rows stand at "
        f"{rows[0].mean:.1f}° (a row is a class's arrow) where classes are balanced, the ETF. At 100 : 1 two "
        f"frequent classes are {last.frequent:.1f}° apart and two rare ones {last.rare:.1f}°: the classifier "
        "cannot tell rare classes from each other any more. The frequent classes take the room."
    )
    weak = _ends("classifier", WEAK)
    question(
        "4_rare",
        f"A tenth of the weight decay, {WEAK:g}, at 100 : 1: where do the rows of two rare classes stand? "
        "(Then check: switch it.)",
        ["together again", "apart, but closer than the ETF", "at the angle of the ETF"],
        "apart, but closer than the ETF",
        {
            "together again": "What a row of its own costs fell to a tenth, so each rare class keeps one.",
            "apart, but closer than the ETF": f"At {weak[-1].rare:.1f}° on average, where the ETF has "
            f"{last.optimum:.1f}°: less of the same.",
            "at the angle of the ETF": "They would, if each class counted the same. But the loss is a mean "
            f"over images, and {counts[-1]} of {sum(counts):,} hardly weigh.",
        },
    )
    with what_happened("4_rare"):
        st.markdown(
            f"**It depends on weight decay.** With a tenth of it ({WEAK:g}) rare pairs still stand at "
            f"{weak[-1].rare:.1f}° at 100 : 1, frequent ones at {weak[-1].frequent:.1f}°. Less, but the same "
            "direction."
        )
        st.markdown(
            f"**The mean hides it.** At 50 : 1 and weight decay {STRONG:g} the mean over all pairs is "
            f"{middle.mean:.1f}°, just {middle.optimum - middle.mean:.1f}° below the ETF, while rare pairs "
            f"stand at {middle.rare:.1f}°. The smallest angle tells. And variability has collapsed at every "
            f"ratio: NC1 is {_bound(rows)} with weight decay {STRONG:g} and below {_bound(weak)} with "
            f"{WEAK:g}. NC1 says nothing about imbalance."
        )
    formula(
        r"\frac1N\sum_{i=1}^{N} \ell(W h_i, y_i) + \frac{\lambda}{2N}\sum_i \lVert h_i\rVert^2"
        r"+ \frac{\lambda}{2}\lVert W\rVert_F^2",
        "The loss of a class weighs as much as its share of the images, while the length of its row in $W$ "
        "costs the same for each class. For a rare class a row of its own costs more than it saves, beyond "
        "some ratio; Fang et al. (2021) prove that the rows then coincide.",
        title="Why rare rows fall together",
    )
    in_your_run(
        "The classifier of this toy is trained, and so is that of ERM (plain training). MLC-NC keeps its own "
        "fixed, so its rows cannot fall together, but the *class means* of rare (tail) classes can. Look at "
        "the smallest angle among them. Networks see many labels an image, so their angles need not be those "
        "of this toy.",
        "geometry",
        "Angles of class means, head to tail",
    )
    with what_happened("4_rare", "_mind"):
        what_would_change_my_mind(
            "A long-tailed run with a trainable softmax classifier whose tail rows stay as far apart as its "
            "head rows, over several seeds."
        )


def _ends(subject: Subject, decay: float) -> list[ImbalancedEnd]:
    return [remembered(imbalanced_end, ratio, decay=decay)[subject] for ratio in RATIOS]


def _bound(ends: list[ImbalancedEnd]) -> str:
    """Return the largest NC1 in words, rounded up to a power of ten."""
    most = max(end.nc1 for end in ends)
    return _rounded(most if most < ROUNDING else 10.0 ** math.ceil(math.log10(most)))


def _rounded(nc1: float) -> str:
    return "zero up to rounding" if nc1 < ROUNDING else small(nc1)


@st.fragment
def _imbalance() -> None:
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    ratio = controls.select_slider(
        "Images of a frequent class for each of a rare one",
        RATIOS,
        value=100,
        key="ratio",
        bind="query-params",
        width=320,
    )
    shown = controls.segmented_control(
        "Angles between",
        ["classifier rows", "class means"],
        default="classifier rows",
        required=True,
        label_visibility="collapsed",
        key="vectors",
        bind="query-params",
    )
    controls.markdown("Weight decay", width="content")
    decay = controls.segmented_control(
        "Weight decay",
        [f"{STRONG:g}", f"{WEAK:g}"],
        default=f"{STRONG:g}",
        required=True,
        label_visibility="collapsed",
        key="strength",
        bind="query-params",
    )
    subject: Subject = "class means" if shown == "class means" else "classifier"
    ends = _ends(subject, WEAK if decay == f"{WEAK:g}" else STRONG)
    end = next(item for item in ends if item.ratio == ratio)
    one, two = beside("imbalance", [3, 2])
    said = (
        f"At {end.ratio} : 1 two frequent classes are {end.frequent:.1f}° apart on average, two rare ones "
        f"{end.rare:.1f}°; the mean over all pairs is {end.mean:.1f}°, the closest pair stands at "
        f"{end.minimum:.1f}°"
    )
    with one:
        show_chart(
            drawing_of(angles_against_ratio, ends, end.ratio),
            key="lesson4_ratio",
            title=f"Angles between {shown} against the imbalance",
            alt=said + ".",
            reading="Each point is the end of one training of the toy. Circles: mean angle between two "
            "frequent classes. Triangles: between two rare ones. Grey: mean of all pairs. Dashed: simplex ETF. "
            "Classifier rows are as they are, class means are centred by their mean.",
            frame=pd.DataFrame(
                [
                    {
                        "ratio": item.ratio,
                        "frequent": item.frequent,
                        "rare": item.rare,
                        "mixed": item.mixed,
                        "mean": item.mean,
                        "smallest": item.minimum,
                        "nc1": item.nc1,
                    }
                    for item in ends
                ]
            ),
        )
    with two:
        show_chart(
            drawing_of(imbalanced_matrix, end, TEN),
            key="lesson4_matrix",
            title=f"Angles between {shown} at {end.ratio} : 1",
            alt=f"Matrix of angles, frequent classes first. {said}.",
            reading="Number of images behind each name. White is the angle of a simplex ETF, blue too "
            "close, brown too far apart. The lines part frequent from rare classes.",
            frame=pd.DataFrame(end.angles, columns=list(TEN)).assign(**{"class": list(TEN)}),
        )
    st.caption(f"{said}; the ETF of ten classes has {end.optimum:.1f}°. NC1 is {_rounded(end.nc1)}.")
