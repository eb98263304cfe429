"""Pictures of chosen image-label pairs, page by page, and the pairs nearest to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.address import as_ranges, handed_over, note_shown
from app.images.gallery import ONLY_KEY, PER_PAGE
from app.session import remembered
from app.widgets.plain_text import plain
from app.widgets.stored_picture import picture_addresses
from mlcnc.analysis.images.decisions import KINDS
from mlcnc.analysis.images.photographs import needs_data_folder
from mlcnc.analysis.images.pictures import picture_index
from mlcnc.analysis.samples.layouts import SampleTable
from mlcnc.analysis.samples.placement import Outcomes, Placement, nearest_samples
from mlcnc.store import Run

NUM_NEIGHBOURS = 7


def show_samples(
    run: Run, table: SampleTable, samples: Sequence[int], record: Placement, outcomes: Outcomes | None
) -> list[int]:
    """Draw one page of pictures, each with its class, how it lies, and a link to the Images page.

    Returns:
        The samples of the page that is shown.
    """
    pages = max(1, -(-len(samples) // PER_PAGE))
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="map_page", bind="query-params")
    shown = list(samples[(page - 1) * PER_PAGE : page * PER_PAGE])
    words = {sample: _words(table, sample, record, outcomes) for sample in shown}
    if not needs_data_folder(run) and not remembered(picture_index, run).positions:
        st.info("This run kept no pictures, so its samples are listed; training.num_pictures keeps them.")
    _draw(run, table, words, "map_gallery", outcomes)
    return shown


def show_neighbours(
    run: Run, table: SampleTable, record: Placement, samples: Sequence[int], *, of_images: bool = False
) -> None:
    """Ask for one of the samples and draw the pairs of its split that are nearest to it in feature space.

    Args:
        of_images: whether all pairs of an image have one feature; then they are no neighbours of each other.
    """
    options = [str(sample) for sample in samples]

    def named(option: str) -> str:
        sample = int(option)
        return f"sample {sample}: {plain(table.name(sample))} in image {table.image_index[sample]}"

    picked = st.selectbox("Neighbours of", options, format_func=named, key="sample", bind="query-params")
    sample = int(picked if picked in options else options[0])
    note_shown("sample", named(str(sample)))
    others = record.samples
    if of_images:
        others = others[table.image_index[others] != table.image_index[sample]]
    found = remembered(
        nearest_samples,
        run,
        record.epoch,
        record.space,
        sample,
        among=tuple(others.tolist()),
        number=NUM_NEIGHBOURS,
    )
    same = sum(table.class_index[item.sample] == table.class_index[sample] for item in found)
    st.markdown(
        f"{same} of the {len(found)} nearest sampled {record.split} pairs are {plain(table.name(sample))} too: "
        f"nearest by cosine in {record.space} after epoch {record.epoch + 1}, not in the picture."
    )
    _draw(run, table, {item.sample: f"cosine {item.cosine:.3f}" for item in found}, "map_neighbours")


def _draw(
    run: Run, table: SampleTable, words: Mapping[int, str], key: str, outcomes: Outcomes | None = None
) -> None:
    """Draw a picture of each sample with its words, or a list of them where there is no picture of any."""
    images = {sample: (table.split[sample], int(table.image_index[sample])) for sample in words}
    pictures = picture_addresses(run, list(images.values()))
    if not any(pictures):
        rows = [(*images[sample], table.name(sample), said) for sample, said in words.items()]
        frame = pd.DataFrame(rows, columns=["split", "image", "class", "how it lies"])
        st.dataframe(frame, hide_index=True, key=key, alt=f"{len(frame)} samples, as no pictures are stored")
        return
    with st.grid(min_column_width=120, gap="small", key=key):
        for (sample, said), picture in zip(words.items(), pictures, strict=True):
            with st.container():
                _tile(run, picture, table, sample, said, outcomes.words[sample] if outcomes else "")


def _tile(run: Run, picture: str | None, table: SampleTable, sample: int, words: str, outcome: str) -> None:
    split, image, name = table.split[sample], int(table.image_index[sample]), table.name(sample)
    if picture:
        st.image(picture, width="stretch", alt=f"{split} image {image} with {name}: {words}")
    said = f"**{plain(name)}** {plain(words)}"
    st.caption(said if picture else f"(no picture stored) {said}")
    if split == "test":
        _link_to_image(run, image, name, outcome)


def link_to_images(run: Run, table: SampleTable, samples: Sequence[int], class_index: int) -> None:
    """Offer the test images of selected samples on the page of images; nothing where there is none."""
    images = sorted({int(table.image_index[sample]) for sample in samples if table.split[sample] == "test"})
    if not images:
        return
    settings = handed_over(
        **{ONLY_KEY: as_ranges(images), "class": table.class_names[class_index], "a": run.run_id}
    )
    try:
        st.page_link(
            "images/page.py",
            label=f"Open these {len(images)} images",
            icon=":material/visibility:",
            query_params=settings,
        )
    except StreamlitAPIException:  # a page opened by itself has no others
        st.caption(f"{len(images)} images")


def _link_to_image(run: Run, image: int, name: str, outcome: str) -> None:
    kind = {"kind": outcome} if outcome in KINDS else {}
    try:
        st.page_link(
            "images/page.py",
            label=f"image {image}",
            icon=":material/visibility:",
            query_params=handed_over(**{"image": str(image), "class": name, "a": run.run_id}, **kind),
        )
    except StreamlitAPIException:  # a page opened by itself has no others
        st.caption(f"image {image}")


def _words(table: SampleTable, sample: int, record: Placement, outcomes: Outcomes | None) -> str:
    place = int((record.samples == sample).argmax())
    nearest = int(record.nearest[place])
    lies = "in place" if not record.misplaced[place] else f"nearer to {table.class_names[nearest]}"
    outcome = outcomes.words[sample] if outcomes else "no score"
    return lies if outcome == "no score" else f"{lies}, {outcome}"
