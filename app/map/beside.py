"""A second run beside the first map, with the samples marked that are selected on the first."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.address import follow_default
from app.figures.feature_map import feature_map
from app.map.chart import READING, caption, coloured, map_frame
from app.session import remembered
from app.widgets.chart import show_chart
from app.widgets.controls import NONE, PICK_WIDTH
from app.widgets.drawing import drawing_of
from app.widgets.plain_text import plain
from mlcnc.analysis.samples.layouts import Layout, SampleTable, pca_layout, umap_layout
from mlcnc.analysis.samples.placement import (
    Placement,
    outcomes,
    placement,
    placement_verdict,
    same_samples,
)
from mlcnc.errors import RunFormatError
from mlcnc.store import Run


def pick_beside(run: Run, ids: Sequence[str]) -> str | None:
    """Ask for a second run, at the start the next picked one; None where there is none or none is wanted."""
    others = [run_id for run_id in ids if run_id != run.run_id]
    if not others:
        return None
    options = [NONE, *others]
    follow_default("b", others[0])
    if st.session_state.get("b") not in (None, *options):
        st.session_state["b"] = others[0]
    chosen = st.selectbox("Beside it", options, index=1, key="b", bind="query-params", width=PICK_WIDTH)
    return chosen if chosen in others else None


def pick_method(run: Run, space: str) -> str:
    """Ask for the picture, at the start UMAP where the run has one of the space."""
    try:
        first = "PCA" if remembered(umap_layout, run, space) is None else "UMAP"
    except RunFormatError:
        first = "PCA"
    follow_default("method", first)
    chosen = st.segmented_control(
        "Picture",
        ["UMAP", "PCA"],
        default=first,
        required=True,
        key="method",
        bind="query-params",
        help="UMAP is read from the run folder, and comes first where it is there. PCA is linear and computed "
        "at once.",
    )
    return chosen or first


def named_classes(table: SampleTable, means: str | None, focus: int) -> tuple[int, ...]:
    """Return the classes that get a name."""
    if means == "class":
        return (focus,)
    return tuple(i for i, bucket in enumerate(table.buckets) if means in ("all", bucket))


def draw_beside(
    other: tuple[Run, str, str, SampleTable],
    first: Placement,
    first_caption: str,
    *,
    means: str | None,
    by: str,
    focus: int,
    chosen: Sequence[int],
    of: SampleTable,
) -> None:
    """Draw the map of a second run, of the same split, space and picture where it has them.

    Args:
        other: run, name, colour and samples.
        first: what is drawn of the first run.
        first_caption: of that map.
        means, by, focus: of the controls.
        chosen: samples selected on the first map, marked here where they are the same.
        of: samples of the first run.
    """
    run, name, colour, table = other
    try:
        layout = _layout(run, first.space)
        record = None
        if layout is not None:
            at = min(layout.epochs, key=lambda epoch: (abs(epoch - first.epoch), -epoch))
            record = remembered(placement, run, at, split=first.split, space=first.space)
        if layout is None or record is None:
            st.info(f"{plain(name)} kept no samples of {first.split} in {first.space}.")
            return
        found = remembered(outcomes, run, record.epoch)
    except RunFormatError as error:
        st.warning(plain(error))
        return
    known = focus if focus < len(table.class_names) else record.classes[0].class_index
    same = same_samples(of, table)
    st.markdown(f"##### {plain(name)}: {placement_verdict(record)}")
    show_chart(
        drawing_of(
            feature_map,
            layout,
            table,
            record.samples,
            coloured(by, table, record, found, known, colour),
            record.epoch,
            named=named_classes(table, means, known),
            chosen=frozenset(chosen) if same else (),
        ),
        key="map_beside",
        title=caption(layout, record),
        alt=f"Map of {len(record.samples)} sampled pairs of {name}. {placement_verdict(record)}",
        reading=READING,
        frame=map_frame(layout, table, record, found),
    )
    marked = "What is selected on the left is marked here." if same else "Its samples are of other images."
    own = caption(layout, record)
    # what both maps share is said below the first
    st.caption(f"{'' if own == first_caption else own} Epoch {record.epoch + 1}. {marked}")


def _layout(run: Run, space: str) -> Layout | None:
    """Return UMAP where it is asked for and stored, else PCA."""
    stored = remembered(umap_layout, run, space) if st.session_state.get("method") != "PCA" else None
    return stored if stored is not None else remembered(pca_layout, run, space)
