"""Compare: what does a setting change, in results, classes and curves, and do seeds and images support it?"""

import streamlit as st

from app.compare.answer import show_answer
from app.compare.buckets import show_buckets
from app.compare.classes import show_classes
from app.compare.curves import show_curves
from app.compare.loss_shares import show_loss_shares
from app.compare.published import show_published
from app.compare.settings import show_settings
from app.compare.tables import show_tables
from app.overview.table import say_left_out
from app.widgets.controls import pick_moment
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.comparison.setting_groups import confounders, setting_groups, varying_settings
from mlcnc.analysis.runs.rows import BUCKETS

RECIPE = "recipe"

st.title("What does the method, or any of its settings, change?")
answer = st.container()
selected = selection()
stop_without_runs(selected)
say_left_out(selected.picked_recipes, 0)
with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    bucket = (
        st.segmented_control(
            "Answer for", BUCKETS, default="total", required=True, key="bucket", bind="query-params"
        )
        or "total"
    )
    with st.popover("More", icon=":material/tune:"):
        choice = pick_moment(max(row.num_logged for row in selected.rows))
        if choice != "best":
            selected = selection(choice)
        rows = selected.picked_recipes
        setting = st.selectbox(
            "Take together",
            [RECIPE, *varying_settings(rows)],
            key="group",
            bind="query-params",
            help="recipe: runs that differ in the seed only. A setting: all runs with the same value of it.",
        )
by_id = {run.run_id: run for run in selected.runs}
single = setting in (RECIPE, None)
groups = selected.picked_groups if single else setting_groups(rows, setting)
with answer:
    said = show_answer(groups, bucket, by_id, paired=single)
    others = [] if single else confounders(groups, setting)
    if others:
        st.warning(
            f"Runs of these groups also differ in {', '.join(plain(name) for name in others)}; "
            f"a difference need not come from {plain(setting)}."
        )
buckets, classes, curves, settings, tables, published = st.tabs(
    ["Buckets", "Classes", "Curves", "Settings", "Tables", "Published"],
    key="show",
    on_change="rerun",
    bind="query-params",
)
if buckets.open:
    with buckets:
        show_buckets(groups, by_id, said)
if classes.open:
    with classes:
        show_classes(selected, bucket)
if curves.open:
    with curves:
        show_curves(groups, selected)
        show_loss_shares(selected.picked)
if settings.open:
    with settings:
        show_settings(groups, selected)
if tables.open:
    with tables:
        show_tables()
if published.open:
    with published:
        show_published(selected.picked_groups)
show_problems(selected.problems, selected.picked)
