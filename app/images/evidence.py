"""Precision against recall of a class, and the classes it comes with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.precision_recall import precision_recall
from app.widgets.chart import show_chart
from app.widgets.plain_text import plain
from mlcnc.analysis.images.decisions import CoOccurringClass, Decisions, decision_sentence
from mlcnc.analysis.runs.rows import RunRow

READING = (
    "Lower the threshold, and recall rises while precision falls. The area under the steps is the **AP** of "
    "the class. The **diamond** is the threshold in use. It was chosen on validation images, so it need not be "
    "the best point of this curve, which is of test images. The dashed grey line is what guessing gives."
)


def show_curves(class_name: str, records: Sequence[tuple[RunRow, Decisions]]) -> None:
    """Draw precision against recall of a class, one curve a run."""
    st.subheader("At every threshold")
    show_chart(
        precision_recall(records),
        key="precision_recall",
        title=f"Precision against recall of {class_name}",
        alt=f"Precision against recall of {class_name}. "
        + " ".join(f"{row.name}: {decision_sentence(record)}" for row, record in records),
        reading=READING,
        frame=partial(curve_frame, records),
    )


def curve_frame(records: Sequence[tuple[RunRow, Decisions]]) -> pd.DataFrame:
    """Return the plotted points, one line a run and threshold."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "run": row.name,
                    "threshold": record.curve.thresholds,
                    "recall": record.curve.recall,
                    "precision": record.curve.precision,
                }
            )
            for row, record in records
        ],
        ignore_index=True,
    )


def show_co_occurring_classes(others: Sequence[CoOccurringClass], record: Decisions) -> None:
    """Draw how often other classes accompany the class of ``record``; nothing where that is not known."""
    if not others:
        return
    class_name = record.class_name
    st.subheader(f"Who comes with {plain(class_name)}")
    parts = {
        f"of {record.train_count} training images": "train_share",
        f"of {len(record.images['missed'])} missed test images": "missed_share",
        f"of {len(record.images['found'])} found test images": "found_share",
    }
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "comes along": other.class_name,
                    **{part: _percent(getattr(other, name)) for part, name in parts.items()},
                }
                for other in others
            ]
        ),
        hide_index=True,
        alt=f"How often other classes accompany {class_name} in training and in missed and found test images",
    )
    st.caption(
        f"Share of the images with {plain(class_name)} that have the other class too. Where found "
        "images have more company than missed ones, the network may lean on what accompanies the class."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "no such image"
