"""One test image: its picture, the scores of two runs, and where they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.attention import enlarged
from app.images.gallery import offer_attention
from app.images.looks import show_attention
from app.session import remembered
from app.widgets.plain_text import plain
from app.widgets.stored_picture import OPENED, photograph_address
from mlcnc.analysis.images.decisions import Scored, probability, probe_images
from mlcnc.analysis.images.pictures import picture, picture_index
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run


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
            "Percent: probability, the sigmoid of the score (logit), not calibrated. Margin: by how much the "
            f"score lies above its threshold (yes) or below it (no). Thresholds are those of {own.rule} on "
            f"{own.chosen_on}, 0 where no image there has the class; the slider *Moved by*, under *More*, "
            f"raises or lowers that of {plain(class_name)}. Shown: labels of the image, the chosen class, and "
            "what any run says yes to."
        )
        for said in threshold_sentences(image, list(table["class"]), runs):
            st.caption(plain(said))
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


def threshold_sentences(
    image: int, class_names: Sequence[str], runs: Sequence[tuple[Run, RunRow, Scored]]
) -> list[str]:
    """Return, a run, which of these classes it answers no above 50 %, or yes below, and their thresholds."""
    found = []
    for run, row, item in runs:
        said = []
        for name in class_names:
            label = run.info.class_names.index(name)
            score, limit = float(item.scores[image, label]), float(item.limits[label])
            if (score >= limit) != (score >= 0.0):
                word = "yes" if score >= limit else "no"
                said.append(f"{word} to {name} at {_percent(score)}, threshold {_percent(limit)}")
        if said:
            found.append(
                f"{row.name} says {'; '.join(said)}. Each class has a threshold of its own, by {item.rule} on "
                f"{item.chosen_on}, not 50 %."
            )
    return found


def _percent(score: float) -> str:
    return f"{100 * float(probability(score)):.{0 if abs(score) < 4 else 2}f} %"


def _said(item: Scored, image: int, label: int) -> str:
    score, limit = float(item.scores[image, label]), float(item.limits[label])
    said = "yes" if score >= limit else "no"
    return f"{said}: {100 * float(probability(score)):.0f} %, margin {score - limit:+.2f}"
