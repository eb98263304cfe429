"""A run on photographs where they lie on disk, and the way to get them where they do not."""

from __future__ import annotations

import streamlit as st

from app.session import data_root, runs_root
from app.train.actions import queueing_button
from app.train.jobs import sentence
from app.widgets.plain_text import plain
from mlcnc.analysis.images.photographs import photographs_in
from mlcnc.errors import DataError
from mlcnc.launch import Job, JobRequest

DATASET = "voc07-lt"
PRESET = "voc07-lt"
FOLDER_KEY = "photographs_folder"


def known_data_root(refused: bool) -> str | None:
    """Return the folder of data sets that the page's field names, else that of the server, else None.

    Args:
        refused: launching is off, and the field is not looked at.
    """
    typed = None if refused else st.session_state.get(FOLDER_KEY)
    return str(typed or data_root() or "").strip() or None


def show_photographs(refused: bool, running: list[Job]) -> None:
    """Draw the card of the preset: its button where the photographs are found, else the way to get them.

    Args:
        refused: launching is off.
        running: jobs that wait or run, of which one may be the download.
    """
    with st.container(border=True, gap="small", key="photographs_box"):
        st.markdown("**Photographs, frozen backbone**")
        st.markdown(
            f"{DATASET}: 4,952 photographs of PASCAL VOC 2007, long-tailed, with a backbone pretrained on "
            "ImageNet that stays as it is: only the head is trained, in 75 seconds on two idle cores. "
            "Before the first run, what the backbone makes of each photograph is computed once and kept in the "
            "cache folder: some four minutes and 1.4 GB."
        )
        if not st.session_state.get(FOLDER_KEY):
            st.session_state[FOLDER_KEY] = _usual_root()
        st.text_input(
            "Folder of data sets",
            key=FOLDER_KEY,
            persist_state="session",
            width=500,
            disabled=refused,
            help="In which data sets of photographs lie, each in a folder of its name. At first it is that of "
            "--data-root or of the MLCNC_DATA variable.",
        )
        root = known_data_root(refused) or _usual_root()
        try:
            folder = photographs_in(DATASET, root)
        except DataError as error:
            _offer_download(root, error, refused, running)
            return
        st.caption(plain(f"Found in {folder}."))
        queueing_button(
            "Start on photographs",
            "start_photographs",
            lambda: [photographs_request(root)],
            lambda queued: f"The run on photographs is queued: {queued[0].run_id}.",
            icon=":material/play_arrow:",
            disabled=refused,
        )


def _usual_root() -> str:
    return data_root() or str(runs_root().absolute().parent / "data")


def photographs_request(root: str) -> JobRequest:
    """Return the job that trains on the photographs below ``root``."""
    return JobRequest(kind="train", preset=PRESET, settings={"data": {"root": root}})


def download_request(root: str) -> JobRequest:
    """Return the job that gets them."""
    return JobRequest(kind="data", dataset=DATASET, out=root)


def _offer_download(root: str, error: DataError, refused: bool, running: list[Job]) -> None:
    # nothing is wrong as long as nobody wants them
    st.caption(plain(sentence(str(error))))
    if any(job.request.kind == "data" for job in running):
        st.caption("A download is in the list of jobs; its progress stands in its log.")
        return
    queueing_button(
        f"Download {DATASET}",
        "photographs_download",
        lambda: [download_request(root)],
        lambda queued: f"The download of {DATASET} is queued.",
        icon=":material/download:",
        disabled=refused,
        help="From the authors, as a job; needs a network. Broken off, it goes on where it was.",
    )
