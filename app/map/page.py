"""Feature map: where do images sit, and who is misplaced?"""

import streamlit as st

from app.address import follow_default
from app.figures.feature_map import COLOURINGS
from app.map.beside import draw_beside, named_classes, pick_beside, pick_method
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
from app.map.gallery import link_to_images, show_neighbours, show_samples
from app.map.selection import clear_selection
from app.session import remembered
from app.timing import timed
from app.widgets.controls import PICK_WIDTH, pick_epoch, pick_space, pick_split, toolbar
from app.widgets.plain_text import plain
from app.widgets.run_picker import selection, show_problems, stop_without_runs
from app.widgets.stored_picture import say_where_photographs_are
from mlcnc.analysis.runs.spaces import image_wise, spaces_sentence, spaces_with_samples
from mlcnc.analysis.samples.layouts import Layout
from mlcnc.analysis.samples.placement import (
    Outcomes,
    Placement,
    outcomes,
    placement,
    placement_sentence,
    placement_verdict,
)
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

ids = list(usable)
with toolbar() as more:
    # no format_func: the address holds what the control shows, and names can change or repeat
    follow_default("a", ids[0], ids)
    picked = st.selectbox("Run", ids, key="a", bind="query-params", width=PICK_WIDTH)
    run, name, own_colour, table = usable[picked if picked in usable else ids[0]]
    beside = pick_beside(run, ids)
    by = st.segmented_control(
        "Colour by", COLOURINGS, default="misplaced", required=True, key="colour", bind="query-params"
    )
stored = remembered(spaces_with_samples, run)
with more():
    split = pick_split()
    space = pick_space([stored])
    method = pick_method(run, space)
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
        "Names of",
        ["all", "class", "head", "medium", "tail", "none"],
        default="all",
        required=True,
        key="means",
        bind="query-params",
        help="The name of a class above the densest place of its shown points.",
    )
    plays = st.toggle(
        "Play over epochs",
        key="play",
        bind="query-params",
        help="Moves in the browser, the first run alone. Points are selected with this off: a box over moving "
        "points would take in others at every epoch. What is selected stays marked and can be followed.",
    )
    st.caption(plain(spaces_sentence([(name, stored)], space)) + WHOLE_IMAGES * (space in image_wise(stored)))
    epoch_place = st.container()


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
        other = None if plays or beside is None else usable[beside]
        # side by side where there is room for both, else below each other
        with st.grid(min_column_width=380, key="maps") if other else st.container():
            left, right = st.container(), st.container() if other else None
        with left:
            st.markdown(f"##### {plain(name)}: {placement_verdict(record)}")
            chosen = draw(layout, table, record, colouring, named, view=view, frame=frame)
        if other and right:
            with right:
                draw_beside(
                    other,
                    record,
                    caption(layout, record),
                    means=means,
                    by=by or "misplaced",
                    focus=focus,
                    chosen=chosen,
                    of=table,
                )
        of = f"marks and images below are those of epoch {epoch_number}" if plays else f"epoch {epoch_number}"
        st.caption(
            f"{caption(layout, record)} {plain(name)}, {of}. A pair is an image and one of the labels it has."
        )
        st.markdown(plain(placement_sentence(record)))
        shown = chosen or tuple(record.samples[record.misplaced].tolist())
        with st.container(horizontal=True, vertical_alignment="center"):
            if chosen:
                st.subheader(f"{len(chosen)} selected")
                link_to_images(run, table, chosen, focus)
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
    layout = pick_layout(run, space, method)
    with epoch_place:
        epoch = None if layout is None else layout.epochs[-1] if plays else pick_epoch(list(layout.epochs))
    record = None if epoch is None else remembered(placement, run, epoch, split=split, space=space)
    found = None if epoch is None else remembered(outcomes, run, epoch)
except RunFormatError as error:
    st.warning(plain(error))
else:
    if layout is None or record is None:
        st.info(f"{plain(name)} kept no samples of {split} in {space}; choose another split or space.")
    else:
        focus = (
            table.class_names.index(focus_name)
            if focus_name in table.class_names
            else record.classes[0].class_index
        )
        map_and_gallery(layout, record, found, focus, named_classes(table, means, focus))
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
