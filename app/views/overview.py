"""Overview: what runs are there, and what do they say?"""

import streamlit as st

from app.figures.comparison import bucket_bars
from app.session import CHOICE_KEY
from app.widgets.controls import how_to_read
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.run_table import show_run_table
from mlcnc.analysis.comparison import seed_groups, verdict

st.title("What do the runs say?")
chosen = st.segmented_control(
    "Values at",
    ["best", "last"],
    default="best",
    required=True,
    key=CHOICE_KEY,
    format_func=lambda value: {"best": "best epoch on validation", "last": "last epoch"}[value],
    bind="query-params",
)
selected = selection("last" if chosen == "last" else "best")
if not selected.rows:
    stop_without_runs(selected)
groups = seed_groups(selected.rows)
st.markdown(verdict(groups))
datasets = list(dict.fromkeys(group.dataset for group in groups))
dataset = datasets[0]
if len(datasets) > 1:
    dataset = st.selectbox("Data set of the chart", datasets, key="dataset", bind="query-params") or dataset
shown = [group for group in groups if group.dataset == dataset]
st.subheader(f"Test mAP by bucket on {dataset}")
st.plotly_chart(
    bucket_bars(shown),
    key="overview_bars",
    alt=f"Bars of test mAP on {dataset} for total, head, medium and tail classes, one colour per embedding. "
    + verdict(shown),
)
how_to_read(
    "A bar is the mean over seeds, its whisker the lowest and highest seed. **Head** classes have many "
    "training images, **tail** classes few; the exact limits stand with each run. One seed has no whisker "
    "and supports no order."
)
st.subheader("All runs")
show_run_table(selected.rows)
fallback = [row.name for row in selected.rows if chosen == "best" and row.chosen_on == "last epoch"]
if fallback:
    st.caption(f"No validation mAP, so the last epoch is shown: {', '.join(fallback)}.")
show_problems(selected.problems, [(run, row) for run, row in selected.picked])
