"""What every class gains or loses between two runs or two recipes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app.figures.class_differences import difference_dots
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.controls import pick_pair, toolbar
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from app.widgets.run_picker import Selection
from mlcnc.analysis.comparison.class_differences import (
    ClassDifferences,
    Side,
    bucket_differences,
    class_difference_sentence,
    mean_class_differences,
    of_shared_seeds,
    with_intervals,
)
from mlcnc.analysis.comparison.intervals import difference_sentence, map_difference
from mlcnc.analysis.comparison.seeds import recipe_names
from mlcnc.analysis.runs.rows import RunRow, nearest_array_epoch
from mlcnc.errors import RunFormatError, counted

READING = (
    "One mark a class, the class with most training images first: circles are head, squares medium, triangles "
    "tail classes. Above 0 the first has the higher average precision on test images. The **dotted line** over "
    "each bucket is the mean of its classes, which is what the bars differ by at these epochs.\n\n"
    "Between recipes the **whisker** is the 95 % t interval of the mean difference over the seeds that both "
    "have, paired by seed, for the test images at hand; one seed has none. Between two runs it is drawn where "
    "asked for, by drawing the test images anew, the same ones for both; it leaves out the seed, which may "
    "move a class further, and with ten positives or fewer it is too narrow. Of twenty such intervals, one "
    "misses 0 by chance alone."
)


def show_classes(selected: Selection, bucket: str) -> None:
    """Ask for two runs or recipes and draw the difference of each class.

    Args:
        selected: the picked runs.
        bucket: of the sentence on mAP.
    """
    seeds = {
        row.run_id: group.rows for group in selected.picked_groups for row in (*group.rows, *group.repeats)
    }
    try:
        stored = [(run, row) for run, row in selected.picked if _side(selected, seeds[run.run_id])]
    except RunFormatError as error:
        st.warning(plain(error))
        return
    if len(stored) < 2:
        st.info("Pick two runs with stored AP per class in the sidebar to see what each class gains or loses.")
        return
    with toolbar("toolbar_classes"):
        of = st.segmented_control(
            "Compare",
            ["recipes", "runs"],
            default="recipes",
            required=True,
            key="pairs",
            bind="query-params",
            help="recipes: the mean over the seeds that both recipes have, of runs that stored AP per class; "
            "over all of them where they share no seed.",
        )
        pair = pick_pair(stored, first_label="First", second_label="Minus", optional=False)
    if len(pair) < 2:
        st.info("No other picked run has the same classes; pick runs of one data set in the sidebar.")
        return
    (_, first), (_, second) = pair
    if of == "recipes" and first.group_key == second.group_key:
        st.info(f"Both runs are of the recipe {plain(first.recipe)}; choose runs of two recipes.")
        return
    wanted = [seeds[row.run_id] if of == "recipes" else (row,) for row in (first, second)]
    sides = [_side(selected, rows) for rows in wanted]
    known = recipe_names(selected.rows)
    names = [known[row.group_key] if of == "recipes" else row.name for row in (first, second)]
    if names[0] == names[1]:
        names = [f"{row.name} ({row.run_id})" for row in (first, second)]
    for name, side, rows in zip(names, sides, wanted, strict=True):
        if len(side) < len(rows):
            st.caption(plain(f"{name}: {len(side)} of {counted(len(rows), 'run')} stored AP per class."))
    if not all(sides):
        return
    if of == "recipes":
        sides = list(of_shared_seeds(*sides))
    try:
        _show(sides[0], sides[1], names[0], names[1], bucket)
    except RunFormatError as error:
        st.warning(plain(error))


def _side(selected: Selection, rows: Sequence[RunRow]) -> Side:
    """Return those of the runs that stored AP per class, each at the epoch nearest to the chosen one."""
    by_id = {run.run_id: run for run in selected.runs}
    runs = [(by_id[row.run_id], row.epoch) for row in rows]
    near = [(run, remembered(nearest_array_epoch, run, epoch, "test/ap")) for run, epoch in runs]
    return tuple((run, epoch) for run, epoch in near if epoch is not None)


def _show(first: Side, second: Side, name: str, other: str, bucket: str) -> None:
    single = len(first) == len(second) == 1
    asked = single and st.toggle(
        "Interval of each class",
        key="class_intervals",
        bind="query-params",
        help="By drawing the test images anew, 1,000 times; takes a few seconds the first time.",
    )
    record: ClassDifferences | None
    if asked:
        with st.spinner("Drawing test images anew"):
            record = remembered(with_intervals, first[0], second[0])
        if record is not None and record.low is None:
            st.caption("These runs stored no scores of the same test images, so there are no intervals.")
    else:
        record = remembered(mean_class_differences, first, second)
    if record is None:
        st.info("These runs have no AP of the same classes; pick runs of one data set.")
        return
    with st.spinner("Drawing test images anew", show_time=False):
        found = remembered(map_difference, first[0], second[0]) if single else None
    of_map = (found or {}).get(f"map_{bucket}")
    sentence = class_difference_sentence(record, name, other)
    show_chart(
        drawing_of(difference_dots, record, name, other),
        key="class_differences",
        title=f"Test AP per class, {name} minus {other}",
        alt=sentence,
        reading=READING,
        frame=class_frame(record, name, other),
    )
    if of_map is not None:
        st.markdown(plain(difference_sentence(f"{bucket} mAP", name, other, of_map)))
    st.markdown(plain(sentence))
    means = ", ".join(f"{part} {value:+.2f}" for part, value in bucket_differences(record).items())
    runs = f"{len(first)}, the seeds that both have" if record.paired else f"{len(first)} and {len(second)}"
    st.caption(
        f"Mean difference in points: {means}. {_epochs(first, second)} of those with stored AP per class, "
        f"the nearest to the chosen moment of each run (n = {runs}); "
        "the bars may be of other epochs."
    )


def class_frame(record: ClassDifferences, name: str, other: str) -> pd.DataFrame:
    """Return the drawn numbers, a row a class."""
    columns: dict[str, object] = {
        "class": record.class_names,
        "bucket": record.buckets,
        "training images": record.train_counts,
        f"AP of {name} (%)": record.first,
        f"AP of {other} (%)": record.second,
        "difference": record.difference,
    }
    if record.low is not None and record.high is not None:
        columns |= {"low": record.low, "high": record.high, "interval over": record.over}
    columns["runs"] = f"{record.first_runs} and {record.second_runs}"
    return pd.DataFrame(columns)


def _epochs(first: Side, second: Side) -> str:
    listed = [", ".join(map(str, sorted({epoch + 1 for _, epoch in side}))) for side in (first, second)]
    return f"Epoch {listed[0]} against {listed[1]}:"
