"""Test mAP by bucket: means over runs, single runs, and intervals by test image."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.figures.comparison import FEWEST, StoredInterval, bucket_dots, mean_half
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.intervals import map_intervals
from mlcnc.analysis.comparison.pair_errors import scored_epoch
from mlcnc.analysis.comparison.seeds import SeedGroup, shown_names
from mlcnc.analysis.runs.rows import BUCKETS, RunRow
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

READING = (
    "**Large marks** are means over the runs taken together: all seeds of the picked recipes, also those not "
    "picked. Their **whisker** is the 95 % t interval of the mean, where there are three runs or more; two "
    "recipes whose whiskers overlap may still differ, for the line above pairs their seeds. **Small dots** are "
    "single runs. **Head** classes have many training images, **tail** classes few. The axis does not begin at "
    "0, so distances are read at its numbers.\n\n"
    "An **open diamond** is one picked run at the epoch with stored scores whose mAP is nearest to that of its "
    "dot, so it may differ a little from it; its whisker is the 95 % interval by drawing the test images anew. "
    "It answers another question than the seeds: whether other test images would give another value of the "
    "same network."
)


def show_buckets(groups: Sequence[SeedGroup], picked: Sequence[tuple[Run, RunRow]], answer: str) -> None:
    """Draw means, single runs and intervals of the groups, with their numbers to take away.

    Args:
        groups: runs taken together.
        picked: the runs whose intervals by test image are drawn, with their rows.
        answer: what the page says of the order, for readers who do not see the chart.
    """
    counted = {row.run_id for group in groups for row in group.rows}
    stored = stored_intervals([(run, row) for run, row in picked if row.has_arrays and row.run_id in counted])
    several = any(value.num_runs >= FEWEST for group in groups for value in group.map_percent.values())
    whisker = (
        "Whiskers: 95 % interval of the mean over seeds."
        if several
        else "No recipe has three runs: no whisker."
    )
    if stored:
        whisker += " Diamonds: a picked run with its 95 % interval by test image."
    else:
        whisker += " No picked run stored its test scores, so there is no interval by test image."
    show_chart(
        drawing_of(bucket_dots, groups, singles=True, stored=stored),
        key="compare_dots",
        title="Test mAP by bucket",
        alt=f"{answer} {whisker}",
        reading=READING,
        frame=bucket_frame(groups, stored),
    )
    st.caption(whisker)
    mixed = any(len({row.group_key for row in group.rows}) > 1 for group in groups)
    of = "run" if mixed else "seed"
    st.caption(plain(f"Mean (lowest to highest {of}): {'; '.join(_lines(groups))}."))


def bucket_frame(groups: Sequence[SeedGroup], stored: Sequence[StoredInterval]) -> pd.DataFrame:
    """Return every drawn number: means and single runs with their intervals."""
    columns = ["shown as", "group", "run", "bucket", "epoch", "mAP (%)", "low", "high", "runs"]
    rows: list[tuple[object, ...]] = []
    group_of = {}
    for group in groups:
        for bucket in BUCKETS:
            value = group.map_percent[bucket]
            half = mean_half(group, bucket)
            ends = (None, None) if half is None else (value.mean - half, value.mean + half)
            rows.append(("mean", group.label, "", bucket, None, value.mean, *ends, value.num_runs))
        for row in group.rows:
            group_of[row.run_id] = group.label
            epoch = None if row.epoch is None else row.epoch + 1
            rows += [
                ("dot", group.label, row.run_id, bucket, epoch, row.map_percent[bucket], None, None, 1)
                for bucket in BUCKETS
            ]
    for item in stored:
        for bucket in BUCKETS:
            found = item.intervals.get(f"map_{bucket}")
            if found is not None:
                name = item.row.run_id
                rows.append(
                    (
                        "diamond", group_of[name], name, bucket, item.epoch + 1, found.value, found.low,
                        found.high, 1,
                    )
                )  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def stored_intervals(picked: Sequence[tuple[Run, RunRow]]) -> list[StoredInterval]:
    """Return the intervals by test image of those runs that stored scores, with their rows."""
    found = []
    for run, row in picked:
        try:
            epoch = remembered(scored_epoch, run, row.map_percent["total"])
            intervals = None if epoch is None else remembered(map_intervals, run, epoch)
        except RunFormatError as error:
            st.warning(plain(error))
            continue
        if epoch is not None and intervals is not None:
            found.append(StoredInterval(row, epoch, intervals))
    return found


def _lines(groups: Sequence[SeedGroup]) -> list[str]:
    return [
        f"{name}: {', '.join(f'{bucket} {group.map_percent[bucket].text}' for bucket in BUCKETS)}"
        for group, name in zip(groups, shown_names(groups), strict=True)
    ]
