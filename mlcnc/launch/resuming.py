"""What the rest of an interrupted run is asked to do: as its last job was, where that still can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlcnc.errors import LaunchError
from mlcnc.launch.active_job import folder_bytes
from mlcnc.launch.job import Job
from mlcnc.launch.request import WRITES_RUN, JobRequest, request_of
from mlcnc.launch.run_checks import is_here


class Resumption(NamedTuple):
    """How a run is resumed.

    Attributes:
        request: what to do.
        note: the sentence that says what is not as before; empty if nothing.
        is_device_gone: the device of its last job is not here, so that any will do.
    """

    request: JobRequest
    note: str
    is_device_gone: bool


def resumed_request(
    run_id: str,
    runs_root: Path,
    jobs: Sequence[Job],
    *,
    device: str | None,
    max_minutes: float | None,
    max_megabytes: float | None,
) -> Resumption:
    """Return how a run is resumed, and what is not as before.

    Args:
        run_id: the run.
        runs_root: its runs folder.
        jobs: all jobs, newest first.
        device, max_minutes, max_megabytes: None takes those of the run's last job.

    Raises:
        LaunchError: a value is not usable, or the run is already larger than ``max_megabytes``.
    """
    size = folder_bytes(runs_root / run_id)
    if max_megabytes is not None and size > max_megabytes * 1e6:
        raise LaunchError(
            f"max_megabytes must be above the {size / 1e6:.1f} MB that run {run_id} has already, "
            f"got {max_megabytes:g}"
        )
    notes: list[str] = []
    after, is_device_gone = None, False
    last = next((job for job in jobs if job.run_id == run_id and job.request.kind in WRITES_RUN), None)
    if last is not None:
        after = last.request.after
        if device is None:
            device = last.request.wanted_device()
            is_device_gone = not is_here(device)
        if is_device_gone:
            notes.append(f"resumed on any device, as {device} is not on this machine")
            device = "auto"
        max_minutes = last.request.max_minutes if max_minutes is None else max_minutes
        max_megabytes = _limit_of(last, size, notes) if max_megabytes is None else max_megabytes
    asked = {"device": device or "auto", "max_minutes": max_minutes, "max_megabytes": max_megabytes}
    request = request_of({"kind": "resume", "run_id": run_id, "after": after, **asked})
    return Resumption(request, "; ".join(notes), is_device_gone)


def _limit_of(last: Job, size: int, notes: list[str]) -> float | None:
    limit = last.request.max_megabytes
    # measured as when the job was stopped by it, with the job's own files
    if limit is None or size + folder_bytes(last.folder) <= limit * 1e6:
        return limit
    notes.append(f"resumed without its limit of {limit:g} MB, which run {last.run_id} has reached")
    return None
