"""What the buttons of the Train page do; each is refused where launching is, and ends in one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.session import jobs, runs_root
from app.widgets.job_clicks import Clicked, attempt, clicked
from app.widgets.job_relations import queued_jobs, running_jobs
from app.widgets.job_words import sentence
from app.widgets.page_links import with_runs
from app.widgets.plain_text import plain
from mlcnc.errors import MlcncError
from mlcnc.launch import Job, JobRequest, LaunchError, obstacles

FOLLOWED = "job"
"""Query parameter: the job whose curves are shown."""


def after_last_click() -> None:
    """Follow the job that the last button queued, and no longer one it removed; first thing on the page."""
    last = clicked()
    if last.gone is not None:
        if st.query_params.get(FOLLOWED) == last.gone:
            del st.query_params[FOLLOWED]
        last.gone = None
    if last.follow is not None:
        st.query_params[FOLLOWED] = last.follow
        last.follow = None


def submit(make: Callable[[], Sequence[JobRequest]], done: Callable[[Sequence[Job]], str]) -> None:
    """Queue jobs, in order, and follow the first.

    Args:
        make: returns what is asked for; more than one are queued together or not at all.
        done: makes the sentence for success from the queued jobs.
    """
    last, began = clicked(), time.monotonic()

    def queue_all() -> None:
        requests = make()
        # the label of a group holds the second in which it was made
        asked = tuple(request.model_copy(update={"after": None}).model_dump_json() for request in requests)
        if last.is_second_half(last.queueing, asked, _active):
            return
        # the runner checks each by itself; of a group the last may be the one that cannot be
        for request in requests if len(requests) > 1 else ():
            _check_obstacles(request)
        queued: list[Job] = []
        try:
            for request in requests:
                queued.append(jobs().submit(request))
        except (MlcncError, OSError) as error:
            begun = [str(job.run_id) for job in queued if not _is_removed(job)]
            if not begun:
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise LaunchError(f"{reason}; begun meanwhile and going on: {', '.join(begun)}") from None
        _note_queued(last, began, asked, queued, done(queued))

    attempt(queue_all, last, last.queueing)


def resume(run_id: str) -> None:
    """Go on with a run."""
    last, began = clicked(), time.monotonic()

    def queue_again() -> None:
        asked = ("resume", run_id)
        if last.is_second_half(last.queueing, asked, _active):
            return
        job = jobs().resume(run_id)
        goes_on = f"Queued: {run_id} goes on where it was interrupted."
        _note_queued(
            last, began, asked, [job], f"{goes_on} {sentence(job.headline)}" if job.headline else goes_on
        )

    attempt(queue_again, last, last.queueing)


def stop(job_id: str) -> None:
    """Ask a job to stop; it saves first."""
    last = clicked()

    def ask() -> None:
        asked = ("stop", job_id)
        if not last.is_second_half(last.changing, asked, _active):
            name = job_id
            with suppress(MlcncError):
                name = jobs().get(job_id).run_id or job_id
            jobs().stop(job_id)
            text = f"Asked {name} to stop: it saves what it has and ends within seconds."
            last.note(last.changing, asked, text)

    attempt(ask, last, last.changing)


def remove(job_id: str) -> None:
    """Take a waiting or ended job out of the list; its run stays."""
    last = clicked()

    def take_out() -> None:
        asked = ("remove", job_id)
        if not last.is_second_half(last.changing, asked, _active):
            jobs().remove(job_id)
            last.gone = job_id
            last.note(last.changing, asked, "Removed from the list. A run that was written stays.")

    attempt(take_out, last, last.changing)


def move(job_id: str, by: int) -> None:
    """Move a waiting job up (negative) or down in the queue."""
    last = clicked()

    def change_place() -> None:
        jobs().move(job_id, by)
        last.say(True, "")

    attempt(change_place, last, last.changing)


def follow(job_id: str) -> None:
    """Show the curves and the log of a job."""
    last = clicked()
    last.follow, last.chosen_at = None, time.monotonic()
    st.query_params[FOLLOWED] = job_id


def show_way_to(view: str, run_ids: Sequence[str], label: str, icon: str) -> None:
    """Draw a link that opens a page with these runs picked; nothing where the page runs alone."""
    with suppress(StreamlitAPIException, KeyError):
        st.page_link(f"views/{view}.py", label=label, icon=icon, query_params=with_runs(run_ids))


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


def _active() -> set[str]:
    return {job.job_id for job in jobs().all() if job.is_active}


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


def _note_queued(last: Clicked, began: float, asked: object, queued: Sequence[Job], text: str) -> None:
    ids = [job.job_id for job in queued]
    last.note(last.queueing, asked, text, ids)
    # who chose another job to look at meanwhile stays with it
    if last.chosen_at < began:
        last.follow = ids[0]
