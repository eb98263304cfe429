"""What the buttons of the Train page do; each is refused where launching is, and ends in one sentence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

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

SAID_SECONDS = 10.0
"""How long what was done is said: the queue begins at once, and the page is drawn anew for each change."""

_CLICKED = "train_clicked"


@dataclass
class Clicked:
    """What the buttons of this visit did last.

    A plain object with a lock. When another click arrives, Streamlit answers it in a second thread at once and
    breaks the first off where it next reads or sets the session's state or the address: a click noted there,
    after it was done, would be forgotten, and its second half done again meanwhile.
    """

    worked: bool = True
    text: str = ""
    said_at: float = -SAID_SECONDS
    once: Hashable = None
    done: str = ""
    done_at: float = -TWICE_SECONDS
    follow: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


def after_last_click() -> None:
    """Follow the job that the last button queued; first thing on the page."""
    clicked = _clicked()
    if clicked.follow is not None:
        follow(clicked.follow)
        clicked.follow = None


def show_what_was_done() -> None:
    """Say what the last button did, or why it could not."""
    clicked = _clicked()
    if not clicked.text or time.monotonic() - clicked.said_at > SAID_SECONDS:
        return
    if clicked.worked:
        st.success(plain(clicked.text), icon=":material/check:")
    else:
        st.error(plain(clicked.text))


def submit(requests: Sequence[JobRequest], done: Callable[[Sequence[Job]], str]) -> None:
    """Queue jobs, in order, and follow the first.

    Args:
        requests: more than one are queued together or not at all.
        done: makes the sentence for success from the queued jobs.
    """

    def queue_all(clicked: Clicked) -> str:
        # the runner checks each by itself; of a group the last may be the one that cannot be
        for request in requests if len(requests) > 1 else ():
            _check_needs(request)
        queued = [jobs().submit(request) for request in requests]
        clicked.follow = queued[0].job_id
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

    def ask(_: Clicked) -> str:
        jobs().stop(job_id)
        return "Asked to stop: it saves what it has and ends within seconds."

    _attempt(ask, once=("stop", job_id))


def remove(job_id: str) -> None:
    """Take a waiting or ended job out of the list; its run stays."""

    def take_out(_: Clicked) -> str:
        jobs().remove(job_id)
        return "Removed from the list. A run that was written stays."

    _attempt(take_out, once=("remove", job_id))


def move(job_id: str, by: int) -> None:
    """Move a waiting job up (negative) or down in the queue."""

    def change_place(_: Clicked) -> str:
        jobs().move(job_id, by)
        return ""

    _attempt(change_place)


def resume(run_id: str) -> None:
    """Go on with a run."""

    def queue_again(clicked: Clicked) -> str:
        job = jobs().resume(run_id)
        clicked.follow = job.job_id
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


def _clicked() -> Clicked:
    return st.session_state.setdefault(_CLICKED, Clicked())


def _attempt(action: Callable[[Clicked], str], once: Hashable = None) -> None:
    """Do what a button asks for; a refusal or a known error becomes the sentence at the top of the page.

    Args:
        action: returns the sentence for success, empty for none; it touches neither the session's state nor
            the address, where Streamlit could break it off.
        once: what is asked for; done once, however often the button was clicked within a moment.
    """
    clicked = _clicked()
    with clicked.lock:
        refused = why_no_launch()
        if refused is not None:
            said = (False, refused)
        elif once is not None and once == clicked.once and time.monotonic() - clicked.done_at < TWICE_SECONDS:
            said = (True, f"{clicked.done} The second click was taken for a double click.")
        else:
            try:
                said = (True, action(clicked))
                if once is not None:
                    clicked.once, clicked.done, clicked.done_at = once, said[1], time.monotonic()
            except MlcncError as error:
                said = (False, sentence(str(error)))
            except OSError as error:
                said = (False, f"Nothing was changed: {error.strerror or error}.")
        clicked.worked, clicked.text = said
        clicked.said_at = time.monotonic()
    # the button of a fragment would draw that fragment alone, while lists and badge changed too
    st.rerun()
