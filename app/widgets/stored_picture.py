"""A picture that a run keeps of one of its images."""

from __future__ import annotations

from base64 import b64encode

import streamlit as st

from mlcnc.analysis.pictures import PictureIndex, picture_bytes
from mlcnc.store import Run


def show_picture(run: Run, index: PictureIndex, split: str, image: int, alt: str) -> bool:
    """Draw a small picture as wide as its place; return whether there is one.

    It goes to the browser as it is stored: given bytes, Streamlit would decode and encode each one again at
    every run of the page.

    Args:
        run: whose picture.
        index: of that run, from ``picture_index``.
        split: ``train`` or ``test``.
        image: index into the split.
        alt: what a reader who does not see it learns.

    Raises:
        RunFormatError: the file is damaged, or holds something else than a small picture.
    """
    encoded = picture_bytes(run, index, split, image)
    if encoded is None:
        return False
    st.image(f"data:image/webp;base64,{b64encode(encoded).decode()}", width="stretch", alt=alt)
    return True
