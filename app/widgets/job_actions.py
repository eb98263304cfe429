"""What the buttons of the Train page do; each is refused where launching is, and ends in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app.session import jobs
from app.widgets.job_permission import why_no_launch
from app.widgets.plain_text import plain
from app.widgets.run_picker import pick
from mlcnc.errors import MlcncError
from mlcnc.launch import Job, JobRequest

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
        queued = [jobs().submit(request) for request in requests]
        follow(queued[0].job_id)

    _attempt(queue_all, done)


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


def open_page(view: str, run_ids: Sequence[str]) -> None:
    """Pick runs and open a page with them; only in a callback."""
    pick(run_ids)
    st.switch_page(f"views/{view}.py")


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
            said = (False, _sentence(str(error)))
        except OSError as error:
            said = (False, f"Nothing was changed: {error.strerror or error}.")
    if said[1]:
        st.session_state[_SAID] = said
    # the button of a fragment would draw that fragment alone, while lists and badge changed too
    st.rerun()


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
