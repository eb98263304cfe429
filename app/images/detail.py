"""One test image: its picture, the scores of two runs, and where they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figures.attention import enlarged
from app.figures.attention_course import attention_course_figure, highest, nearest_index
from app.images.gallery import offer_attention
from app.session import remembered, run_identity
from app.timing import timed
from app.widgets.plain_text import plain
from app.widgets.player import show_player
from app.widgets.stored_picture import OPENED, photograph_address
from mlcnc.analysis.images.attention import (
    NEARLY_EVEN,
    AttentionCourse,
    attention_course,
    attention_epochs,
    localisation,
    localisation_sentence,
)
from mlcnc.analysis.images.decisions import Scored, probability, probe_images
from mlcnc.analysis.images.pictures import picture, picture_index
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run

LABEL_KEY = "label"
"""Of the control of the class whose attention is shown."""

_LABEL_OF = "label_of"
"""Of the class and the image that it was shown for last."""

READING = (
    "Every cell is one position of the feature map. Its colour says how many times its even share of "
    "attention it holds: cells below **1**, which hold less than even attention would give, are clear. "
    "The **white line** surrounds the fewest cells that hold half of the attention: a small patch is a "
    "focused look, a line around much of the picture an even one. The **dashed frame** is the object of "
    "the class, where the image has one and its box is known. **Chance** is the share of the picture "
    "inside the frame: what even attention would put there. Colours mean the same in all runs and epochs."
    " Attention of a class that is **not** in the image must go somewhere too. *Smoothed* interpolates "
    "between the middles of the cells; nothing finer than a cell was measured."
    " **Nearly even**: no cell holds more than 1.1 times its share, and the line means nothing."
)


def show_image(
    image: int,
    class_name: str,
    runs: Sequence[tuple[Run, RunRow, Scored]],
    *,
    kind: str,
    attended: Mapping[str, Sequence[int]],
) -> None:
    """Draw the picture, a table of labels and scores, and the attention of one label.

    Args:
        image: index of a test image.
        class_name: the class of the page, first choice for the attention.
        runs: one to three, with their scores; of the same classes.
        kind: of images in the gallery.
        attended: by kind, images of the first run with stored attention.
    """
    run, _, own = runs[0]
    names = run.info.class_names
    true = [names[i] for i in np.flatnonzero(own.present[image])]
    has = ", ".join(true) or "no label"
    st.markdown(f"##### Test image {image}: {plain(outcome_sentence(image, class_name, runs))}")
    chart = st.container()
    left, right = st.columns([1, 3])
    with left:
        shown = picture(run, remembered(picture_index, run), "test", image)
        seen = photograph_address(run, "test", image, OPENED) if shown is None else enlarged(shown)
        if seen is None:
            st.caption("No picture of this image is stored.")
        else:
            st.image(seen, width="stretch", alt=f"Test image {image} with {has}")
        st.caption(f"It has: {plain(has)}.")
    with right:
        table = score_table(image, class_name, runs)
        st.dataframe(table, hide_index=True, alt=f"Labels and scores of test image {image}")
        st.caption(
            "Probability: sigmoid of the score, not calibrated. Margin: score (logit) minus the threshold of "
            f"the class, that of {own.rule} on {own.chosen_on}, 0 where no image there has the class, and for "
            f"{plain(class_name)} moved as the slider says. Shown: labels of the image, the chosen class, and "
            "what any run says yes to."
        )
    kept = [remembered(probe_images, run, item.epoch) for run, _, item in runs]
    blind = [row for (_, row, _), probes in zip(runs, kept, strict=True) if not probes and looks_nowhere(row)]
    for row in blind:
        st.info(
            f"{plain(row.name)} is a run of {plain(row.method_title)}, which has no attention: there is "
            "no map of where it looks."
        )
    if any(image in probes for probes in kept):
        with chart:
            show_attention(image, class_name, [*true, *table["class"]], runs)
        return
    number = max(len(probes) for probes in kept)
    if number == 0:
        if len(blind) < len(runs):
            st.info("These runs stored no attention: train with --training.num_probes 24 to keep it.")
        return
    st.info(
        f"No attention is stored for this image: the runs keep it for {number} probe images. "
        "Train with --training.num_probes 200 to keep it for more."
    )
    offer_attention(attended, kind, class_name)


def looks_nowhere(row: RunRow) -> bool:
    """Return whether the method of a run is known to have no attention."""
    return row.method != "?" and not row.attention


def outcome_sentence(image: int, class_name: str, runs: Sequence[tuple[Run, RunRow, Scored]]) -> str:
    """Return what each run decides on the chosen class in an image, e.g. ``cow is missed by a, found by b.``"""
    label = runs[0][0].info.class_names.index(class_name)
    there = bool(runs[0][2].present[image, label])
    by_word: dict[str, list[str]] = {}
    for _, row, item in runs:
        said = bool(item.scores[image, label] >= item.limits[label])
        words = ("found" if said else "missed") if there else ("falsely seen" if said else "rightly not seen")
        by_word.setdefault(words, []).append(row.name)
    parts = [f"{word} by {_listed(names)}" for word, names in by_word.items()]
    return f"{class_name} is {'' if there else 'not in the image, '}{', '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def score_table(image: int, class_name: str, runs: Sequence[tuple[Run, RunRow, Scored]]) -> pd.DataFrame:
    """Return one line a class that matters in an image: whether it is there, and what each run says."""
    own = runs[0][2]
    names = runs[0][0].info.class_names
    said = np.any([item.scores[image] >= item.limits for _, _, item in runs], axis=0)
    wanted = np.flatnonzero(own.present[image] | said | (np.array(names) == class_name))
    best = np.max([item.scores[image] - item.limits for _, _, item in runs], axis=0)
    rows = sorted(wanted, key=lambda i: (names[i] != class_name, not own.present[image, i], -best[i]))
    return pd.DataFrame(
        [
            {
                "class": names[i],
                "in the image": "yes" if own.present[image, i] else "no",
                **{row.name: _said(item, image, int(i)) for _, row, item in runs},
            }
            for i in rows
        ]
    )


def _said(item: Scored, image: int, label: int) -> str:
    score, limit = float(item.scores[image, label]), float(item.limits[label])
    said = "yes" if score >= limit else "no"
    return f"{said}: {100 * float(probability(score)):.0f} %, margin {score - limit:+.2f}"


@st.fragment
def show_attention(
    image: int, class_name: str, options: list[str], runs: Sequence[tuple[Run, RunRow, Scored]]
) -> None:
    """Draw the attention of a label over the image, for every run that stored it, epoch by epoch."""
    with timed("attention"):
        kept = [(run, row, remembered(probe_images, run, item.epoch)) for run, row, item in runs]
        looked = [(run, row, probes[image]) for run, row, probes in kept if image in probes]
        chart = st.container()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            labels = list(dict.fromkeys([class_name, *options]))
            # another image or class begins with the attention of that class, not with what was chosen before
            seen, now = st.session_state.get(_LABEL_OF, (class_name, image)), (class_name, image)
            if seen != now:
                st.session_state[LABEL_KEY] = class_name
            st.session_state[_LABEL_OF] = now
            label = st.segmented_control(
                "Attention of",
                labels,
                default=None if seen != now else class_name,
                required=True,
                key=LABEL_KEY,
                bind="query-params",
                format_func=plain,
            )
            label = label if label in labels else labels[0]
            look = st.popover("Look", icon=":material/palette:")
        with look:
            opacity = st.slider("Opacity", 0.0, 1.0, 0.75, 0.05, key="opacity", bind="query-params", width=160)
            smooth = st.toggle("Smoothed", key="smooth", bind="query-params")
        class_index = runs[0][0].info.class_names.index(label)
        pairs = [(row.name, run, probe) for run, row, probe in looked]
        courses = _courses(pairs, class_index)
        if not courses:
            st.info("The attention of this image is incomplete; another run may have it.")
            return
        named = [(name, course) for name, _, course in courses]
        said = course_sentences(label, named)
        photographs = tuple(
            photograph_address(run, "test", image, OPENED) if course.image is None else None
            for _, run, course in courses
        )
        with chart:
            show_player(
                _figure(tuple(pairs), class_index, opacity, smooth, photographs),
                key="attention",
                title=f"Attention of {label} in test image {image}",
                alt=f"Attention of {label} over test image {image}. {said}",
                reading=READING,
                frame=partial(course_frame, named),
                parameter="frame",
            )
        st.markdown(plain(said))
        st.caption(
            "One colour scale for all pictures and epochs: clear below even attention, full at "
            f"{highest(named):.3g} times it. White line: around the fewest cells that hold half of it. Dashed "
            "frame: the object."
        )
        everywhere = [
            f"{row.name}, {said_of}"
            for run, row, _ in looked
            if (said_of := localisation_sentences(run, label, class_index))
        ]
        if everywhere:
            with st.expander("One image is an anecdote: all probe images", icon=":material/query_stats:"):
                for line in everywhere:
                    st.caption(plain(line))


def _courses(pairs: Sequence[tuple[str, Run, int]], class_index: int) -> list[tuple[str, Run, AttentionCourse]]:
    found = [(name, run, remembered(attention_course, run, probe, class_index)) for name, run, probe in pairs]
    return [(name, run, course) for name, run, course in found if course is not None]


# shared and never changed: building it takes a third of the page's time
@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Run: run_identity})
def _figure(
    pairs: tuple[tuple[str, Run, int], ...],
    class_index: int,
    opacity: float,
    smooth: bool,
    photographs: tuple[str | None, ...],
) -> go.Figure:
    courses = [(name, course) for name, _, course in _courses(pairs, class_index)]
    return attention_course_figure(courses, opacity=opacity, smooth=smooth, backdrops=photographs)


def course_sentences(label: str, courses: Sequence[tuple[str, AttentionCourse]]) -> str:
    """Return how much attention lies on the object at the last stored epoch of each run, against chance."""
    parts = []
    for name, course in courses:
        rows, columns = course.maps.shape[1:]
        peak = float(course.peaks[-1])
        even = " It looks nearly evenly everywhere." if peak <= NEARLY_EVEN else ""
        brightest = f"the brightest of {rows} by {columns} cells holds {peak:.2f} times its even share"
        if not len(course.boxes):
            parts.append(f"{name}: no box of {label} is known in this image; {brightest}.{even}")
            continue
        inside = "inside" if course.peak_in_box[-1] else "outside"
        parts.append(
            f"{name}, epoch {course.epochs[-1] + 1}: {100 * course.mass_in_box[-1]:.0f} % of the attention of "
            f"{label} lies on the object, chance is {100 * course.chance:.0f} %; {brightest} and is "
            f"{inside}.{even}"
        )
    return " ".join(parts)


def course_frame(courses: Sequence[tuple[str, AttentionCourse]]) -> pd.DataFrame:
    """Return the plotted cells, one line a run, epoch and cell."""
    parts = []
    for name, course in courses:
        for epoch in course.epochs:
            cells = course.maps[nearest_index(course, epoch)]
            row, column = np.indices(cells.shape)
            parts.append(
                pd.DataFrame(
                    {
                        "run": name,
                        "epoch": epoch + 1,
                        "row": row.ravel() + 1,
                        "column": column.ravel() + 1,
                        "percent_of_attention": (100 * cells.ravel()).round(4),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def localisation_sentences(run: Run, label: str, class_index: int) -> str:
    """Return how well a label is found over all its probe images, and any label; empty without boxes."""
    epochs = remembered(attention_epochs, run)
    found = remembered(localisation, run, epochs[-1]) if epochs else None
    if found is None:
        return ""
    own = remembered(localisation, run, epochs[-1], class_index)
    first = "" if own is None else f" {localisation_sentence(own, label)}"
    return f"epoch {epochs[-1] + 1}.{first} {localisation_sentence(found)}"
