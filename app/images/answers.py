"""What runs decide on a class, and what accompanies it, as small tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.analysis.images.clues import Clue, strongest_clue
from mlcnc.analysis.images.decisions import CoOccurringClass, Decisions, Scored
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run

RULE = (
    "Of all other classes the one is named whose presence goes most surely with being found or missed, among "
    "test images of the class: the smallest p of Fisher's exact test, times the number of classes tried. Above "
    "0.05 it may be chance. It shows what goes together, not what the network looks at."
)


def show_decisions(
    class_name: str, class_index: int, shown: Sequence[tuple[Run, RunRow, Scored, Decisions]]
) -> None:
    """Draw how many images of a class each run finds, and the surest clue of co-occurrence of each."""
    st.markdown(f"How many of the test images with {plain(class_name)} each run finds at its threshold:")
    st.dataframe(
        pd.DataFrame([decision_line(row, scores, record) for _, row, scores, record in shown]),
        hide_index=True,
        alt=f"Found and missed test images of {class_name}, a line a run",
    )
    sources: dict[str, list[str]] = {}
    for _, row, scores, _ in shown:
        sources.setdefault(scores.threshold_words(class_index).partition(", ")[2], []).append(row.name)
    parts = [words if len(sources) == 1 else f"{words} ({', '.join(of)})" for words, of in sources.items()]
    st.caption(f"Threshold: {plain('; '.join(parts))}.")
    clues = [(row, strongest_clue(run, scores, record)) for run, row, scores, record in shown]
    lines = [clue_line(row, clue) for row, clue in clues if clue is not None]
    if lines:
        st.markdown(clues_heading(class_name, [clue for _, clue in clues if clue is not None]), help=RULE)
        st.dataframe(
            pd.DataFrame(lines),
            hide_index=True,
            alt=f"How often {class_name} is found with another class in the image and without it, a line a run",
        )


def decision_line(row: RunRow, scores: Scored, record: Decisions) -> dict[str, object]:
    """Return one line of a run: counts of found and missed images and false alarms, AP and threshold."""
    there, number = int(record.present.sum()), len(record.present)
    return {
        "run": row.name,
        "epoch": scores.epoch + 1,
        "training images": f"{record.train_count} ({record.bucket})",
        "found": counted(len(record.images["found"]), there),
        "missed": counted(len(record.images["missed"]), there),
        "false alarms": counted(len(record.images["false alarm"]), number - there),
        "AP": f"{record.average_precision:.1f} %" if there else "no such image",
        "threshold": f"{record.threshold:.2f}",
    }


def clues_heading(class_name: str, clues: Sequence[Clue]) -> str:
    """Return what the table of companions shows; that none is beyond chance, where it is so."""
    if any(clue.supported for clue in clues):
        return f"The class beside which {plain(class_name)} is found more, or less, often most surely:"
    return (
        f"Beside no class is {plain(class_name)} found more, or less, often than chance explains. Nearest to "
        "that:"
    )


def clue_line(row: RunRow, clue: Clue) -> dict[str, object]:
    """Return one line of a run: how often the class is found beside another one and without it."""
    chance = "p below 0.001" if clue.chance < 0.001 else f"p {clue.chance:.2g}"
    return {
        "run": row.name,
        "beside": clue.other,
        "found with it": counted(clue.found_with, clue.num_with),
        "found without it": counted(clue.found_without, clue.num_without),
        "may be chance": f"{'no' if clue.supported else 'yes'}, {chance}",
    }


def show_company(others: Sequence[CoOccurringClass], record: Decisions) -> None:
    """Draw how many images of a class have another one too; nothing where that is not known."""
    if not others:
        return
    class_name = record.class_name
    st.subheader(f"Who comes with {plain(class_name)}")
    wholes = (record.train_count, len(record.images["missed"]), len(record.images["found"]))
    headings = ("in training images", "in missed test images", "in found test images")
    st.dataframe(
        pd.DataFrame(
            [
                {"comes along": other.class_name}
                | {
                    heading: counted(number, whole) + (f" ({100 * number / whole:.0f} %)" if whole else "")
                    for heading, number, whole in zip(headings, other.counts, wholes, strict=True)
                }
                for other in others
            ]
        ),
        hide_index=True,
        alt=f"How many images of {class_name} have another class too, in training, missed and found",
    )
    st.caption(
        f"Of the images with {plain(class_name)} those that have the other class too. Where found images have "
        "more company than missed ones, the network may lean on what accompanies the class."
    )


def counted(number: int, whole: int) -> str:
    """Return a count and its whole, ``4 of 6``."""
    return f"{number} of {whole}" if whole else "no such image"
