"""What the buttons of the Train page do; each is refused where launching is, and ends in one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.address import with_runs
from app.session import jobs, runs_root
from app.train.clicks import LastAction, attempt, last_action
from app.train.jobs import queued_jobs, running_jobs, sentence
from app.widgets.plain_text import plain
from app.widgets.scroll_into_view import ask_to_scroll
from mlcnc.errors import JobNotFoundError, MlcncError
from mlcnc.launch import Job, JobRequest, LaunchError
from mlcnc.obstacles import obstacles

FOLLOWED = "job"
"""Query parameter: the job whose curves are shown."""

SHOWN_JOB = "shown_job"
"""Key of the container in which they are, which a click brings into view."""


def after_last_click() -> None:
    """Follow the job that the last button queued, and no longer one it removed; first thing on the page."""
    last = last_action()
    if last.gone is not None:
        if st.query_params.get(FOLLOWED) == last.gone:
            del st.query_params[FOLLOWED]
        last.gone = None
    if last.follow is not None:
        st.query_params[FOLLOWED] = last.follow
        last.follow = None
        # its button may be far below
        ask_to_scroll(SHOWN_JOB)


def queueing_button(
    label: str,
    name: str,
    make: Callable[[], Sequence[JobRequest]],
    done: Callable[[Sequence[Job]], str],
    **how: Any,
) -> None:
    """Draw a button that queues jobs, in order, and follows the first unless a job that goes on is shown.

    Args:
        label: of the button.
        name: of the button, one on the page.
        make: returns what is asked for; more than one are queued together or not at all.
        done: makes the sentence for success from the queued jobs.
        how: further arguments of ``st.button``.
    """
    token = last_action().token(name)
    st.button(label, key=f"{name} {token}", on_click=partial(submit, name, token, make, done), **how)


def submit(
    name: str,
    token: str,
    make: Callable[[], Sequence[JobRequest]],
    done: Callable[[Sequence[Job]], str],
) -> None:
    """Queue what the button of this name and token asks for; see :func:`queueing_button`."""
    last, began, watched = last_action(), time.monotonic(), _watched()

    def queue_all() -> None:
        requests = make()
        # the runner checks each by itself; of a group the last may be the one that cannot be
        for request in requests if len(requests) > 1 else ():
            _check_obstacles(request)
        queued: list[Job] = []
        try:
            for number, request in enumerate(requests):
                queued.append(jobs().submit(request, f"{token}-{number}"))
        except (MlcncError, OSError) as error:
            begun = [str(job.run_id) for job in queued if not _is_removed(job)]
            if not begun:
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise LaunchError(f"{reason}; begun meanwhile and going on: {', '.join(begun)}") from None
        if last.tokens.get(name) == token:
            del last.tokens[name]
        _note_queued(last, began, watched, queued[0], done(queued))

    attempt(queue_all, last, last.queueing)


def resume(job: Job) -> None:
    """Go on with the run of the last job that trained it."""
    last, began, watched = last_action(), time.monotonic(), _watched()

    def queue_again() -> None:
        # a job has one successor, however often that is asked for
        queued = jobs().resume(str(job.run_id), token=f"after {job.created_at} {job.job_id}")
        goes_on = f"Queued: {job.run_id} goes on where it was interrupted."
        more = f" {sentence(queued.headline)}" if queued.headline else ""
        _note_queued(last, began, watched, queued, f"{goes_on}{more}")

    attempt(queue_again, last, last.queueing)


def stop(job_id: str) -> None:
    """Ask a job to stop; it saves first."""
    last = last_action()

    def ask() -> None:
        job = jobs().get(job_id)
        name = job.run_id or job_id
        if not job.is_active:
            last.say(True, f"{name} has ended: it is {job.state}.")
            return
        if job.stop is None:
            jobs().stop(job_id)
        last.say(True, f"Asked {name} to stop: it saves what it has and ends within seconds.")

    attempt(ask, last, last.changing)


def remove(job_id: str) -> None:
    """Take a waiting or ended job out of the list; its run stays."""
    last = last_action()

    def take_out() -> None:
        with suppress(JobNotFoundError):  # the first half of a double click did it
            jobs().remove(job_id)
        last.gone = job_id
        last.say(True, "Removed from the list. A run that was written stays.")

    attempt(take_out, last, last.changing)


def start_workers() -> None:
    """Let the queue go on where nobody starts what waits."""
    last = last_action()

    def start() -> None:
        jobs().start_workers()
        last.say(True, "The queue goes on.")

    attempt(start, last, last.changing)


def move(job_id: str, by: int) -> None:
    """Move a waiting job up (negative) or down in the queue."""
    last = last_action()

    def change_place() -> None:
        jobs().move(job_id, by)
        last.say(True, "")

    attempt(change_place, last, last.changing)


def follow(job_id: str) -> None:
    """Show the curves and the log of a job."""
    last = last_action()
    last.follow, last.chosen_at = None, time.monotonic()
    st.query_params[FOLLOWED] = job_id
    ask_to_scroll(SHOWN_JOB)


def show_way_to(view: str, run_ids: Sequence[str], label: str, icon: str) -> None:
    """Draw a link that opens a page with these runs picked; nothing where the page runs alone."""
    with suppress(StreamlitAPIException, KeyError):
        st.page_link(f"{view}/page.py", label=label, icon=icon, query_params=with_runs(run_ids))


def followed(every: Sequence[Job]) -> Job | None:
    """Return the job to show: the one asked for, else one that runs, the next of the queue, the last one."""
    wanted = st.query_params.get(FOLLOWED)
    asked = [job for job in every if job.job_id == wanted]
    return next(iter([*asked, *running_jobs(every), *queued_jobs(every), *every]), None)


def say_unknown_job(every: Sequence[Job]) -> None:
    """Say that the address asks for a job that is not here, where it does."""
    wanted = st.query_params.get(FOLLOWED)
    if wanted and all(job.job_id != wanted for job in every):
        st.warning(
            f"The address asks for job {plain(wanted[:60])}, which is not in the list.",
            icon=":material/link_off:",
        )


def _is_removed(job: Job) -> bool:
    with suppress(MlcncError, OSError):
        jobs().remove(job.job_id)
        return True
    return False


def _check_obstacles(request: JobRequest) -> None:
    if request.kind != "train":
        return
    found = obstacles(request.config(), runs_root(), request.device)
    if found:
        raise LaunchError("; ".join(found))


def _watched() -> bool:
    """Return whether the job that is shown runs or is about to."""
    shown = followed(jobs().all())
    return shown is not None and shown.is_active


def _note_queued(last: LastAction, began: float, watched: bool, queued: Job, text: str) -> None:
    last.say(True, text)
    # who watches a job that goes on stays with it, as does who chose another one to look at meanwhile
    if not watched and last.chosen_at < began:
        last.follow = queued.job_id
