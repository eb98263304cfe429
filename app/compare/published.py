"""The paper's numbers and this project's, one table a data set."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.widgets.csv_file import csv_file
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.published import (
    PARTS,
    SOURCE,
    VALUES,
    ResultRow,
    published_rows,
    published_sentence,
    result_tables,
)
from mlcnc.analysis.comparison.seeds import SeedGroup
from mlcnc.analysis.runs.rows import BUCKETS, Choice

ALL = "all"
TABLES = tuple(dict.fromkeys(row.table for row in published_rows() if "total" in row.values))
HELP = {"g_map": "mean over images of the average precision along their classes, in percent"} | {
    bucket: f"test mAP in percent, {bucket if bucket == 'total' else f'{bucket} classes'}" for bucket in BUCKETS
}
NOTES = (
    "Published test mAP is of the paper's own training; its best epoch was probably chosen on the test set, "
    "while this project chooses on validation images. Its baselines in Table 1 agree digit for digit with an "
    "earlier paper's table, so they come from another training code than MLC-NC. Two published totals do not "
    "fit their own buckets: ERM on COCO-LT (41.27) and LDAM on VOC-LT (70.33)."
)


def show_published(groups: Sequence[SeedGroup], choice: Choice) -> None:
    """Ask for tables and a data set, and draw one table a data set; nothing is ranked across them.

    Args:
        groups: recipes of this project.
        choice: the moment that their values are of.
    """
    st.markdown(plain(published_sentence(groups)))
    if groups:
        st.caption(epoch_sentence(choice))
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        tables = st.pills(
            "Published",
            TABLES,
            selection_mode="multi",
            default=["Table 1", "Table 4"],
            key="tables",
            bind="query-params",
        )
        shown = result_tables(groups, tables)
        dataset = st.selectbox(
            "Images of",
            [ALL, *result_tables(groups, TABLES)],
            key="images_of",
            bind="query-params",
            width=220,
        )
    names = [name for name in shown if dataset in (ALL, None, name)]
    # this project's first, for the published tables are long
    names.sort(key=lambda name: all(row.beside or row.source in TABLES for row in shown[name]))
    for name in names:
        rows = shown[name]
        st.subheader(plain(name))
        st.caption(plain("; ".join(dict.fromkeys(row.origin for row in rows))) + ".")
        frame = published_frame(rows)
        st.dataframe(
            frame,
            hide_index=True,
            column_config={
                value: st.column_config.NumberColumn(format="%.2f", help=HELP[value])
                for value in VALUES
                if value in frame
            },
            height="content",
            placeholder="",
            alt=f"Results on {name}, published or of this project, one origin a row",
            key=f"results_{name}",
        )
    if names:
        everything = pd.concat([published_frame(shown[name]) for name in names], ignore_index=True)
        st.download_button(
            "Shown rows (CSV)",
            lambda: csv_file(everything),
            "results.csv",
            "text/csv",
            icon=":material/download:",
            key="csv_results",
            on_click="ignore",
        )
    else:
        st.info("No row of these tables is of this data set; choose another table or all data sets.")
    st.caption(f"Source: {SOURCE}. {NOTES} In Table 3 {PARTS}.")


def epoch_sentence(choice: Choice) -> str:
    """Return at which epoch the rows of this project stand."""
    if isinstance(choice, int):
        when = f"at epoch {choice + 1}"
    elif choice == "last":
        when = "at the last measured epoch"
    else:
        when = "at the epoch with the highest mAP on validation images, without such images at the last one"
    return f"Runs of this project count {when}; **More**, above, chooses another epoch."


def published_frame(rows: Sequence[ResultRow]) -> pd.DataFrame:
    """Return rows of one data set; a column of values is there where any row has it."""
    frame = pd.DataFrame(
        [
            {
                "origin": row.origin,
                "from": row.source,
                "method": row.method,
                "variant": row.variant,
                **{name: row.values.get(name, float("nan")) for name in VALUES},
                "published beside": row.beside,
                "runs": row.run_ids,
            }
            for row in rows
        ]
    )
    absent = [name for name in VALUES if frame[name].isna().all()]
    absent += [name for name in ("variant", "published beside", "runs") if not frame[name].any()]
    return frame.drop(columns=absent)
