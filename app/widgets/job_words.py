"""Jobs in words: what a person reads of a job, its place, its time and its size."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from app.widgets.plain_text import plain
from mlcnc.launch import Job

STATE_COLOURS = {
    "queued": "gray",
    "starting": "blue",
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
    return job.run_id if job.request.kind in ("train", "resume") else f"{job.run_id}: {kind}"


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
