"""The surest clue of co-occurrence of each run, as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.widgets.plain_text import plain
from mlcnc.analysis.images.clues import clue_sentence, strongest_clue
from mlcnc.analysis.images.decisions import Decisions, Scored
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run

RULE = (
    "Of all other classes the one is named whose presence goes most surely with being found or missed, among "
    "test images of the class: the smallest p of Fisher's exact test, times the number of classes tried. Up to "
    "0.05 the clue is supported. It shows what goes together, not what the network looks at."
)


def show_clues(shown: Sequence[tuple[Run, RunRow, Scored, Decisions]]) -> None:
    """Write one sentence a run; nothing for a run that finds all images of the class or none."""
    for run, row, scores, record in shown:
        clue = strongest_clue(run, scores, record)
        if clue is not None:
            st.markdown(f"{plain(row.name)}: {plain(clue_sentence(clue))}", help=RULE)
