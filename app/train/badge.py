"""In the sidebar of every page: what runs now, and whether a picked run has logged more than is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.session import RUNS_KEY, jobs, opened_run
from app.train.jobs import TRAINING, job_name, running_jobs
from app.widgets.plain_text import plain
from mlcnc.analysis.runs.rows import epochs_of
from mlcnc.errors import MlcncError
from mlcnc.launch import Job
from mlcnc.store import Run

TICK_SECONDS = 4.0
IDLE_TICK_SECONDS = 10.0
"""While nothing runs: a job may be started in a terminal or in another tab."""

FOLLOWS_BY_ITSELF = ("", "train")
"""Addresses of the pages that show new epochs unasked; on others a reader may be studying a chart."""

_SHOWN, _QUICK = "epochs_shown", "badge_is_quick"


def show_badge(address: str) -> None:
    """Draw the badge, again and again: quickly while something runs, else slowly, and where charts play never.

    Args:
        address: of the page, as ``st.Page.url_path``.
    """
    picked = _growing(st.session_state.get(RUNS_KEY) or [])
    st.session_state[_SHOWN] = _epochs(picked)
    st.session_state[_QUICK] = bool(picked or _active())
    # the Train page has a timer of its own and draws the whole page when a job changes its state
    if address == "train":
        timer = None
    elif st.session_state[_QUICK]:
        timer = TICK_SECONDS
    else:
        timer = IDLE_TICK_SECONDS if address in FOLLOWS_BY_ITSELF else None
    st.fragment(_badge, run_every=timer)(address)


def _badge(address: str) -> None:
    active = _active()
    if active:
        _show_active(active, address)
    shown: Mapping[str, tuple[int, str]] = st.session_state.get(_SHOWN, {})
    now = _epochs([run for run_id in shown if (run := opened_run(run_id)) is not None])
    more = [run_id for run_id, stand in now.items() if stand != shown.get(run_id)]
    if not more:
        if st.session_state.get(_QUICK) and not active and not _running(now):
            # nothing on the page changed, but its timer is to be a slow one or none
            st.rerun()
        return
    if address in FOLLOWS_BY_ITSELF:
        st.rerun()
    lines = [f"{plain(run_id)}: {_stand(*now[run_id])}" for run_id in more]
    with st.container(border=True, gap="small"):
        st.markdown("New since this page was drawn: " + "; ".join(lines) + ".")
        if st.button("Show it", icon=":material/refresh:", key="show_new_epochs"):
            st.rerun()


def _show_active(active: Sequence[Job], address: str) -> None:
    running = running_jobs(active)
    waiting = len(active) - len(running)
    # on Train the badge has no timer, and how far a job is stands beside it
    parts = [plain(job_name(job)) + ("" if address == "train" else _epoch_words(job)) for job in running[:2]]
    parts += [f"{len(running) - 2} more"] if len(running) > 2 else []
    words = f"Running: {', '.join(parts)}" if running else "Nothing runs yet"
    words += f"; {waiting} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    st.markdown(f":material/model_training: {words}.")
    if address != "train":
        try:
            st.page_link("train/page.py", label="Watch it", icon=":material/monitoring:")
        except (StreamlitAPIException, KeyError):  # opened without the entry script
            return


def _epoch_words(job: Job) -> str:
    run = opened_run(job.run_id)
    if run is None or job.request.kind not in TRAINING:
        return ""
    try:
        status = run.status
    except MlcncError:
        return ""
    return f" ({epochs_of(0 if status.epoch is None else status.epoch + 1, status.num_epochs)})"


def _active() -> list[Job]:
    try:
        return [job for job in jobs().all() if job.is_active]
    except (MlcncError, OSError):
        return []


def _growing(run_ids: Sequence[str]) -> list[Run]:
    found = []
    for run_id in run_ids:
        run = opened_run(run_id)
        try:
            if run is not None and run.status.state == "running":
                found.append(run)
        except MlcncError:
            continue
    return found


def _epochs(runs: Sequence[Run]) -> dict[str, tuple[int, str]]:
    """Return by run how many epochs are logged and its state."""
    found: dict[str, tuple[int, str]] = {}
    for run in runs:
        try:
            status = run.status
        except MlcncError:
            continue
        found[run.run_id] = (0 if status.epoch is None else status.epoch + 1, status.state)
    return found


def _running(stands: Mapping[str, tuple[int, str]]) -> bool:
    return any(state == "running" for _, state in stands.values())


def _stand(num_logged: int, state: str) -> str:
    epochs = f"{num_logged} epoch{'' if num_logged == 1 else 's'} logged"
    return epochs if state == "running" else f"{state}, {epochs}"
