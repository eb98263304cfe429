"""Angles in words and tables: the answer for each run, its closest pairs, and all plotted numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.geometry import GeometryPanel
from app.widgets.plain_text import plain
from mlcnc.analysis.geometry.angle_history import Subject, angle_of_pair
from mlcnc.analysis.geometry.angles import (
    AngleRecord,
    closest_pairs,
    etf_words,
    geometry_sentence,
    random_gram_words,
)
from mlcnc.analysis.runs.rows import RunRow

WHOLE_TABLE = 360
"""Pixels; in a window with less for each run they stand below each other."""


def show_answers(shown: Sequence[tuple[RunRow, AngleRecord]], subject: Subject) -> None:
    """Say for each run how close it is to a simplex ETF, with its Gram distance and its least value."""
    grid = st.grid(len(shown), min_column_width=WHOLE_TABLE)
    for row, record in shown:
        with grid.cell():
            said = f"**{plain(row.name)}**: {plain(geometry_sentence(record))}"
            st.markdown(f"{said}\n\n{plain(record.beyond_random or record.given)}")
            gram = ""
            if record.gram == record.gram:
                floor = f", at best {record.gram_floor:.2f} in this dimension" if record.gram_floor > 0 else ""
                of = "class-centred class means" if subject == "class means" else "vectors, uncentred,"
                random = f", {random_gram_words(record)}" if record.null else ""
                gram = (
                    f" Gram distance of {of} to an ETF: {record.gram:.3f} (0 is an ETF, 1.41 the most"
                    f"{random}){floor}."
                )
            st.caption(f"Epoch {record.epoch + 1}; {record.title}.{gram}")
    if len({record.epoch for _, record in shown}) > 1:
        st.caption("The runs stored different epochs; each is shown at its nearest one.")


def show_closest_pairs(shown: Sequence[tuple[RunRow, AngleRecord]]) -> None:
    """List the closest pairs of each run, with the features behind each mean and the other run's angle."""
    st.subheader("Closest pairs of classes")
    grid = st.grid(len(shown), min_column_width=WHOLE_TABLE)
    for place, (row, record) in enumerate(shown):
        others = [other for index, other in enumerate(shown) if index != place]
        rows = []
        for pair in closest_pairs(record):
            first, second = (f"{pair.first} ({pair.first_count})", f"{pair.second} ({pair.second_count})")
            line = {
                "pair (training images)": f"{first} · {second}",
                "angle": pair.angle,
                **{f"in {o.name}": angle_of_pair(r, pair.first, pair.second) for o, r in others},
            }
            if pair.first_features is not None:
                line["features"] = f"{pair.first_features} · {pair.second_features}"
            rows.append(line)
        with grid.cell():
            st.caption(f"{plain(row.name)}, epoch {record.epoch + 1}; {etf_words(record)}.")
            if record.all_equal:
                st.markdown("All pairs have the same angle, within rounding: none is the closest.")
                continue
            angles = ["angle", *(f"in {other.name}" for other, _ in others)]
            st.dataframe(
                pd.DataFrame(rows),
                hide_index=True,
                column_config={name: st.column_config.NumberColumn(format="%.1f°") for name in angles},
                alt=f"The ten closest pairs of classes of {row.name}",
            )


def angle_frame(panels: Sequence[GeometryPanel], epochs: Sequence[int]) -> pd.DataFrame:
    """Return every plotted angle: a row a pair of classes, run and epoch (from 1)."""
    parts = []
    for panel in panels:
        for epoch, record in zip(epochs, panel.records, strict=True):
            rows, columns = np.triu_indices(len(record.class_names), k=1)
            names = np.array(record.class_names)
            parts.append(
                pd.DataFrame(
                    {
                        "run": panel.row.run_id,
                        "angles between": record.title,
                        "epoch": epoch + 1,
                        "stored epoch shown": record.epoch + 1,
                        "first class": names[rows],
                        "second class": names[columns],
                        "angle (degrees)": record.angles[rows, columns],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
