"""What the pages say of a job, and which jobs come before, after and beside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from app.session import opened_run
from app.widgets.plain_text import plain
from mlcnc.launch import Job

TRAINING = ("train", "resume")
"""Kinds of jobs that write a run's epochs; what is known of a run's training is theirs alone."""

STATE_COLOURS = {
    "queued": "gray",
    "running": "blue",
    "stopping": "orange",
    "finished": "green",
    "stopped": "orange",
    "failed": "red",
    "lost": "red",
}

_KINDS = {
    "train": "train",
    "resume": "go on",
    "layout": "UMAP",
    "evaluate": "evaluate",
    "gallery": "recorded runs",
    "glove": "GloVe download",
    "data": "photographs download",
}


def job_name(job: Job) -> str:
    """Return what a job is called: its run, with what is done to it where that is not training."""
    kind = _KINDS.get(job.request.kind, job.request.kind)
    if job.run_id is None:
        return kind
    return job.run_id if job.request.kind in TRAINING else f"{job.run_id}: {kind}"


def state_badge(state: str) -> str:
    """Return Markdown of a state in its colour, always with its word."""
    return f":{STATE_COLOURS.get(state, 'gray')}-badge[{plain(state)}]"


def duration(seconds: float) -> str:
    """Return a time for people; a dash for one that is no number or endless.

    Example:
        >>> [duration(value) for value in (4.2, 95, 4000, 200000)]
        ['4 s', '1 min 35 s', '1 h 7 min', '2 d 8 h']
        >>> duration(float("inf"))
        '-'
    """
    if not isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    for size, unit, part, part_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {part_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(num_bytes: float) -> str:
    """Return an amount of memory or disk for people.

    Example:
        >>> [size(value) for value in (900, 5.2e6, 3.4e9)]
        ['900 B', '5.0 MiB', '3.2 GiB']
    """
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes:.0f} B"


def sentence(text: str) -> str:
    """Return an error message as a sentence.

    Example:
        >>> sentence("no room is left")
        'No room is left.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def waiting_words(jobs: Sequence[Job]) -> str:
    """Return how many of the jobs wait, as an end of a sentence; empty where none does."""
    waiting = sum(job.state == "queued" for job in jobs)
    return f"; {waiting} more {'waits' if waiting == 1 else 'wait'}" if waiting else ""


def running_jobs(every: Sequence[Job]) -> list[Job]:
    """Return the jobs that have a process, the newest first."""
    return [job for job in every if job.is_active and job.state != "queued"]


def queued_jobs(every: Sequence[Job]) -> list[Job]:
    """Return the jobs that wait, in the order of the queue; those of other machines, without a place, first."""
    return sorted((job for job in every if job.state == "queued"), key=lambda job: job.place or 0)


def may_resume(job: Job, every: Sequence[Job]) -> bool:
    """Return whether a job was interrupted, has begun its run, and no later job took the run over."""
    is_last = job.request.kind in TRAINING and successor(job, every) is None
    return job.state in ("stopped", "failed", "lost") and is_last and opened_run(job.run_id) is not None


def begun_by(job: Job, every: Sequence[Job]) -> Job | None:
    """Return the job that began the run of a training job, itself or an earlier one; None where it is gone."""
    if job.request.kind not in TRAINING or job.run_id is None:
        return None
    older = [other for other in every if other.run_id == job.run_id and other.created_at <= job.created_at]
    return next((other for other in older if other.request.kind == "train"), None)


def last_training(job: Job, every: Sequence[Job]) -> Job | None:
    """Return the newest training job of the run that a job works on; None where there is none."""
    of_run = (other for other in every if job.run_id is not None and other.run_id == job.run_id)
    return next((other for other in of_run if other.request.kind in TRAINING), None)


def successor(job: Job, every: Sequence[Job]) -> Job | None:
    """Return the next job that is to train the run of a training job, or did; None where there is none."""
    of_run = [other for other in every if other.run_id == job.run_id and other.request.kind in TRAINING]
    places = [place for place, other in enumerate(of_run) if other.job_id == job.job_id]
    return of_run[places[0] - 1] if places and places[0] > 0 else None


def group_of(job: Job, every: Sequence[Job]) -> list[Job]:
    """Return the training jobs of the same group, one a run, oldest first; the job alone without a group."""
    if job.request.after is None:
        return [job]
    found: dict[str, Job] = {}
    for other in sorted(every, key=lambda item: item.created_at):
        if other.request.after == job.request.after and other.run_id is not None:
            found.setdefault(other.run_id, other)
    return list(found.values())
