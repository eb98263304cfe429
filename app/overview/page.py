"""Overview: which recipe is ahead of which other, what runs are there, and which of them to look at?"""

from dataclasses import replace

import streamlit as st

from app.overview.matrix import show_matrix
from app.overview.next_steps import show_next_steps
from app.overview.notes import edit_notes
from app.overview.table import clear_filter, pick_filter, say_epochs, say_left_out, show_run_table
from app.session import runs_root
from app.widgets.controls import pick_moment
from app.widgets.downloads import offer_exports
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.comparison.seeds import seed_groups
from mlcnc.analysis.runs.filter import main_dataset, matching, newest_first
from mlcnc.store import left_out

st.title("Which recipe is ahead, and is it more than chance?")
answer = st.container()
selected = selection()
if not selected.rows:
    stop_without_runs(replace(selected, runs=[], picked=[]))
st.subheader("All runs")
choice = pick_moment(max(row.num_logged for row in selected.rows))
wanted = pick_filter(selected.rows)
if choice != "best":
    selected = selection(choice)
shown = newest_first(matching(selected.rows, wanted))
picked = [row.run_id for _, row in selected.picked]
if shown:
    show_run_table(shown, picked, selected.rows)
else:
    st.info("No run fits the filter.")
    st.button("Clear the filter", on_click=clear_filter, icon=":material/filter_alt_off:")
say_epochs(shown, choice, len(selected.rows), len(picked))
offer_exports([run for run, _ in selected.picked])
edit_notes(selected.runs, picked[0] if picked else None)
with answer:
    say_left_out(selected.rows, len(selected.problems))
    of_picked = next((row.dataset for _, row in selected.picked), None)
    dataset = wanted.dataset or of_picked or main_dataset(selected.rows)
    show_matrix(seed_groups(selected.rows), {run.run_id: run for run in selected.runs}, dataset)
    show_next_steps()
show_problems(selected.problems, selected.picked)
for sentence in left_out(runs_root()):
    st.caption(plain(f"{sentence}."))
