"""Where runs look in one image for a label, epoch by epoch, and how much of it falls on the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.attention_course import attention_course_figure, highest, nearest_index
from app.images.answers import counted
from app.session import remembered
from app.timing import timed
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.player import show_player
from app.widgets.stored_picture import OPENED, photograph_address
from mlcnc.analysis.images.attention import (
    NEARLY_EVEN,
    AttentionCourse,
    Localisation,
    attention_course,
    attention_epochs,
    localisation,
)
from mlcnc.analysis.images.decisions import Scored, probe_images
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
    " Where no cell holds more than 1.1 times its share, attention is **even**: it looks nowhere in "
    "particular, and no line is drawn."
)

EVEN = "No line where attention is even, for it looks nowhere in particular"

NO_BOX = "No box of this class is known in this image, so there is nothing to compare its attention with:"


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
        boxed = any(len(course.boxes) for _, course in named)
        photographs = tuple(
            photograph_address(run, "test", image, OPENED) if course.image is None else None
            for _, run, course in courses
        )
        even = [name for name, course in named if course.peaks[-1] <= NEARLY_EVEN]
        with chart:
            show_player(
                drawing_of(
                    attention_course_figure, named, opacity=opacity, smooth=smooth, backdrops=photographs
                ),
                key="attention",
                title=f"Attention of {label} in test image {image}",
                alt=f"Attention of {label} over test image {image}. {said}",
                reading=READING,
                frame=partial(course_frame, named),
                parameter="frame",
            )
        st.markdown(f"How much of the attention of {plain(label)} lies on the object:" if boxed else NO_BOX)
        st.dataframe(attention_table(named), hide_index=True, alt=said)
        st.caption(
            "One colour scale for all pictures and epochs: clear below even attention, full at "
            f"{highest(named):.3g} times it. White line: around the fewest cells that hold half of it. Dashed "
            "frame: the object." + (f" {EVEN}: {plain(', '.join(even))}." if even else "")
        )
        everywhere = {
            row.name: items for run, row, _ in looked if (items := localisations(run, label, class_index))
        }
        if everywhere:
            with st.expander("One image is an anecdote: all probe images", icon=":material/query_stats:"):
                st.dataframe(
                    localisation_table(everywhere),
                    hide_index=True,
                    alt="How much attention lies on the objects of all probe images, a line a run",
                )


def _courses(pairs: Sequence[tuple[str, Run, int]], class_index: int) -> list[tuple[str, Run, AttentionCourse]]:
    found = [(name, run, remembered(attention_course, run, probe, class_index)) for name, run, probe in pairs]
    return [(name, run, course) for name, run, course in found if course is not None]


def course_sentences(label: str, courses: Sequence[tuple[str, AttentionCourse]]) -> str:
    """Return how much attention lies on the object at the last stored epoch of each run, against chance."""
    parts = []
    for name, course in courses:
        rows, columns = course.maps.shape[1:]
        peak = float(course.peaks[-1])
        brightest = f"the brightest of {rows} by {columns} cells holds {peak:.2f} times its even share"
        inside = f" and is {'inside' if course.peak_in_box[-1] else 'outside'}"
        if peak <= NEARLY_EVEN:
            inside = ""
            brightest = f"attention is even: it looks nowhere in particular ({brightest})"
        if not len(course.boxes):
            parts.append(f"{name}: no box of {label} is known in this image; {brightest}.")
            continue
        parts.append(
            f"{name}, epoch {course.epochs[-1] + 1}: {100 * course.mass_in_box[-1]:.0f} % of the attention of "
            f"{label} lies on the object, chance is {100 * course.chance:.0f} %; {brightest}{inside}."
        )
    return " ".join(parts)


def attention_table(courses: Sequence[tuple[str, AttentionCourse]]) -> pd.DataFrame:
    """Return how much attention lies on the object at the last stored epoch of each run, against chance."""
    lines = []
    for name, course in courses:
        peak, boxed = float(course.peaks[-1]), len(course.boxes) > 0
        line: dict[str, object] = {"run": name, "epoch": course.epochs[-1] + 1}
        if boxed:
            line["on the object"] = f"{100 * course.mass_in_box[-1]:.0f} %"
            line["if even"] = f"{100 * course.chance:.0f} %"
        line["brightest cell"] = f"{peak:.2f} times even"
        is_even = peak <= NEARLY_EVEN
        if boxed or is_even:
            place = "on the object" if boxed and course.peak_in_box[-1] else "beside it"
            line["it lies"] = "nowhere in particular: even" if is_even else place
        rows, columns = course.maps.shape[1:]
        lines.append(line | {"cells": f"{rows} by {columns}"})
    return pd.DataFrame(lines)


def localisation_table(found: Mapping[str, Sequence[tuple[str, Localisation]]]) -> pd.DataFrame:
    """Return how well objects are found over all probe images: a line a run and kind of objects."""
    return pd.DataFrame(
        [
            {
                "run": name,
                "objects": objects,
                "attention on the object": f"{100 * item.mass:.0f} %",
                "if even": f"{100 * item.chance:.0f} %",
                "brightest cell on the object": counted(round(item.hits * item.num_objects), item.num_objects),
            }
            for name, items in found.items()
            for objects, item in items
        ]
    )


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


def localisations(run: Run, label: str, class_index: int) -> list[tuple[str, Localisation]]:
    """Return how well a label is found over all its probe images, and any label; empty without boxes."""
    epochs = remembered(attention_epochs, run)
    if not epochs:
        return []
    own = remembered(localisation, run, epochs[-1], class_index)
    every = remembered(localisation, run, epochs[-1])
    return [(words, item) for words, item in ((label, own), ("of any class", every)) if item is not None]
