"""Test images of one class by kind of decision, page by page; those with stored attention come first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.address import from_ranges
from app.session import remembered
from app.widgets.plain_text import plain
from app.widgets.scroll_into_view import ask_to_scroll
from app.widgets.stored_picture import picture_addresses
from mlcnc.analysis.images.decisions import KINDS, SHORT, Decisions
from mlcnc.analysis.images.photographs import needs_data_folder
from mlcnc.analysis.images.pictures import picture_index
from mlcnc.store import Run

IMAGE_KEY = "image"
ONLY_KEY = "only"
"""Of the address: the images that were selected on the map."""

DETAIL = "image_detail"
"""Key of the container of the opened image."""

PER_PAGE = 14
"""Two full rows in a wide window."""


def pick_kind(record: Decisions) -> str:
    """Show how many images there are of each kind, and ask for one."""
    with st.container(horizontal=True, gap="medium"):
        for kind in KINDS:
            st.metric(
                f"{kind} ({SHORT[kind]})",
                len(record.images[kind]),
                width="content",
                help={
                    "missed": "has the class, score below the threshold",
                    "found": "has the class, score at or above the threshold",
                    "false alarm": "lacks the class, score at or above the threshold",
                    "rightly absent": "lacks the class, score below the threshold",
                }[kind],
            )
    chosen = st.segmented_control(
        "Show images that are", KINDS, default=KINDS[0], required=True, key="kind", bind="query-params"
    )
    return chosen if chosen in KINDS else KINDS[0]


def gallery_title(number: int, class_name: str, kind: str, run_name: str) -> str:
    """Return what the pictures of a gallery have in common, e.g. ``2 test images with cow, missed by etf``."""
    there = "with" if kind in ("missed", "found") else "without"
    what = "in which it is seen" if kind == "false alarm" else kind
    return f"{number} test {'image' if number == 1 else 'images'} {there} {class_name}, {what} by {run_name}"


def images_from_map(number: int) -> list[int]:
    """Return the images below ``number`` that were selected on the map and are in the address."""
    return list(from_ranges(st.query_params.get(ONLY_KEY), number))


def forget_map() -> None:
    """Show the images of a kind again; only in a callback."""
    st.query_params.pop(ONLY_KEY, None)


def in_order(images: NDArray[np.int64], first: Collection[int]) -> list[int]:
    """Return the images with those of ``first`` in front, else in their own order."""
    return sorted(images.tolist(), key=lambda image: image not in first)


def show_gallery(
    run: Run, record: Decisions, images: list[int], with_attention: Collection[int], labels: NDArray[np.bool_]
) -> None:
    """Draw one page of pictures; each opens its image above.

    Args:
        run: whose pictures.
        record: decisions on the class.
        images: indices of test images in the order to show.
        with_attention: images whose attention is stored.
        labels: (N, C) which classes each image has.
    """
    pages = max(1, -(-len(images) // PER_PAGE))
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="page", bind="query-params")
    if not remembered(picture_index, run).positions and not needs_data_folder(run):
        st.info("This run kept no pictures: train with --training.num_pictures 2000 to see its images.")
    names = run.info.class_names
    shown = images[(page - 1) * PER_PAGE : page * PER_PAGE]
    true = {image: ", ".join(names[i] for i in np.flatnonzero(labels[image])) or "no label" for image in shown}
    pictures = picture_addresses(run, [("test", image) for image in shown])
    if not any(pictures):
        rows = [(i, record.scores[i], true[i], "stored" if i in with_attention else "") for i in shown]
        _show_list(pd.DataFrame(rows, columns=["image", "score", "labels", "attention"]))
        return
    with st.grid(min_column_width=116, gap="small", key="image_gallery"):
        for image, picture in zip(shown, pictures, strict=True):
            with st.container():
                if picture:
                    st.image(picture, width="stretch", alt=f"test image {image}: {true[image]}")
                badge = ":material/visibility: " if image in with_attention else ""
                st.caption(f"{badge}score {record.scores[image]:.2f}; {plain(true[image])}")
                st.button(
                    f"Open {image}",
                    key=f"open_{image}",
                    type="tertiary",
                    on_click=open_image,
                    args=(image,),
                    help="attention stored" if image in with_attention else "scores only, no attention stored",
                )


def _show_list(frame: pd.DataFrame) -> None:
    """Draw the images of a page in lines where there is no picture of any; a click on a box opens one."""
    # opened, an image has its number in the address, and the list begins without a box ticked
    key = f"image_list_{st.session_state.get(IMAGE_KEY)}"

    def opened() -> None:
        for row in st.session_state[key]["selection"]["rows"]:
            open_image(int(frame["image"][row]))

    st.dataframe(
        frame,
        key=key,
        on_select=opened,
        selection_mode="single-row",
        hide_index=True,
        column_config={"score": st.column_config.NumberColumn(format="%.2f")},
        alt=f"{len(frame)} test images with score and labels, as no pictures are stored",
    )


def open_image(image: int, kind: str | None = None) -> None:
    """Show an image, and the gallery of a kind where it is given; only in a callback."""
    st.session_state[IMAGE_KEY] = image
    if kind is not None:
        st.session_state["kind"] = kind
        st.session_state["page"] = 1
    ask_to_scroll(DETAIL)


def offer_attention(images: Mapping[str, Sequence[int]], kind: str, class_name: str) -> None:
    """Offer to open an image whose attention is stored: of the kind shown, or else of any other kind.

    Args:
        images: by kind, those with stored attention.
        kind: shown in the gallery.
        class_name: decided on.
    """
    if images[kind]:
        st.button(
            f"Open image {images[kind][0]}: {kind}, with attention",
            icon=":material/visibility:",
            key="offer_attention",
            on_click=open_image,
            args=(images[kind][0],),
        )
        return
    others = {other: found for other, found in images.items() if found}
    if not others:
        return
    counts = ", ".join(f"{len(found)} {other}" for other, found in others.items())
    st.caption(f"Of the images with stored attention none is {kind} for {plain(class_name)}, but {counts}.")
    with st.container(horizontal=True):
        for other, found in others.items():
            st.button(
                f"Open one that is {other}",
                icon=":material/visibility:",
                key=f"offer_{SHORT[other]}",
                on_click=open_image,
                args=(found[0], other),
            )
