"""Images and attention: why did it miss this label?"""

import numpy as np
import streamlit as st

from app.images.answers import show_company, show_decisions
from app.images.controls import class_first_shown, pick_class, pick_runs, pick_thresholds
from app.images.detail import looks_nowhere, show_image
from app.images.evidence import show_curves
from app.images.gallery import (
    DETAIL,
    IMAGE_KEY,
    forget_map,
    gallery_title,
    images_from_map,
    in_order,
    pick_kind,
    show_gallery,
)
from app.images.worst_classes import show_worst_classes
from app.session import remembered
from app.widgets.controls import pick_epoch, toolbar
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.scroll_into_view import scroll_into_view
from app.widgets.stored_picture import say_where_photographs_are
from mlcnc.analysis.images.decisions import (
    class_results,
    co_occurring_classes,
    decisions_of,
    probe_images,
    scored,
    with_attention,
    with_moved_threshold,
)
from mlcnc.analysis.runs.rows import nearest_array_epoch
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

st.title("Why did it miss this label?")
selected = selection()
stop_without_runs(selected)
usable, results = [], {}
for run, row in selected.picked:
    try:
        stored = remembered(Run.array_epochs, run, "test/scores")
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

with toolbar() as more:
    group = pick_runs(usable)
    run, row = group[0]
    class_index = pick_class(run, class_first_shown(results[run.run_id]))
class_name = run.info.class_names[class_index]
with more():
    rule, target, shift = pick_thresholds()
    epoch = pick_epoch(
        sorted({e for item, _ in group for e in remembered(Run.array_epochs, item, "test/scores")})
    )
    number_place = st.container()

shown = []
for item, item_row in group:
    at = remembered(nearest_array_epoch, item, epoch, "test/scores")
    try:
        stored_scores = None if at is None else remembered(scored, item, at, rule=rule, target=target)
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
detail, answer = st.container(key=DETAIL), st.container()
with answer:
    show_decisions(class_name, class_index, shown)
    say_where_photographs_are([item for item, *_ in shown])
    kind = pick_kind(record)
looked_at = remembered(probe_images, run, own.epoch)
attended = with_attention(record, looked_at)
of_map = images_from_map(len(own.scores))
images = in_order(np.array(of_map, dtype=np.int64) if of_map else record.images[kind], looked_at)
with number_place:
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
    # a number names the same image in all runs only where their test labels agree
    comparable = [entry for entry in shown if np.array_equal(entry[2].present, own.present)]
    with detail:
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

with answer:
    if of_map:
        st.subheader(f"{len(images)} test images selected on the map")
        st.button("Show all images instead", key="forget_map", on_click=forget_map)
        show_gallery(run, record, images, looked_at, own.present)
    else:
        st.subheader(plain(gallery_title(len(images), class_name, kind, row.name)))
    if images and not of_map:
        order = "lowest score first" if kind in ("missed", "rightly absent") else "highest score first"
        number = len(attended[kind])
        eyes = f"Those with an eye ({number}) have stored attention and come first; then"
        nowhere = f"{plain(row.method_title)} has no attention;" if looks_nowhere(row) else ""
        st.caption(f"{eyes if number else nowhere or 'None of them has stored attention;'} {order}.")
        try:
            show_gallery(run, record, images, looked_at, own.present)
        except RunFormatError as error:
            st.warning(plain(error))
    elif not images:
        st.caption(f"No test image is {kind}; move the threshold or choose another kind.")

show_curves(class_name, [(item_row, decided) for _, item_row, _, decided in shown])
show_company(co_occurring_classes(run, own, record), record)
show_worst_classes([(row, results[run.run_id]) for run, row in usable])
show_problems(selected.problems, selected.picked)
