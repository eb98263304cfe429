"""The settings in which groups of runs differ, and behind a button those that are equal."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.widgets.csv_file import csv_file
from app.widgets.plain_text import plain
from app.widgets.run_picker import Selection
from mlcnc.analysis.comparison.seeds import SeedGroup, shown_names
from mlcnc.analysis.runs.settings import SettingRow, plain_setting, setting_rows, settings_sentence

NAME = "name in commands"


def show_settings(groups: Sequence[SeedGroup], selected: Selection) -> None:
    """Draw the table of differences, one column a group or a picked run.

    Args:
        groups: runs taken together.
        selected: the picked runs.
    """
    by = st.segmented_control(
        "Column",
        ["groups", "runs"],
        default="groups",
        required=True,
        key="columns",
        bind="query-params",
        help="groups: runs taken together, with all their values of a setting. runs: the picked ones.",
    )
    by_id = {run.run_id: run for run in selected.runs}
    if by == "runs":
        columns = [run.run_id for run, _ in selected.picked]
        rows = setting_rows([[run] for run, _ in selected.picked])
    else:
        columns = shown_names(groups)
        rows = setting_rows([[by_id[row.run_id] for row in group.rows] for group in groups])
    different = [row for row in rows if row.difference != "equal"]
    if different:
        frame = settings_frame(different, columns)
        st.dataframe(
            frame,
            alt="Settings that differ, one column a group or run",
            key="settings_differences",
            column_config={
                NAME: st.column_config.Column(help="as the command line and settings files have it")
            },
        )
        st.download_button(
            "Settings (CSV)",
            lambda: csv_file(settings_frame(rows, columns), index=True),
            "settings.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    st.markdown(plain(settings_sentence(rows, len(columns))))
    equal = [row for row in rows if row.difference == "equal"]
    with st.expander(f"{len(equal)} settings that are equal", on_change="rerun", key="equal") as box:
        if box.open:
            st.dataframe(settings_frame(equal, columns), alt="Settings that are equal")


def settings_frame(rows: Sequence[SettingRow], columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows as a table: settings in words as its index, where they differ, their own names."""
    frame = pd.DataFrame(
        [row.values for row in rows], index=[plain_setting(row.name) for row in rows], columns=list(columns)
    )
    words = {"between": "between columns", "within": "within a column", "equal": "nowhere"}
    frame.insert(0, "differs", [words[row.difference] for row in rows])
    frame[NAME] = [row.name for row in rows]
    return frame.rename_axis("setting")
