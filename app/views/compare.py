"""Compare: what does a setting change, over epochs and at the end?"""

import pandas as pd
import streamlit as st

from app.figures.class_differences import difference_dots
from app.figures.comparison import bucket_bars, metric_bands, metric_curves
from app.session import remembered
from app.widgets.controls import how_to_read
from app.widgets.downloads import offer_downloads
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.class_differences import class_difference_sentence, class_differences
from mlcnc.analysis.comparison import seed_groups, verdict
from mlcnc.analysis.curves import band, curve, metric_label, metric_names, metric_optimum
from mlcnc.analysis.intervals import difference_sentence, map_difference
from mlcnc.analysis.runs import BUCKETS, nearest_array_epoch
from mlcnc.analysis.settings import setting_table
from mlcnc.errors import RunFormatError

DEFAULTS = ("test/map_total", "test/map_tail", "test.f/nc1_trace", "test.f/angle_min_class")

st.title("What does the label embedding change?")
selected = selection()
stop_without_runs(selected)
groups = seed_groups(selected.picked_recipes)
bucket = st.segmented_control(
    "Bucket of the sentence", BUCKETS, default="total", required=True, key="bucket", bind="query-params"
)
st.markdown(verdict(groups, bucket or "total"))
columns = st.columns(len(groups) if len(groups) <= 4 else 4)
for index, group in enumerate(groups):
    value = group.map_percent[bucket or "total"]
    with columns[index % len(columns)]:
        st.metric(
            group.label,
            f"{value.mean:.1f} %" if value.num_runs else "not logged",
            help="Mean over seeds of the test mAP at the best validation epoch.",
            border=True,
        )
        st.caption(f"{bucket} mAP {value.text}")
st.subheader("Test mAP by bucket")
bars = bucket_bars(groups)
st.plotly_chart(bars, key="compare_bars", alt=verdict(groups))
offer_downloads(
    "map_by_bucket",
    "Test mAP by bucket, mean and range over seeds",
    bars,
    pd.DataFrame(
        [
            {
                "recipe": group.label,
                "bucket": name,
                "mean": value.mean,
                "low": value.low,
                "high": value.high,
                "num_runs": value.num_runs,
            }
            for group in groups
            for name, value in group.map_percent.items()
        ]
    ),
)
how_to_read(
    "All seeds of the picked recipes are shown, also those that are not picked. Values are of the epoch "
    "that is best on validation; the test set chooses nothing."
)
st.subheader("Class by class")
stored = [(run, row) for run, row in selected.picked if run.array_epochs()]
if len(stored) < 2:
    st.info("Pick two runs with stored arrays in the sidebar to see what each class gains or loses.")
else:
    titles = {run.run_id: row.name for run, row in stored}
    one, two = st.columns(2)
    ids = list(titles)
    a = one.selectbox("Run", ids, format_func=titles.__getitem__, key="a", bind="query-params") or ids[0]
    others = [run_id for run_id in ids if run_id != a]
    b = two.selectbox("Minus", others, format_func=titles.__getitem__, key="b", bind="query-params")
    b = b if b in others else others[0]
    chosen = {run.run_id: (run, nearest_array_epoch(run, row.epoch) or 0) for run, row in stored}
    try:
        record = class_differences(chosen[a], chosen[b])
        found = remembered(map_difference, chosen[a], chosen[b])
        interval = None if found is None else found.get(f"map_{bucket}")
    except RunFormatError as error:
        st.warning(str(error))
    else:
        if interval is not None:
            st.markdown(difference_sentence(f"{bucket} mAP", titles[a], titles[b], interval))
        if record is None:
            st.info("These two runs have no AP of the same classes; pick runs of one data set.")
        else:
            sentence = class_difference_sentence(record, titles[a], titles[b])
            st.markdown(sentence)
            dots = difference_dots(record, titles[a], titles[b])
            st.plotly_chart(dots, key="class_differences", alt=sentence)
            st.caption(
                f"Epochs {record.first_epoch + 1} and {record.second_epoch + 1}: of those with stored arrays, "
                "the nearest to the best validation epoch of each run."
            )
            offer_downloads(
                "class_differences",
                f"Test AP per class, {titles[a]} minus {titles[b]}",
                dots,
                pd.DataFrame(
                    {
                        "class": record.class_names,
                        "bucket": record.buckets,
                        "training_images": record.train_counts,
                        titles[a]: record.first,
                        titles[b]: record.second,
                        "difference": record.difference,
                    }
                ),
            )
st.subheader("Settings")
everything = st.toggle("Also settings that are equal", key="settings", bind="query-params")
settings = setting_table([run for run, _ in selected.picked], only_differences=not everything)
if settings:
    st.dataframe(
        pd.DataFrame.from_dict(
            settings, orient="index", columns=[run.run_id for run, _ in selected.picked]
        ).rename_axis("setting"),
        alt="Settings of the picked runs, one column a run",
    )
else:
    st.caption("The picked runs have the same settings.")
st.subheader("Over epochs")
names = metric_names([run for run, _ in selected.picked])
defaults = [name for name in DEFAULTS if name in names] or names[:2]
wanted = st.multiselect(
    "Metrics",
    names,
    default=defaults,
    key="metrics",
    bind="query-params",
    max_selections=6,
    help="split.space/metric; docs/metrics.md has formula, range and convention of each",
)
left, right = st.columns(2)
together = left.toggle("Mean and range over seeds", value=True, key="bands", bind="query-params")
log = right.toggle("Logarithmic axis for NC1", value=True, key="log", bind="query-params")
by_id = {run.run_id: run for run in selected.runs}
panels = st.columns(2)
for index, name in enumerate(wanted):
    label = metric_label(name)
    logarithmic = log and ("nc1" in name or "cdnv" in name)
    optimum = metric_optimum(selected.picked[0][0], name)
    if together:
        bands = [(g, band([curve(by_id[row.run_id], name) for row in g.rows])) for g in groups]
        figure = metric_bands(
            [(g, item) for g, item in bands if item.num_runs], label, log=logarithmic, optimum=optimum
        )
    else:
        figure = metric_curves(
            [(row, curve(run, name)) for run, row in selected.picked], label, log=logarithmic, optimum=optimum
        )
    with panels[index % 2]:
        st.plotly_chart(figure, key=f"curve_{name}", alt=f"{label} over epochs, one line a recipe or run")
show_problems(selected.problems, selected.picked)
