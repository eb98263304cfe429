"""Attention: where does a class look?"""

import streamlit as st

from app.figures.attention import attention_overlay
from app.widgets.controls import how_to_read, pick_epoch
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from mlcnc.analysis.attention import (
    attention_epochs,
    attention_sentence,
    localisation,
    localisation_sentence,
    num_probes,
    probe_attention,
    probe_labels,
)
from mlcnc.analysis.runs import nearest_array_epoch
from mlcnc.errors import RunFormatError

st.title("Where does a class look?")
selected = selection()
stop_without_runs(selected)
usable = []
for run, row in selected.picked:
    try:
        if num_probes(run) and attention_epochs(run):
            usable.append((run, row))
        else:
            st.info(f"{row.name} stored no attention: train with --training.num_probes 24 to keep it.")
    except RunFormatError as error:
        st.warning(str(error))
if not usable:
    show_problems(selected.problems, selected.picked)
    st.stop()
names = {run.run_id: row.name for run, row in usable}
ids = list(names)
by_id = {run.run_id: run for run, _ in usable}
one, two = st.columns(2)
first = one.selectbox("Run", ids, format_func=names.__getitem__, key="a", bind="query-params") or ids[0]
run = by_id[first]
same_data = [
    run_id for run_id in ids if run_id != first and by_id[run_id].info.class_names == run.info.class_names
]
others = ["none", *same_data]
second = two.selectbox(
    "Beside it",
    others,
    index=1 if same_data else 0,
    format_func=lambda run_id: names.get(run_id, "no second run"),
    key="b",
    bind="query-params",
)
labels = probe_labels(run)
left, right, last = st.columns(3)
probe = left.selectbox(
    "Image",
    range(len(labels)),
    format_func=lambda index: f"{index + 1}: {', '.join(labels[index])}",
    key="probe",
    bind="query-params",
)
probe = int(probe or 0)
order = [*labels[probe], *(name for name in run.info.class_names if name not in labels[probe])]
class_name = right.selectbox(
    "Class", order, key="class", help="Classes in the image come first.", bind="query-params"
)
class_name = class_name if class_name in order else order[0]
opacity = last.slider("Opacity of the map", 0.0, 1.0, 0.75, 0.05, key="opacity", bind="query-params")
shown = [by_id[run_id] for run_id in (first, second) if run_id in by_id]
epoch = pick_epoch(sorted({epoch for item in shown for epoch in attention_epochs(item)}))
class_index = run.info.class_names.index(class_name)
for column, item in zip(st.columns(len(shown)), shown, strict=True):
    with column:
        st.subheader(names[item.run_id])
        at = nearest_array_epoch(item, epoch)
        try:
            record = None if at is None else probe_attention(item, at, probe, class_index)
        except RunFormatError as error:
            st.warning(str(error))
            continue
        if record is None:
            st.info("This run stored no attention for this image.")
            continue
        sentence = attention_sentence(record, class_name)
        st.markdown(sentence)
        over_all = localisation(item, record.epoch)
        if over_all is not None:
            st.caption(localisation_sentence(over_all))
        st.plotly_chart(
            attention_overlay(record, opacity),
            key=f"attention_{item.run_id}",
            alt=f"Attention of {class_name} over the image. {sentence}",
        )
        rows, columns = record.attention.shape
        st.caption(f"Epoch {record.epoch + 1}; {rows} by {columns} cells, averaged over heads; classes here: "
                   f"{', '.join(record.labels)}.")  # fmt: skip
how_to_read(
    "Every cell is one position of the feature map; brighter cells carry more of the class's attention, and "
    "all cells of an image sum to 100 %. The dashed frame is the object of the class, where the image has one. "
    "Attention of a class that is **not** in the image goes somewhere too: it must sum to 100 %. The colour "
    "scale ends at the brightest cell of each map."
)
show_problems(selected.problems, selected.picked)
