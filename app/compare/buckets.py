"""Test mAP by bucket: means over runs, single runs, and intervals by test image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from app.figures.comparison import StoredInterval, bucket_bars
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.plain_text import plain
from mlcnc.analysis.comparison.intervals import map_intervals
from mlcnc.analysis.comparison.seeds import SeedGroup, verdict
from mlcnc.analysis.runs.rows import BUCKETS, nearest_array_epoch
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

READING = (
    "**Bars** are means over the runs taken together: all seeds of the picked recipes, also those not "
    "picked. **Dots** are single runs. The **whisker on a bar** goes from the lowest to the highest run; one "
    "run has none and supports no order. **Head** classes have many training images, **tail** classes few.\n\n"
    "A **diamond** is one run at the stored epoch nearest to the chosen one, so it may differ from its dot; "
    "its whisker is the 95 % interval by drawing the test images anew. It answers another question than the "
    "seeds: whether other test images would give another value of the same network."
)


def show_buckets(groups: Sequence[SeedGroup], runs: Mapping[str, Run]) -> None:
    """Draw bars, dots and intervals of the groups, with their numbers to take away.

    Args:
        groups: runs taken together.
        runs: by id.
    """
    wanted = st.toggle("Intervals by test image", value=True, key="intervals", bind="query-params")
    stored = _stored(groups, runs) if wanted else []
    several = any(value.num_runs > 1 for group in groups for value in group.map_percent.values())
    whisker = "Whiskers on bars: lowest to highest run." if several else "One run each: bars have no whisker."
    if wanted and stored:
        whisker += " Diamonds: one run with its 95 % interval by test image."
    elif wanted:
        whisker += " No run stored its test scores, so there is no interval by test image."
    show_chart(
        bucket_bars(groups, dots=True, stored=stored),
        key="compare_bars",
        title="Test mAP by bucket",
        alt=f"{verdict(groups)} {whisker}",
        reading=READING,
        frame=bucket_frame(groups, stored),
    )
    st.caption(whisker)
    st.caption(plain("; ".join(_lines(groups))) + ".")


def bucket_frame(groups: Sequence[SeedGroup], stored: Sequence[StoredInterval]) -> pd.DataFrame:
    """Return every drawn number: means with lowest and highest run, single runs, and intervals."""
    columns = ["shown as", "group", "run", "bucket", "epoch", "mAP (%)", "low", "high", "runs"]
    rows: list[tuple[object, ...]] = []
    group_of = {}
    for group in groups:
        for bucket in BUCKETS:
            value = group.map_percent[bucket]
            rows.append(
                ("bar", group.label, "", bucket, None, value.mean, value.low, value.high, value.num_runs)
            )
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


def _stored(groups: Sequence[SeedGroup], runs: Mapping[str, Run]) -> list[StoredInterval]:
    found = []
    for row in (row for group in groups for row in group.rows if row.has_arrays):
        run = runs[row.run_id]
        try:
            epoch = nearest_array_epoch(run, row.epoch, "test/scores")
            intervals = None if epoch is None else remembered(map_intervals, run, epoch)
        except RunFormatError as error:
            st.warning(plain(error))
            continue
        if epoch is not None and intervals is not None:
            found.append(StoredInterval(row, epoch, intervals))
    return found


def _lines(groups: Sequence[SeedGroup]) -> list[str]:
    return [
        f"{group.label}: {', '.join(f'{bucket} {group.map_percent[bucket].text}' for bucket in BUCKETS)}"
        for group in groups
    ]
