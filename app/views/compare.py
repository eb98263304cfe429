"""Compare: what does a setting change, over epochs and at the end?"""

import streamlit as st

from app.figures.comparison import bucket_bars, metric_bands, metric_curves
from app.widgets.controls import how_to_read
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.comparison import seed_groups, verdict
from mlcnc.analysis.curves import band, curve, metric_label, metric_names, metric_optimum
from mlcnc.analysis.runs import BUCKETS

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
st.plotly_chart(bucket_bars(groups), key="compare_bars", alt=verdict(groups))
how_to_read(
    "All seeds of the picked recipes are shown, also those that are not picked. Values are of the epoch "
    "that is best on validation; the test set chooses nothing."
)
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
