"""Overview: what runs are there, and which of them to look at?"""

from dataclasses import replace

import streamlit as st

from app.figures.comparison import bucket_bars
from app.overview.cards import show_cards, show_next_steps
from app.overview.notes import edit_notes
from app.overview.table import clear_filter, group_frame, pick_filter, say_epochs, show_run_table
from app.session import runs_root
from app.widgets.chart import show_chart
from app.widgets.controls import pick_moment
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.comparison.findings import geometry_sentence, main_dataset, undecided_sentence
from mlcnc.analysis.comparison.seeds import seed_groups, verdict
from mlcnc.analysis.runs.filter import matching, newest_first
from mlcnc.store import left_out

st.title("What do I have, and what should I look at?")
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
    show_run_table(shown, picked)
else:
    st.info("No run fits the filter.")
    st.button("Clear the filter", on_click=clear_filter, icon=":material/filter_alt_off:")
say_epochs(shown, choice, len(selected.rows), len(picked))
edit_notes(selected.runs, picked[0] if picked else None)

dataset = wanted.dataset or main_dataset(selected.rows)
groups = seed_groups(selected.rows)
names = [dataset, *dict.fromkeys(group.dataset for group in groups if group.dataset != dataset)]
named = names[:1] if wanted.dataset else names[:3]
own = [group for group in groups if group.dataset == dataset]
with answer:
    said = [verdict([group for group in groups if group.dataset == name]) for name in named]
    said[1:1] = [sentence for sentence in (geometry_sentence(own), undecided_sentence(own)) if sentence]
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in said))
    show_cards(selected.rows, dataset)
    show_next_steps()

drawn = wanted.dataset or main_dataset([row for _, row in selected.picked])
chosen = [group for group in selected.picked_groups if group.dataset == drawn]
if chosen:
    st.subheader(plain(f"Test mAP by bucket on {drawn}"))
    show_chart(
        bucket_bars(chosen),
        key="overview_bars",
        title=f"Test mAP by bucket on {drawn}, mean and range over seeds",
        alt=f"Bars of test mAP on {drawn} for total, head, medium and tail classes, one colour per "
        f"method or label embedding. {verdict(chosen)}",
        reading="Recipes of the picked runs, with all their seeds. A bar is the mean over seeds, its whisker "
        "the lowest and highest seed. **Head** classes have many training images, **tail** classes few; the "
        "exact limits stand with each run. One seed has no whisker and supports no order.",
        frame=group_frame(chosen),
    )
show_problems(selected.problems, selected.picked)
for sentence in left_out(runs_root()):
    st.caption(plain(f"{sentence}."))
