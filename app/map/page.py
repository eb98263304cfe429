"""Feature map: where do images sit, and who is misplaced?"""

import streamlit as st

from app.figures.feature_map import COLOURINGS
from app.map.chart import (
    caption,
    coloured,
    draw_map,
    map_frame,
    pick_layout,
    placement_frame,
    play_map,
    runs_with_samples,
)
from app.map.gallery import show_neighbours, show_samples
from app.map.selection import clear_selection
from app.session import remembered
from app.timing import timed
from app.widgets.controls import pick_epoch, pick_space, pick_split
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.stored_picture import say_where_photographs_are
from mlcnc.analysis.runs.spaces import image_wise, spaces_sentence, spaces_with_samples
from mlcnc.analysis.samples.layouts import Layout
from mlcnc.analysis.samples.placement import Outcomes, Placement, outcomes, placement, placement_sentence
from mlcnc.errors import RunFormatError

WHOLE_IMAGES = (
    " All labels of an image lie on one point, and at most one of them is nearest to the mean of its class: "
    "the others are misplaced whatever the network does."
)

st.title("Where do images sit, and who is misplaced?")
selected = selection()
stop_without_runs(selected)
usable = runs_with_samples(selected.picked)
if not usable:
    show_problems(selected.problems, selected.picked)
    st.stop()

answer = st.empty()
ids = list(usable)
with st.container(horizontal=True, vertical_alignment="bottom"):
    # no format_func: the address holds what the control shows, and names can change or repeat
    picked = st.selectbox("Run", ids, key="a", bind="query-params", width=240)
    run, name, own_colour, table = usable[picked if picked in usable else ids[0]]
    split = pick_split()
    stored = remembered(spaces_with_samples, run)
    space = pick_space([stored])
    method = st.segmented_control(
        "Picture",
        ["PCA", "UMAP"],
        default="PCA",
        required=True,
        key="method",
        bind="query-params",
        help="PCA is linear and computed at once. UMAP is read from the run folder.",
    )
st.caption(plain(spaces_sentence([(name, stored)], space)) + WHOLE_IMAGES * (space in image_wise(stored)))
with st.container(horizontal=True, vertical_alignment="bottom"):
    by = st.segmented_control(
        "Colour by", COLOURINGS, default="misplaced", required=True, key="colour", bind="query-params"
    )
    focus_name = st.selectbox(
        "Class",
        table.class_names,
        index=None,
        placeholder="the most misplaced one",
        key="class",
        bind="query-params",
        width=240,
    )
    means = st.segmented_control(
        "Name the means of",
        ["class", "head", "medium", "tail", "none"],
        default="class",
        required=True,
        key="means",
        bind="query-params",
        help="A cross and a name at the mean position of the shown points of a class.",
    )
    plays = st.toggle(
        "Play over epochs",
        key="play",
        bind="query-params",
        help="Moves in the browser. Points are selected with this off: a box over moving points would take in "
        "others at every epoch. What is selected stays marked and can be followed.",
    )


@st.fragment
def map_and_gallery(
    layout: Layout, record: Placement, found: Outcomes | None, focus: int, named: tuple[int, ...]
) -> None:
    """Draw the map, then the selected samples, or the misplaced ones while none is selected."""
    with timed("map_and_gallery"):
        epoch_number = record.epoch + 1
        colouring = coloured(by or "misplaced", table, record, found, focus, own_colour)
        drawn = (run.run_id, layout.method, record.space, record.split, epoch_number, by, focus, means)
        view = " ".join(str(part) for part in drawn)
        draw = play_map if plays else draw_map
        frame = map_frame(layout, table, record, found)
        chosen = draw(layout, table, record, colouring, named, view=view, frame=frame)
        of = f"marks and images below are those of epoch {epoch_number}" if plays else f"epoch {epoch_number}"
        st.caption(f"{caption(layout, record)} {plain(name)}, {of}.")
        shown = chosen or tuple(record.samples[record.misplaced].tolist())
        with st.container(horizontal=True, vertical_alignment="center"):
            if chosen:
                st.subheader(f"{len(chosen)} selected")
                st.button("Clear selection", icon=":material/clear:", key="map_clear", on_click=clear_selection)
            else:
                st.subheader(f"{len(shown)} misplaced")
                st.caption("Nothing is selected. Drag a lasso or a box on the map to see what lies there.")
        if not shown:
            return
        try:
            say_where_photographs_are([run])
            on_page = show_samples(run, table, shown, record, found)
            show_neighbours(run, table, record, on_page, of_images=record.space in image_wise(stored))
        except RunFormatError as error:
            st.warning(plain(error))


try:
    layout = pick_layout(run, space, method or "PCA")
    epoch = None if layout is None else layout.epochs[-1] if plays else pick_epoch(list(layout.epochs))
    record = None if epoch is None else remembered(placement, run, epoch, split=split, space=space)
    found = None if epoch is None else remembered(outcomes, run, epoch)
except RunFormatError as error:
    st.warning(plain(error))
else:
    if layout is None or record is None:
        st.info(f"{plain(name)} kept no samples of {split} in {space}; choose another split or space.")
    else:
        answer.markdown(plain(placement_sentence(record)))
        focus = (
            table.class_names.index(focus_name)
            if focus_name in table.class_names
            else record.classes[0].class_index
        )
        named = tuple(i for i, bucket in enumerate(table.buckets) if bucket == means)
        map_and_gallery(layout, record, found, focus, (focus,) if means == "class" else named)
        st.subheader("Class by class")
        st.dataframe(
            placement_frame(record),
            hide_index=True,
            column_config={
                "misplaced": st.column_config.NumberColumn(
                    format="%.1f %%", help="Share of all pairs of the split, sampled or not: 1 minus NC4."
                )
            },
            alt=f"Misplaced samples of each class. {placement_sentence(record)}",
        )
show_problems(selected.problems, selected.picked)
