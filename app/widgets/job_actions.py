"""What the buttons of the Train page do; each is refused where launching is, and ends in one sentence."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.session import jobs, runs_root
from app.widgets.job_permission import why_no_launch
from app.widgets.job_relations import queued_jobs, running_jobs
from app.widgets.job_words import sentence
from app.widgets.page_links import with_runs
from app.widgets.plain_text import plain
from mlcnc.errors import MlcncError
from mlcnc.launch import Job, JobRequest, LaunchError, estimate

FOLLOWED = "job"
"""Query parameter: the job whose curves are shown."""

TWICE_SECONDS = 8.0
"""The same asked for again within this time after it was done is the second half of a double click.

A busy server takes the second click seconds after the first."""

_SAID, _LAST = "train_said", "train_last"


def show_what_was_done() -> None:
    """Say what the last button did, or why it could not."""
    said = st.session_state.pop(_SAID, None)
    if said is None:
        return
    worked, text = said
    if worked:
        st.success(plain(text), icon=":material/check:")
    else:
        st.error(plain(text))


def submit(requests: Sequence[JobRequest], done: Callable[[Sequence[Job]], str]) -> None:
    """Queue jobs, in order, and follow the first.

    Args:
        requests: more than one are queued together or not at all.
        done: makes the sentence for success from the queued jobs.
    """

    def queue_all() -> str:
        # the runner checks each by itself; of a group the last may be the one that cannot be
        for request in requests if len(requests) > 1 else ():
            _check_needs(request)
        queued = [jobs().submit(request) for request in requests]
        follow(queued[0].job_id)
        return done(queued)

    # the label of a group holds the second in which it was made
    asked = tuple(request.model_copy(update={"after": None}).model_dump_json() for request in requests)
    _attempt(queue_all, once=asked)


def _check_needs(request: JobRequest) -> None:
    if request.kind != "train":
        return
    problems = estimate(request.config(), runs_root(), request.device).problems
    if problems:
        raise LaunchError("; ".join(problems))


def stop(job_id: str) -> None:
    """Ask a job to stop; it saves first."""

    def ask() -> str:
        jobs().stop(job_id)
        return "Asked to stop: it saves what it has and ends within seconds."

    _attempt(ask, once=("stop", job_id))


def remove(job_id: str) -> None:
    """Take a waiting or ended job out of the list; its run stays."""

    def take_out() -> str:
        jobs().remove(job_id)
        return "Removed from the list. A run that was written stays."

    _attempt(take_out, once=("remove", job_id))


def move(job_id: str, by: int) -> None:
    """Move a waiting job up (negative) or down in the queue."""

    def change_place() -> str:
        jobs().move(job_id, by)
        return ""

    _attempt(change_place)


def resume(run_id: str) -> None:
    """Go on with a run."""

    def queue_again() -> str:
        job = jobs().resume(run_id)
        follow(job.job_id)
        goes_on = f"{run_id} goes on where it was interrupted."
        return f"{goes_on} {sentence(job.headline)}" if job.headline else goes_on

    _attempt(queue_again, once=("resume", run_id))


def follow(job_id: str) -> None:
    """Show the curves and the log of a job."""
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


def _attempt(action: Callable[[], str], once: Hashable = None) -> None:
    """Do what a button asks for; a refusal or a known error becomes the sentence at the top of the page.

    Args:
        action: returns the sentence for success, empty for none.
        once: what is asked for; done once, however often the button was clicked within a moment.
    """
    refused = why_no_launch()
    if refused is not None:
        said = (False, refused)
    elif once is not None and (first := _done_just_now(once)) is not None:
        said = (True, f"{first} The second click was taken for a double click.")
    else:
        try:
            said = (True, action())
            if once is not None:
                st.session_state[_LAST] = (once, time.monotonic(), said[1])
        except MlcncError as error:
            said = (False, sentence(str(error)))
        except OSError as error:
            said = (False, f"Nothing was changed: {error.strerror or error}.")
    if said[1]:
        st.session_state[_SAID] = said
    # the button of a fragment would draw that fragment alone, while lists and badge changed too
    st.rerun()


def _done_just_now(asked: Hashable) -> str | None:
    """Return what was said when the same was done a moment ago, or None."""
    last, moment, text = st.session_state.get(_LAST, (None, 0.0, ""))
    return text if last == asked and time.monotonic() - moment < TWICE_SECONDS else None
