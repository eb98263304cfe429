"""What a job printed."""

from __future__ import annotations

import streamlit as st

from app.session import jobs
from app.train.jobs import TRAINING
from app.widgets.plain_text import plain
from mlcnc.analysis.curves.live import found_lines, log_tail
from mlcnc.errors import MlcncError
from mlcnc.launch import Job

LOG_LINES = 12
FOUND_LINES = 200
SEARCHED_BYTES = 200_000
"""Of the end of a log."""


def last_words(job: Job) -> str:
    """Return the last line that a job printed after a colon, e.g. how far the maps of photographs are."""
    try:
        lines = jobs().log(job.job_id, max_bytes=2000).splitlines()
    except MlcncError:
        return ""
    # nothing is printed before PyTorch is there, which takes long where the processor is busy
    return f": {plain(lines[-1])}" if lines else ": PyTorch is loading, up to a minute where others compute too"


def show_log(job: Job) -> None:
    """Draw the last lines of a job's log, or those that hold what is searched for."""
    try:
        whole = jobs().log(job.job_id, max_bytes=SEARCHED_BYTES)
    except MlcncError as error:
        st.caption(plain(str(error)))
        return
    if not whole.strip():
        return
    with st.expander(
        "Log", expanded=job.state == "failed" or job.request.kind not in TRAINING, key=f"log_{job.job_id}"
    ):
        wanted = st.text_input(
            "Search", key=f"search_{job.job_id}", placeholder="error", icon=":material/search:", max_chars=200
        )
        shown, said = (
            found_lines(whole, wanted, FOUND_LINES)
            if wanted.strip()
            else (log_tail(whole, LOG_LINES), "The last lines")
        )
        if shown:
            st.code(shown, language=None, wrap_lines=True)
        st.caption(f"{said}; all of it: mlcnc jobs logs {plain(job.job_id)}")
