"""Geometry: how close is a run to a simplex ETF, and which classes are not?"""

import pandas as pd
import streamlit as st

from app.figures.geometry import angle_histogram, angle_matrix
from app.widgets.controls import (
    Space,
    Split,
    how_to_read,
    pick_centring,
    pick_epoch,
    pick_space,
    pick_split,
)
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.geometry import (
    AngleRecord,
    Centring,
    class_mean_angles,
    closest_pairs,
    geometry_sentence,
    gram_angles,
)
from mlcnc.analysis.runs import nearest_array_epoch
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

st.title("How close to a simplex ETF?")
selected = selection()
stop_without_runs(selected)
names = {run.run_id: row.name for run, row in selected.picked}
ids = list(names)
one, two = st.columns(2)
first = one.selectbox("Run", ids, format_func=names.__getitem__, key="a", bind="query-params") or ids[0]
others = ["none", *(run_id for run_id in ids if run_id != first)]
second = two.selectbox(
    "Beside it",
    others,
    index=1 if len(others) > 1 else 0,
    format_func=lambda run_id: names.get(run_id, "no second run"),
    key="b",
    bind="query-params",
)
subjects = ["class means", "label embedding", "classifier"]
subject = st.segmented_control(
    "Angles between", subjects, default=subjects[0], required=True, key="of", bind="query-params"
)
split: Split = "test"
space: Space = "f"
centring: Centring = "class"
if subject == subjects[0]:
    a, b, c = st.columns(3)
    with a:
        split = pick_split()
    with b:
        space = pick_space()
    with c:
        centring = pick_centring()
by_id = {run.run_id: run for run, _ in selected.picked}
shown = [by_id[run_id] for run_id in (first, second) if run_id in by_id]
epoch = pick_epoch(sorted({epoch for run in shown for epoch in run.array_epochs()}))


def record_of(run: Run) -> AngleRecord | None:
    """Return the record the controls ask for, at the stored epoch nearest to the chosen one."""
    at = nearest_array_epoch(run, epoch)
    if at is None:
        return None
    if subject != subjects[0]:
        return gram_angles(run, at, "classifier" if subject == "classifier" else "label embedding")
    return class_mean_angles(run, at, split=split, space=space, centring=centring)


for column, run in zip(st.columns(len(shown)), shown, strict=True):
    with column:
        st.subheader(names[run.run_id])
        try:
            record = record_of(run)
        except RunFormatError as error:
            st.warning(str(error))
            continue
        if record is None:
            st.info(
                "This run stored no features of negatives, which centring 'all' needs; choose another centring."
                if centring == "all" and run.array_epochs()
                else "This run stored no such arrays, so there are no angles to show; "
                "train with --training.arrays_every 5 to keep them."
            )
            continue
        st.markdown(geometry_sentence(record))
        if record.gram == record.gram:
            floor = f", at best {record.gram_floor:.2f} in this dimension" if record.gram_floor > 0 else ""
            of = "of class-centred class means" if subject == subjects[0] else "uncentred"
            st.caption(f"Gram distance to an ETF, {of}: {record.gram:.3f} (0 is an ETF, 1.41 the most){floor}.")
        st.plotly_chart(
            angle_matrix(record),
            key=f"matrix_{run.run_id}",
            alt=f"Matrix of angles between {record.title}. {geometry_sentence(record)}",
        )
        st.plotly_chart(
            angle_histogram(record),
            key=f"histogram_{run.run_id}",
            alt=f"Histogram of angles between {record.title}; the optimum is {record.optimum:.1f} degrees",
        )
        st.caption(f"Epoch {record.epoch + 1}; {record.title}.")
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "closest pair": f"{pair.first} · {pair.second}",
                        "training images": f"{pair.first_count} · {pair.second_count}",
                        **(
                            {}
                            if pair.first_features is None
                            else {"features": f"{pair.first_features} · {pair.second_features}"}
                        ),
                        "angle": pair.angle,
                    }
                    for pair in closest_pairs(record)
                ]
            ),
            hide_index=True,
            column_config={"angle": st.column_config.NumberColumn(format="%.1f°")},
            alt="The ten closest pairs of classes",
        )
how_to_read(
    "Rows and columns are classes, most frequent first; lines separate head, medium and tail. **White** is "
    "the angle of a simplex ETF, **blue** too close, **brown** too far apart; the scale is the same for every "
    "run.\n\nThe **mean** angle of class-centred means is no evidence: such means sum to zero, and with equal "
    "norms their mean cosine is that of an ETF whatever the geometry. Read the smallest angle, the spread and "
    "the Gram distance instead. Uncentred angles move with a direction that all class means share.\n\nA mean "
    "of few features is noise in part: look at the number of features of a pair before believing its angle."
)
show_problems(selected.problems, selected.picked)
