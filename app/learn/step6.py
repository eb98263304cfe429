"""Step 6, fixed label embeddings: what the alignment loss copies and what a softmax loss does not."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.label_embeddings import KIND_NAMES, embedding_panels, feature_against_embedding
from app.learn.frame import (
    TEN,
    formula,
    in_your_run,
    measured,
    question,
    toy,
    what_happened,
    what_would_change_my_mind,
)
from app.learn.matrices import show_matrices
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.run_picker import selection
from mlcnc.analysis.geometry.embedding_drift import closest_of_random, embedding_drifts
from mlcnc.toys.label_embeddings import KINDS, NUM_FREQUENT, RELATED, EmbeddingEnd, Kind, Loss, embedding_end

RATIOS = (1, 2, 5, 10, 20, 50, 100)
RATIO = 10
DIMENSIONS = len(TEN)
"""Of the label embeddings of the toy."""


def show() -> None:
    """Draw the lesson."""
    aligned, softmax = _ends("alignment", RATIO), _ends("softmax", RATIO)
    word, learned = aligned["correlated"], aligned["trainable"]
    first, second = (" and ".join(TEN[index] for index in pair) for pair in RELATED)
    st.markdown(
        f"{toy('free features, ten classes')} MLC-NC trains the feature of a class to point along its **label "
        "embedding**. Where should these vectors come from: fixed as a simplex ETF, learned, or word vectors, "
        f"where {first}, and {second}, stand only {word.related_embedding:.0f}° apart?"
    )
    _embeddings()
    st.markdown(
        f"**With the alignment loss, features copy the embedding.** At {RATIO} : 1 to within "
        f"{_bound(aligned):.1f}°: an ETF gives an ETF ({aligned['etf'].features.minimum:.1f}°), word-like "
        f"vectors give {first} {word.related_features:.0f}° apart. That loss is least when each feature equals "
        "its embedding, so whatever the embedding gets wrong, the features get wrong too."
    )
    question(
        "6_softmax",
        f"Fix the arrows of a classifier, those of {first} only {word.related_embedding:.0f}° apart, and train "
        "features with the softmax loss of steps 2 to 4. How far apart do those of the two classes end? (Then "
        "check: switch the loss.)",
        [f"about {word.related_embedding:.0f}°, they follow", "much farther apart", "they fall together"],
        "much farther apart",
        {
            f"about {word.related_embedding:.0f}°, they follow": "Softmax does not ask features to lie *along* "
            "the rows, only to tell classes apart: it uses the difference of the two rows.",
            "much farther apart": f"{softmax['correlated'].related_features:.1f}° in the toy. Softmax looks at "
            "differences of scores, and the difference of two close rows still is a direction.",
            "they fall together": "Then the two classes would have equal scores, and the loss would be high.",
        },
    )
    with what_happened("6_softmax"):
        st.markdown(
            f"**With softmax, close embeddings matter little**: at {RATIO} : 1 {first} are "
            f"{softmax['correlated'].related_features:.1f}° apart although their rows stand at "
            f"{softmax['correlated'].related_embedding:.0f}° (with rows three times as long even "
            f"{_long().related_features:.0f}°). What harms there is imbalance, and only where the rows are "
            "trained: at 100 : 1 the closest pair of the trainable ones stands at "
            f"{_steep().features.minimum:.1f}°, of the fixed ETF at {_steep('etf').features.minimum:.1f}°."
        )
    st.markdown(
        "**The alignment loss does not repair a bad start.** The trainable embedding began at "
        f"random and hardly moved (cosine with its start at least {learned.moved:.2f}); its closest pair "
        f"stands at {learned.features.minimum:.0f}°. Each term of the loss sees one class alone "
        "and can be 0 for any set of embeddings, so nothing pushes two of them apart. *That* "
        f"is a reason to fix them as an ETF: here, in the {DIMENSIONS} dimensions of the toy. In many "
        "more dimensions, as recorded networks have, a random start is nearly an ETF already."
    )
    formula(
        r"-\frac1{NC}\sum_{i,c}\Big[y_i^c\log\frac{1+s_i^c}{2}+(1-y_i^c)\log\Big(1-\frac{C-1}{C}\,"
        r"\Big|\frac1{C-1}+s_i^c\Big|\Big)\Big],\qquad s_i^c=\cos\angle(f_i^c,\,l_c)",
        "Eq. 6 of MLC-NC. A present class is best at $s=1$, an absent one at "
        f"$s=-1/(C-1)={-1 / (len(TEN) - 1):.3f}$ for $C={len(TEN)}$. The toy has one feature for each "
        "image and class, all free; the gradient is $\\partial s/\\partial f=(\\hat l-s\\hat f)/\\lVert "
        "f\\rVert$. The recorded networks add two more losses: calibration draws the features of a class to "
        "their mean, two-way tells classes apart in an image and images in a class. So their features do "
        "*not* simply copy.",
        title="The alignment loss",
    )
    _drift()
    question(
        "6_accuracy",
        "Features as far apart as can be: does that make the network more accurate on new images?",
        ["yes, the margin is largest", "no", "the toy cannot tell"],
        "the toy cannot tell",
        {
            "yes, the margin is largest": "On the training features, yes. But these are free vectors: the toy "
            "has no images and no test set, so it says nothing about new images.",
            "no": "It may or may not: the toy has no images and no test set.",
            "the toy cannot tell": "It has no images and no test set. Step 7 looks at trained networks, "
            "without a promise.",
        },
    )
    in_your_run(
        "Compare the angles of the label embedding with those of the class means. How much do they copy?",
        "geometry",
        "Angles of the class means",
        space="f",
        centring="none",
    )
    what_would_change_my_mind(
        "Networks trained with the alignment loss on word vectors whose class means stand as far apart as with "
        "an ETF, over several seeds. Then the other losses would undo what this one copies."
    )


def _ends(loss: Loss, ratio: int) -> dict[Kind, EmbeddingEnd]:
    return {kind: remembered(embedding_end, kind, loss, ratio) for kind in KINDS}


def _bound(ends: dict[Kind, EmbeddingEnd]) -> float:
    return math.ceil(10 * max(end.copied for end in ends.values())) / 10


def _long() -> EmbeddingEnd:
    return remembered(embedding_end, "correlated", "softmax", RATIO, length=3.0)


def _steep(kind: Kind = "trainable") -> EmbeddingEnd:
    return remembered(embedding_end, kind, "softmax", 100)


@st.fragment
def _embeddings() -> None:
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    controls.markdown("Loss", width="content")
    chosen = controls.segmented_control(
        "Loss",
        ["alignment", "softmax"],
        default="alignment",
        required=True,
        label_visibility="collapsed",
        key="toyloss",
        bind="query-params",
    )
    ratio = controls.select_slider(
        "Images of a frequent class for each of a rare one",
        RATIOS,
        value=RATIO,
        key="steep",
        bind="query-params",
        width=420,
    )
    loss: Loss = "softmax" if chosen == "softmax" else "alignment"
    ends = list(_ends(loss, ratio).values())
    said = f"Smallest angle between class features, {loss} loss, {ratio} : 1: " + ", ".join(
        f"{KIND_NAMES[end.kind]} {end.features.minimum:.1f}°" for end in ends
    )
    rows, columns = np.triu_indices(len(TEN), k=1)
    show_chart(
        drawing_of(feature_against_embedding, ends, TEN),
        key="lesson6_pairs",
        title=f"Do features copy their embedding? {loss} loss, {ratio} : 1",
        alt=said + ".",
        reading="One mark for each of the 45 pairs of classes. Across: the angle between their label "
        "embeddings. Up: the angle between their class features at the end of training. On the grey "
        "diagonal features copy the embedding; on the dashed line they stand as in an ETF, whatever the "
        "embedding. Nothing is subtracted from the vectors.",
        frame=pd.DataFrame(
            [
                {
                    "kind": end.kind,
                    "first": TEN[i],
                    "second": TEN[j],
                    "embedding": end.embedding_angles[i, j],
                    "features": end.feature_angles[i, j],
                }
                for end in ends
                for i, j in zip(rows, columns, strict=True)
            ]
        ),
    )
    st.markdown(f"{said}; a simplex ETF has {ends[0].optimum:.1f}°.")
    show_matrices(
        embedding_panels(ends),
        TEN,
        ends[0].class_counts,
        ends[0].optimum,
        [NUM_FREQUENT - 0.5],
        key="lesson6_matrices",
        title=f"Angles between class features, {loss} loss, {ratio} : 1",
        alt=f"Three matrices of angles on one scale. {said}.",
        reading="White is the angle of a simplex ETF, blue too close, brown too far apart; all three have "
        "the same scale. Behind each name its number of images; lines part frequent from rare classes.",
        frame=pd.DataFrame(
            [
                {"kind": end.kind, "class": TEN[i], **dict(zip(TEN, end.feature_angles[i], strict=True))}
                for end in ends
                for i in range(len(TEN))
            ]
        ),
    )


def _drift() -> None:
    drifts = remembered(embedding_drifts, tuple(selection().runs))
    if not drifts:
        st.info("No recorded run here logged how far its trainable label embedding moved.")
        return
    least = min(drifts, key=lambda drift: drift.cosine)
    spread = f", give or take {least.random_spread:.1f}°" if least.random_spread is not None else ""
    st.markdown(
        measured(f"the {len(drifts)} recorded runs with a trainable label embedding")
        + " Does a trainable embedding stay where it began in a real network too? The mean cosine of the "
        "embeddings with their start, at the end of training, is above "
        f"{math.floor(1000 * least.cosine) / 1000:.3f} in each (lowest: {least.run_id}). In "
        f"{least.dim or 'many'} dimensions random vectors stand at 90° by chance{spread}. So a *trainable* "
        "run is nearly a run with random fixed embeddings, which are not far from an ETF"
        + _toy_against(least.dim)
    )


def _toy_against(dim: int | None) -> str:
    """Return the closest pair of random arrows in the toy and in recorded runs, as the end of a sentence."""
    if dim is None:
        return "."
    few, many = (closest_of_random(len(TEN), of) for of in (DIMENSIONS, dim))
    return (
        f": the closest pair of {len(TEN)} random arrows stands at {many:.0f}° in {dim} dimensions, but at "
        f"{few:.0f}° in the {DIMENSIONS} of the toy, where an ETF has "
        f"{_ends('alignment', RATIO)['etf'].optimum:.0f}°. So the "
        "bad start of the toy is no reason against trainable embeddings there."
    )
