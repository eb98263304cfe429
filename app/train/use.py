"""How far a job is and what it takes of the machine, in numbers."""

from __future__ import annotations

import streamlit as st

from app.session import known_devices
from app.train.jobs import TRAINING, duration, size
from app.widgets.plain_text import plain
from mlcnc.analysis.curves.live import LiveCurves, Progress
from mlcnc.analysis.runs.rows import epochs_of
from mlcnc.launch import Job
from mlcnc.store import Run


def show_progress(job: Job, how_far: Progress) -> None:
    """Draw how far a training job is."""
    measuring = how_far.batch == how_far.num_batches
    at = "measuring" if measuring else f"batch {how_far.batch} of {how_far.num_batches}"
    batch = f", {at}" if how_far.batch else ""
    if job.is_active and how_far.num_epochs and how_far.num_logged < how_far.num_epochs:
        words = f"epoch {how_far.num_logged + 1} of {how_far.num_epochs}{batch}"
    else:
        words = f"{epochs_of(how_far.num_logged, how_far.num_epochs)} logged"
    st.progress(how_far.share, text=words)


def show_use(job: Job, run: Run | None, curves: LiveCurves | None, how_far: Progress | None) -> None:
    """Draw time left, speed, processor, memory and device of a job that runs; nothing for others.

    Args:
        job: of any kind.
        run, curves, how_far: what its training wrote so far; left out where it trains nothing.
    """
    if not job.is_active or job.state == "queued":
        return
    with st.container(horizontal=True, gap="medium"):
        if job.request.kind in TRAINING:
            st.metric("Time left", _time_left(curves, how_far), width="content")
            speed = None if curves is None else curves.images_per_second
            st.metric("Images a second", "-" if speed is None else f"{speed:.0f}", width="content")
        if (now := job.use) is not None:
            st.metric("Processor", f"{now.cpu_percent:.0f} %", width="content", help="100 % is one core.")
            st.metric("Memory", size(now.rss_bytes), width="content")
            if now.gpu_percent is not None:
                st.metric("GPU", f"{now.gpu_percent:.0f} %", width="content")
            if now.gpu_memory_bytes is not None:
                st.metric("GPU memory", size(now.gpu_memory_bytes), width="content")
    device = run.status.device if run is not None and run.status.device else job.device
    if device and job.request.kind not in ("glove", "data"):
        st.caption(plain(f"On {device}{_why(job)}."))


def _time_left(curves: LiveCurves | None, how_far: Progress | None) -> str:
    if how_far is not None and how_far.eta_seconds is not None:
        return duration(how_far.eta_seconds)
    return "-" if curves is not None and curves.num_logged else "after epoch 1"


def _why(job: Job) -> str:
    if job.request.kind == "layout":
        return ", where UMAP computes"
    if job.request.device != "auto":
        return ": asked for"
    chosen = [device.why for device in known_devices() if device.name == job.device]
    return f": {chosen[0]}" if chosen and chosen[0] else ": auto chose it"
