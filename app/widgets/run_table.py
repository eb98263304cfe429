"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mlcnc.analysis.runs import BUCKETS, RunRow


def run_frame(rows: Sequence[RunRow]) -> pd.DataFrame:
    """Return one line a run with the columns of the table."""
    return pd.DataFrame(
        [
            {
                "run": row.name,
                "state": row.state,
                "epochs": f"{row.num_logged}/{row.num_epochs or '?'}",
                "at epoch": None if row.epoch is None else row.epoch + 1,
                **{f"mAP {bucket}": row.map_percent[bucket] for bucket in BUCKETS},
                "NC1 (f)": row.nc1,
                "min angle (f)": row.angle_min,
                "seed": row.seed,
                "embedding": row.embedding,
                "classifier": row.classifier.replace("_", "-"),
                "attention": row.attention,
                "data set": row.dataset,
            }
            for row in rows
        ]
    )


def show_run_table(rows: Sequence[RunRow]) -> None:
    """Draw the table; a click on a column sorts by it."""
    number = st.column_config.NumberColumn
    st.dataframe(
        run_frame(rows),
        hide_index=True,
        column_config={
            **{f"mAP {bucket}": number(format="%.1f", help="test mAP in percent") for bucket in BUCKETS},
            "NC1 (f)": number(format="%.2f", help="tr within / tr between of test features f; 0 is collapse"),
            "min angle (f)": number(
                format="%.1f°", help="smallest angle between centred test class means in f"
            ),
        },
        alt="Table of runs with settings, state, test mAP by bucket, NC1 and smallest angle",
    )
