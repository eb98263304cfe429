"""Compare: what does a setting change, in results, classes and curves, and do seeds and images support it?"""

import streamlit as st

from app.address import follow_default
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
from mlcnc.analysis.runs.settings import plain_setting

RECIPE = "recipe"

st.title("What does the method, or any of its settings, change?")
# beside each other, so that charts of the tabs stand higher; in a narrow window below
with st.container(horizontal=True, gap="medium", vertical_alignment="top", key="head_compare"):
    answer = st.container()
    controls = st.container(
        horizontal=True, gap="medium", vertical_alignment="bottom", width="content", key="toolbar_compare"
    )
selected = selection()
stop_without_runs(selected)
buckets, classes, curves, settings, tables, published = st.tabs(
    ["Buckets", "Classes", "Curves", "Settings", "Tables", "Published"],
    key="show",
    on_change="rerun",
    bind="query-params",
)
of_picked = not (tables.open or published.open)  # those two answer for other runs, and for themselves
bucket, setting, said = "total", RECIPE, ""
with controls:
    if of_picked:
        bucket = (
            st.segmented_control(
                "Answer for",
                BUCKETS,
                default="total",
                required=True,
                key="bucket",
                bind="query-params",
                help="Classes by their training images: head the most, tail the fewest; total: all classes.",
            )
            or "total"
        )
    if not tables.open:
        with st.popover("More", icon=":material/tune:"):
            choice = pick_moment(max(row.num_logged for row in selected.rows))
            if choice != "best":
                selected = selection(choice)
            if of_picked:
                offered = [RECIPE, *varying_settings(selected.picked_recipes)]
                follow_default("group", RECIPE, offered)
                setting = st.selectbox(
                    "Take together",
                    offered,
                    key="group",
                    bind="query-params",
                    help="recipe: runs that differ in the seed only. A setting: all runs with the same value.",
                )
by_id = {run.run_id: run for run in selected.runs}
single = setting in (RECIPE, None)
groups = selected.picked_groups if single else setting_groups(selected.picked_recipes, setting)
if of_picked:
    with answer:
        said = show_answer(groups, bucket, by_id, paired=single)
        others = [] if single else confounders(groups, setting)
        if others:
            named, *named_others = (plain(plain_setting(name)) for name in (setting, *others))
            st.warning(
                f"Runs of these groups also differ in {', '.join(named_others)}; "
                f"a difference need not come from {named}."
            )
        say_left_out(selected.picked_recipes, 0)
if buckets.open:
    with buckets:
        show_buckets(groups, selected.picked, said)
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
        show_tables(answer)
if published.open:
    with published:
        show_published(groups, choice)
show_problems(selected.problems, selected.picked)
