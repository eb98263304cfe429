"""What the buttons of the Train page do; each is refused where launching is, and ends in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.session import jobs, runs_root
from app.widgets.job_permission import why_no_launch
from app.widgets.job_words import sentence
from app.widgets.page_links import with_runs
from app.widgets.plain_text import plain
from mlcnc.errors import MlcncError
from mlcnc.launch import Job, JobRequest, LaunchError, estimate

FOLLOWED = "job"
"""Query parameter: the job whose curves are shown."""

_SAID = "train_said"


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


def submit(requests: Sequence[JobRequest], done: str) -> None:
    """Queue jobs, in order, and follow the first.

    Args:
        requests: checked once more by the runner.
        done: the sentence for success.
    """

    def queue_all() -> None:
        for request in requests:
            _check_needs(request)
        queued = [jobs().submit(request) for request in requests]
        follow(queued[0].job_id)

    _attempt(queue_all, done)


def _check_needs(request: JobRequest) -> None:
    if request.kind != "train":
        return
    problems = estimate(request.config(), runs_root(), request.device).problems
    if problems:
        raise LaunchError("; ".join(problems))


def stop(job_id: str) -> None:
    """Ask a job to stop; it saves first."""
    _attempt(lambda: jobs().stop(job_id), "Asked to stop: it saves what it has and ends within seconds.")


def remove(job_id: str) -> None:
    """Take a waiting or ended job out of the list; its run stays."""
    _attempt(lambda: jobs().remove(job_id), "Removed from the list. A run that was written stays.")


def move(job_id: str, by: int) -> None:
    """Move a waiting job up (negative) or down in the queue."""
    _attempt(lambda: jobs().move(job_id, by))


def resume(run_id: str) -> None:
    """Go on with a run."""

    def queue_again() -> None:
        follow(jobs().resume(run_id).job_id)

    _attempt(queue_again, f"{run_id} goes on where it was interrupted.")


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
    running = [job for job in every if job.is_active and job.state != "queued"]
    queued = sorted((job for job in every if job.state == "queued"), key=lambda job: job.place or 0)
    return next(iter([*asked, *running, *queued, *every]), None)


def _attempt(action: Callable[[], None], done: str = "") -> None:
    """Do what a button asks for; a refusal or a known error becomes the sentence at the top of the page."""
    refused = why_no_launch()
    if refused is not None:
        said = (False, refused)
    else:
        try:
            action()
            said = (True, done)
        except MlcncError as error:
            said = (False, sentence(str(error)))
        except OSError as error:
            said = (False, f"Nothing was changed: {error.strerror or error}.")
    if said[1]:
        st.session_state[_SAID] = said
    # the button of a fragment would draw that fragment alone, while lists and badge changed too
    st.rerun()
