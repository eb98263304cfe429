"""Pictures of a run's images: those that it keeps, else photographs of the reader's own data folder."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import streamlit as st

from app.session import data_root, remembered
from app.widgets.plain_text import plain
from mlcnc.analysis.images.attention import ProbeRecord
from mlcnc.analysis.images.photographs import photograph, where_photographs_are
from mlcnc.analysis.images.pictures import encoded_pictures
from mlcnc.errors import DataError
from mlcnc.store import Run

SMALL = 160
OPENED = 224
"""Longest sides of photographs, in pixels."""


def picture_addresses(run: Run, images: Sequence[tuple[str, int]]) -> list[str | None]:
    """Return the small pictures of images as addresses, None of those that have none here.

    They go to the browser as they are stored: given bytes, Streamlit would decode and encode each one again
    at every run of the page.

    Args:
        run: whose pictures.
        images: each by its split, ``train`` or ``test``, and its index there.

    Raises:
        RunFormatError: the file is damaged, or holds something else than a small picture.
    """
    encoded = remembered(encoded_pictures, run, tuple(images))
    return [
        photograph_address(run, *image, SMALL) if webp is None else _address(webp)
        for image, webp in zip(images, encoded, strict=True)
    ]


def photograph_address(run: Run, split: str, image: int, longest_side: int) -> str | None:
    """Return a photograph that the run names but does not store, or None where the reader does not have it.

    Raises:
        RunFormatError: a file of the run is damaged.
    """
    root = data_root()
    if root is None:
        return None
    try:
        return _address(remembered(photograph, run, root, split, image, longest_side))
    except DataError:
        return None


def photograph_of(run: Run, record: ProbeRecord) -> str | None:
    """Return the photograph of a probe image as an address, None where the run stores the image itself.

    Raises:
        RunFormatError: a file of the run is damaged.
    """
    return None if record.image is not None else photograph_address(run, "test", record.image_index, OPENED)


def say_where_photographs_are(runs: Sequence[Run]) -> None:
    """Say how photographs of the runs can be shown, where they cannot be; once a page.

    Raises:
        RunFormatError: a file of a run is damaged.
    """
    for sentence in where_photographs_are(runs, data_root()):
        st.info(plain(sentence), icon=":material/image_not_supported:")


def _address(webp: bytes) -> str:
    return f"data:image/webp;base64,{b64encode(webp).decode()}"
