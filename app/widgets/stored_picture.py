"""A picture that a run keeps of one of its images."""

from __future__ import annotations

import streamlit as st

from app.session import known_by
from mlcnc.analysis.pictures import PictureIndex, picture_bytes
from mlcnc.store import Run


def show_picture(run: Run, index: PictureIndex, split: str, image: int, alt: str) -> bool:
    """Draw a small picture as wide as its place; return whether there is one.

    Args:
        run: whose picture.
        index: of that run, from ``picture_index``.
        split: ``train`` or ``test``.
        image: index into the split.
        alt: what a reader who does not see it learns.

    Raises:
        RunFormatError: the file is damaged, or holds something else than a picture.
    """
    if (split, image) not in index.positions:
        return False
    _draw(repr((known_by(run), split, image)), alt, run, index, split, image)
    return True


# the element itself is kept: Streamlit decodes and encodes a picture each time that it is given one
@st.cache_data(max_entries=3000, max_size="64MB", show_spinner=False)
def _draw(key: str, alt: str, _run: Run, _index: PictureIndex, _split: str, _image: int) -> None:
    encoded = picture_bytes(_run, _index, _split, _image)
    if encoded is not None:
        st.image(encoded, width="stretch", alt=alt)
