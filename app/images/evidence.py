"""Precision against recall of a class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app.figures.precision_recall import precision_recall
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from mlcnc.analysis.images.decisions import Decisions, decision_sentence
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
        drawing_of(precision_recall, records),
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
