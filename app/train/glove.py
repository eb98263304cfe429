"""Where GloVe vectors are: a file by its path, or a download as a job."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.session import runs_root
from app.train.actions import queueing_button
from app.train.jobs import size
from app.widgets.plain_text import plain
from mlcnc.analysis.user_files.glove_file import GloveFile, glove_file
from mlcnc.errors import ConfigError
from mlcnc.launch import Job, JobRequest
from mlcnc.named_paths import path_in_variable

GLOVE_KEY = "glove_file"


def known_glove(refused: bool) -> GloveFile | None:
    """Return the usable file that the page's field or the MLCNC_GLOVE variable names, or None.

    Args:
        refused: launching is off, and the field is not looked at.
    """
    try:
        path = _path(refused)
        return glove_file(path) if path else None
    except ConfigError:
        return None


def show_glove(refused: bool, running: list[Job]) -> None:
    """Ask for the file, say whether it is usable, and offer to download one.

    Args:
        refused: launching is off.
        running: jobs that wait or run, of which one may be the download.
    """
    with st.expander("GloVe vectors", icon=":material/text_fields:", key="glove_box"):
        if not st.session_state.get(GLOVE_KEY):
            st.session_state[GLOVE_KEY] = _usual_path()
        path = st.text_input(
            "File of GloVe vectors",
            key=GLOVE_KEY,
            persist_state="session",
            disabled=refused,
            placeholder="/path/to/glove.6B.300d.txt",
            help="A text file: a word and its numbers on every line. Runs with label embedding glove read it, "
            "and those of ML-GCN.",
        )
        # whoever may not start anything learns nothing of other files than the server's own
        path = _path(refused) if refused else path
        if path and path.strip():
            try:
                found = glove_file(path.strip())
            except ConfigError as error:
                st.warning(plain(f"Not usable: {error}."))
            else:
                st.success(
                    plain(f"Usable: {found.dim} numbers a word, {size(found.size_bytes)}."),
                    icon=":material/check:",
                )
        if any(job.request.kind == "glove" for job in running):
            st.caption("A download is in the list of jobs; its progress stands in its log.")
            return
        queueing_button(
            "Download GloVe 6B",
            "glove_download",
            lambda: [download_request()],
            lambda queued: "The download of GloVe vectors is queued.",
            icon=":material/download:",
            disabled=refused,
            help="862 MB from the authors, as a job; needs a network. Broken off, it goes on where it was.",
        )


def download_request() -> JobRequest:
    """Return the job that downloads the vectors beside the runs folder."""
    return JobRequest(kind="glove", out=str(_download_folder()))


def _path(refused: bool) -> str:
    typed = None if refused else st.session_state.get(GLOVE_KEY)
    return str(typed or _usual_path()).strip()


def _usual_path() -> str:
    """Return the path of the variable, else that of a finished download, else nothing."""
    if named := path_in_variable("MLCNC_GLOVE"):
        return str(named)
    downloaded = _download_folder() / "glove.6B.300d.txt"
    return str(downloaded) if downloaded.is_file() else ""


def _download_folder() -> Path:
    return runs_root().absolute().parent / "glove"
