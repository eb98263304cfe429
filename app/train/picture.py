"""Class means of the followed run at a measured epoch: their angles and places beside a simplex ETF."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.figures.live_picture import PICTURE_HEIGHT, angles_spec, angles_table, ring_spec, ring_table
from mlcnc.analysis.geometry.angles import AngleRecord, class_mean_angles
from mlcnc.analysis.geometry.class_ring import ClassRing, class_ring
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

TITLES = ("Angles of class means", "Class means in the plane of a simplex ETF")
READING = (
    "White is the angle of a simplex ETF, blue is too close, brown too far apart. Class means (open: train, "
    "filled: test) of a simplex ETF lie on the orange crosses; classes go by falling number of training "
    "images, anticlockwise from the right."
)


class Picture(NamedTuple):
    """Of one epoch: angles by split, training first, and the plane."""

    angles: dict[str, AngleRecord]
    ring: ClassRing


def show_picture(run: Run, space: str, *, changing: bool) -> bool:
    """Draw the class means of the newest epoch that stored them; of an ended run any can be chosen.

    Args:
        run: of which.
        space: of the features.
        changing: the run goes on, so that the newest epoch is shown.

    Returns:
        Whether there was anything to draw.
    """
    epochs = run.array_epochs()
    wanted = st.session_state.get(_key(run)) if not changing else None
    tried = [*(epoch for epoch in epochs if wanted == epoch + 1), *reversed(epochs)]
    # a file may be damaged, or hold no class means
    picture = next((found for epoch in tried if (found := _kept(run, epoch, space)) is not None), None)
    if picture is None:
        return False
    above, *_, below = [*picture.angles.values(), *picture.angles.values()]
    first, both = next(iter(picture.angles)), len(picture.angles) > 1
    at = f"epoch {picture.ring.epoch + 1}"
    with _grid():
        with st.container():
            st.markdown(f"**{TITLES[0]}**, {at}: {'above train, below test' if both else first}")
            st.vega_lite_chart(
                angles_table(above, below),
                angles_spec(above),
                key=f"live_angles_{run.run_id}_{space}",
                height=PICTURE_HEIGHT,
                alt=f"{TITLES[0]}; white is {above.optimum:.0f}°, that of a simplex ETF",
            )
        with st.container():
            st.markdown(f"**{TITLES[1]}**, {at}")
            st.vega_lite_chart(
                ring_table(picture.ring),
                ring_spec(picture.ring),
                key=f"live_ring_{run.run_id}_{space}",
                width=PICTURE_HEIGHT,
                height=PICTURE_HEIGHT,
                alt=f"{TITLES[1]}; at collapse every class lies on its cross",
            )
    st.caption(READING)
    if not changing and len(epochs) > 1:
        shown = [epoch + 1 for epoch in epochs]
        st.select_slider("Epoch of these pictures", shown, value=shown[-1], key=_key(run))
    return True


def keep_room() -> None:
    """Draw the frames of the pictures, so that nothing below is pushed down when they come."""
    with _grid():
        for title in TITLES:
            with st.container():
                st.markdown(f"**{title}**")
                with st.container(height=PICTURE_HEIGHT, border=True):
                    st.caption("Begin with the first measured epoch.")
    st.caption(READING)


def _grid() -> st.delta_generator.DeltaGenerator:
    return st.grid(2, min_column_width=390, key="live_pictures")


def _key(run: Run) -> str:
    return f"picture_epoch_{run.run_id}"


def _kept(run: Run, epoch: int, space: str) -> Picture | None:
    """Return the picture of an epoch, read again only when its file changed."""
    try:
        stat = os.stat(run.folder / "epochs" / f"{epoch:04d}.safetensors")
    except OSError:
        return None
    return _picture(str(run.folder), epoch, space, (stat.st_ino, stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=32)
def _picture(folder: str, epoch: int, space: str, identity: tuple[int, ...]) -> Picture | None:
    run = Run(Path(folder))
    try:
        ring = class_ring(run, epoch, space)
        angles = {
            split: record
            for split in ("train", "test")
            if (record := class_mean_angles(run, epoch, split=split, space=space, centring="class")) is not None
        }
    except RunFormatError:
        return None
    return None if ring is None or not angles else Picture(angles, ring)
