"""The jobs as a list: what waits, in order, and what has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from app.session import opened_run
from app.train.actions import follow, move, remove, resume, show_way_to, start_workers, stop
from app.train.form import fill_from
from app.train.jobs import (
    TRAINING,
    begun_by,
    duration,
    job_name,
    may_resume,
    queued_jobs,
    running_jobs,
    state_badge,
    successor,
)
from app.widgets.plain_text import plain
from mlcnc.analysis.curves.live import seconds_between
from mlcnc.launch import Job

SHOWN = 6


def show_queue(every: Sequence[Job], shown: Job | None, refused: bool) -> None:
    """Draw the jobs that run or wait, with buttons to change their order, take them out and stop them."""
    queued = queued_jobs(every)
    if any(job.is_unattended for job in queued):
        st.info(
            "What waits is not started: no worker is there, as after a restart of the machine.",
            icon=":material/pause_circle:",
        )
        st.button(
            "Let the queue go on",
            icon=":material/play_arrow:",
            key="start_workers",
            disabled=refused,
            on_click=start_workers,
        )
    for job in [*running_jobs(every), *queued]:
        is_last = not job.place or job is queued[-1]
        with _row(job, shown, begun_by(job, every)):
            _button("Show", "visibility", "show", job, partial(follow, job.job_id), job is shown)
            if job.state == "queued":
                first = job is queued[0] or not job.place
                _button("Up", "arrow_upward", "up", job, partial(move, job.job_id, -1), refused or first)
                _button("Down", "arrow_downward", "down", job, partial(move, job.job_id, 1), refused or is_last)
                _button("Remove", "delete", "remove", job, partial(remove, job.job_id), refused)
            else:
                asked = refused or job.state == "stopping"
                _button("Stop", "stop_circle", "stop", job, partial(stop, job.job_id), asked)


def show_ended(every: Sequence[Job], shown: Job | None, refused: bool) -> None:
    """Draw the jobs that have ended, the newest first, with buttons to go on, clone and remove them."""
    ended = [job for job in every if not job.is_active]
    for job in ended[:SHOWN]:
        _ended(job, every, shown, refused)
    if len(ended) > SHOWN:
        with st.expander(f"{len(ended) - SHOWN} older jobs", on_change="rerun", key="older_jobs") as older:
            if older.open:
                for job in ended[SHOWN:50]:
                    _ended(job, every, shown, refused)
                if len(ended) > 50:
                    st.caption(f"The newest 50 of {len(ended)}; mlcnc jobs list names them all.")


def _ended(job: Job, every: Sequence[Job], shown: Job | None, refused: bool) -> None:
    first = begun_by(job, every)
    with _row(job, shown, first, successor(job, every)):
        _button("Show", "visibility", "show", job, partial(follow, job.job_id), job is shown)
        if job.run_id and may_resume(job, every):
            _button("Resume", "resume", "resume", job, partial(resume, job), refused)
        if job.request.kind in TRAINING and (run := opened_run(job.run_id)) and run.status.epoch is not None:
            show_way_to("geometry", [run.run_id], "Geometry", ":material/hub:")
        if first is not None:
            _button("Clone", "content_copy", "clone", job, partial(fill_from, first), False)
        _button("Remove", "delete", "remove", job, partial(remove, job.job_id), refused)


def _row(
    job: Job, shown: Job | None, first: Job | None, later: Job | None = None
) -> st.delta_generator.DeltaGenerator:
    box = st.container(horizontal=True, vertical_alignment="center", gap="small", border=True)
    # a bare "1. " would begin a list
    place = f"{job.place}\\. " if job.state == "queued" and job.place else ""
    with box.container(width="stretch", gap="xxsmall"):
        mark = ":material/visibility: " if job is shown else ""
        st.markdown(f"{mark}{place}**{plain(job_name(job))}** {state_badge(job.state)}")
        st.caption(plain(_note(job, first, later)))
    return box


def _note(job: Job, first: Job | None, later: Job | None) -> str:
    label = job.request.after or ("" if first is None else first.request.preset)
    parts = [label] if label else []
    if job.device and job.state != "queued":
        parts.append(f"on {job.device}")
    seconds = seconds_between(job.started_at, job.finished_at)
    if seconds is not None:
        parts.append(f"took {duration(seconds)}")
    if job.headline:
        parts.append(job.headline)
    if later is not None:
        parts.append(f"resumed as {later.job_id} ({later.state})")
    return ", ".join(parts)


def _button(label: str, icon: str, what: str, job: Job, action: Callable[[], None], disabled: bool) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=f"{what}_{job.job_id}",
        on_click=action,
        disabled=disabled,
        type="tertiary",
    )
