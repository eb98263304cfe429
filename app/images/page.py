"""Images and attention: why did it miss this label?"""

import numpy as np
import streamlit as st

from app.address import follow_default
from app.images.detail import looks_nowhere, show_image
from app.images.evidence import show_co_occurring_classes, show_curves
from app.images.gallery import DETAIL, IMAGE_KEY, gallery_title, in_order, pick_kind, show_gallery
from app.images.worst_classes import show_worst_classes
from app.session import remembered
from app.widgets.controls import pick_epoch, pick_pair
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.scroll_into_view import scroll_into_view
from app.widgets.stored_picture import say_where_photographs_are
from mlcnc.analysis.images.decisions import (
    class_results,
    co_occurring_classes,
    decision_sentence,
    decisions_of,
    probe_images,
    rarest_first,
    scored,
    with_attention,
    with_moved_threshold,
    worst_tail_class,
)
from mlcnc.analysis.runs.rows import nearest_array_epoch
from mlcnc.errors import RunFormatError

st.title("Why did it miss this label?")
selected = selection()
stop_without_runs(selected)
usable, results = [], {}
for run, row in selected.picked:
    try:
        stored = run.array_epochs("test/scores")
        found = remembered(class_results, run, stored[-1]) if stored else []
    except RunFormatError as error:
        st.warning(plain(error))
        continue
    if found:
        usable.append((run, row))
        results[run.run_id] = found
    else:
        how = "put scores (N, C) into the file" if row.is_of_file else "train with --training.arrays_every 5"
        st.info(
            f"{plain(row.name)} stored no test scores with labels, so no image can be looked up: {how} to keep "
            "them."
        )
if not usable:
    show_problems(selected.problems, selected.picked)
    st.stop()

show_worst_classes([(row, results[run.run_id]) for run, row in usable])
st.subheader("Look closer")
answer = st.container()
pair = pick_pair(usable)
run, row = pair[0]
names = list(run.info.class_names)
options = [names[index] for index in rarest_first(run)]
worst = worst_tail_class(results[run.run_id]) or results[run.run_id][0]
follow_default("class", worst.class_name)
with st.container(horizontal=True, vertical_alignment="bottom"):
    class_name = st.selectbox(
        "Class",
        options,
        index=options.index(worst.class_name),
        key="class",
        bind="query-params",
        help="Rarest first. At the start, the tail class of lowest AP of the run.",
    )
    shift = st.slider(
        "Threshold of best F1, moved by",
        -20.0,
        20.0,
        0.0,
        0.1,
        key="shift",
        bind="query-params",
        help="In units of the score (logit). Every run and class has its own threshold: the one of greatest F1 "
        "on validation images. To the left more images count as found, and more false alarms.",
    )
    epoch = pick_epoch(sorted({e for item, _ in pair for e in item.array_epochs("test/scores")}))
class_index = names.index(class_name) if class_name in names else worst.class_index
class_name = names[class_index]

shown = []
for item, item_row in pair:
    at = nearest_array_epoch(item, epoch, "test/scores")
    try:
        stored_scores = None if at is None else remembered(scored, item, at)
    except RunFormatError as error:
        st.warning(plain(error))
        continue
    if stored_scores is not None:
        # not remembered: quick, and another record at every place of the slider
        scores = with_moved_threshold(stored_scores, class_index, shift)
        shown.append((item, item_row, scores, decisions_of(item, scores, class_index)))
if not shown:
    st.info("No scores are stored at this epoch; choose another one.")
    st.stop()

run, row, own, record = shown[0]
with answer:
    for _, item_row, scores, decided in shown:
        st.markdown(
            f"{plain(item_row.name)}, epoch {scores.epoch + 1}: {plain(decision_sentence(decided))} "
            f"Threshold {scores.threshold_words(class_index)}."
        )
say_where_photographs_are([item for item, *_ in shown])
kind = pick_kind(record)
looked_at = remembered(probe_images, run, own.epoch)
attended = with_attention(record, looked_at)
images = in_order(record.images[kind], looked_at)
chosen = st.number_input(
    "Open a test image by its number",
    min_value=0,
    max_value=len(own.scores) - 1,
    value=None,
    key=IMAGE_KEY,
    bind="query-params",
    placeholder="the first one below" if images else "a number",
    width=260,
)
image = int(chosen) if chosen is not None else images[0] if images else None
if image is not None:
    # a number names the same image in both runs only where their test labels agree
    comparable = [entry for entry in shown if np.array_equal(entry[2].present, own.present)]
    with st.container(key=DETAIL):
        if len(comparable) < len(shown):
            st.caption(f"Only {plain(row.name)} is shown here: the other run was tested on other images.")
        try:
            show_image(
                image,
                class_name,
                [(item, item_row, scores) for item, item_row, scores, _ in comparable],
                kind=kind,
                attended=attended,
            )
        except RunFormatError as error:
            st.warning(plain(error))
    scroll_into_view(DETAIL)

st.subheader(plain(gallery_title(len(images), class_name, kind, row.name)))
if images:
    order = "lowest score first" if kind in ("missed", "rightly absent") else "highest score first"
    number = len(attended[kind])
    eyes = f"Those with an eye ({number}) have stored attention and come first; then"
    nowhere = f"{plain(row.method_title)} has no attention;" if looks_nowhere(row) else ""
    st.caption(f"{eyes if number else nowhere or 'None of them has stored attention;'} {order}.")
    try:
        show_gallery(run, record, images, looked_at, own.present)
    except RunFormatError as error:
        st.warning(plain(error))
else:
    st.caption(f"No test image is {kind}; move the threshold or choose another kind.")

show_curves(class_name, [(item_row, decided) for _, item_row, _, decided in shown])
show_co_occurring_classes(co_occurring_classes(run, own, record), record)
show_problems(selected.problems, selected.picked)
