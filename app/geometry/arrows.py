"""Class means of a few chosen classes as arrows, on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations

import pandas as pd
import streamlit as st

from app.address import follow_default
from app.figures.class_arrows import arrows_player
from app.session import remembered
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.player import show_player
from mlcnc.analysis.geometry.angle_history import AngleHistory
from mlcnc.analysis.geometry.class_arrows import (
    EXACT_ARROWS,
    MAX_ARROWS,
    MIN_ARROWS,
    ClassArrows,
    arrows_sentence,
    class_arrows,
    default_classes,
)
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run

READING = (
    "Each arrow is the mean of one chosen class, after the mean of the chosen ones is taken away, at "
    "length one. The **dashed** figure is the regular simplex that an ETF would make of them: equal "
    "angles for any choice of classes. The arrows are turned, and mirrored where needed, to lie on it as "
    "well as they can; angles do not change by that.\n\nUp to four classes fit into three dimensions "
    "without loss. Of five or six this is a projection, and of the simplex only the rays are drawn: "
    "hover for the true angles. Arrows show directions only, not how far features scatter around their "
    "mean, and say nothing about classes that are not chosen. Drag to turn, scroll to zoom."
)


@st.fragment
def show_arrows(
    shown: Sequence[tuple[Run, RunRow, AngleHistory]],
    epochs: Sequence[int],
    *,
    split: str,
    spaces: Mapping[str, str],
) -> None:
    """Ask for two to six classes and draw their means as arrows, one scene a run.

    Args:
        shown: runs with their angles, the first one decides which classes are proposed.
        epochs: of the frames, from 0.
        split: of the features.
        spaces: of the features, by run.
    """
    names = list(shown[0][0].info.class_names)
    proposed = default_classes(shown[0][2].records[-1])
    follow_default("classes", proposed)
    chosen = st.multiselect(
        "Classes",
        names,
        default=proposed,
        max_selections=MAX_ARROWS,
        key="classes",
        bind="query-params",
        help=f"Up to {EXACT_ARROWS} are drawn without loss. Proposed: the closest pair of the first run at its "
        "last stored epoch, and the most frequent other classes.",
    )
    if not MIN_ARROWS <= len(chosen) <= MAX_ARROWS:
        st.info(f"Choose {MIN_ARROWS} to {MAX_ARROWS} classes.")
        return
    drawn: list[tuple[RunRow, list[ClassArrows]]] = []
    for run, row, history in shown:
        space = spaces[run.run_id]
        found = [
            remembered(class_arrows, run, history.nearest(epoch).epoch, tuple(chosen), split=split, space=space)
            for epoch in epochs
        ]
        records = [record for record in found if record is not None]
        if len(records) == len(found):
            drawn.append((row, records))
        else:
            st.info(
                f"{plain(row.name)} has no {split} features {space} of one of these classes; choose others."
            )
    if not drawn:
        return
    sentences = st.container()
    label = show_player(
        drawing_of(arrows_player, drawn, epochs),
        key="class_arrows",
        title="Class means in three dimensions",
        alt=" ".join(f"{row.name}: {arrows_sentence(records[-1])}" for row, records in drawn),
        reading=READING,
        frame=partial(arrows_frame, drawn, epochs),
        follow=True,
    )
    index = [epoch + 1 for epoch in epochs].index(int(label)) if label else len(epochs) - 1
    with sentences:
        st.markdown(
            "  \n".join(
                plain(f"{row.name}, {split} features {spaces[row.run_id]}: {arrows_sentence(of[index])}")
                for row, of in drawn
            )
        )


def arrows_frame(drawn: Sequence[tuple[RunRow, Sequence[ClassArrows]]], epochs: Sequence[int]) -> pd.DataFrame:
    """Return the angles between the arrows: a row a pair of classes, run and epoch (from 1)."""
    rows = [
        (row.run_id, epoch + 1, record.class_names[i], record.class_names[j], record.angles[i, j], record.kept)
        for row, records in drawn
        for epoch, record in zip(epochs, records, strict=True)
        for i, j in combinations(range(len(record.class_names)), 2)
    ]
    columns = ["run", "epoch", "first class", "second class", "angle (degrees)", "squared length kept"]
    return pd.DataFrame(rows, columns=columns)
