"""The run that a job works on: whether it can be worked on, where, and how it is resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlcnc.config import parse
from mlcnc.devices import devices, first_of_kind
from mlcnc.errors import ConfigError, LaunchError
from mlcnc.files.regular import tree_bytes
from mlcnc.launch.job import Job
from mlcnc.launch.request import WRITES_RUN, JobRequest, request_of
from mlcnc.store import Run


def check_run(kind: str, run: Run) -> None:
    """Raise LaunchError or ConfigError where a job of this kind cannot work on the run."""
    state, name = run.status.state, run.run_id
    ended = "evaluate it when it has ended, or stop it first"
    later = {"resume": "stop it before it is resumed", "evaluate": ended}
    if state == "running" and kind in later:
        raise LaunchError(f"run {name} is still being written; {later[kind]}")
    if kind == "resume" and state == "finished":
        raise LaunchError(f"run {name} is complete: there is nothing to go on with")
    if kind == "resume" and not parse(run.info.config).training.checkpoint:
        raise ConfigError(f"run {name} was trained with training.checkpoint off, so that it cannot be resumed")
    if kind == "evaluate" and not has_checkpoint(run):
        raise LaunchError(
            f"run {name} has no checkpoint that could be evaluated: recorded runs carry none, and "
            "training.checkpoint off writes none; train it anew"
        )


def has_checkpoint(run: Run) -> bool:
    """Return whether a run keeps a checkpoint, whole or not."""
    return any((run.folder / "checkpoints" / name).is_file() for name in ("last.pt", "previous.pt"))


def with_device_of_run(request: JobRequest, run: Run) -> tuple[JobRequest, str]:
    """Return the request on the device that its run names, where the request leaves it open.

    A device that is not on this machine stays open; the second value says so, else it is empty.
    """
    if request.kind == "layout" or request.device != "auto" or request.slurm is not None:
        return request, ""
    device = first_of_kind(parse(run.info.config).training.device)
    if not _is_here(device):
        return request, f"on any device, as {device}, which the run names, is not on this machine"
    return request.model_copy(update={"device": device}), ""


def resumed_request(run: Run, jobs: Sequence[Job], given: Mapping[str, Any]) -> tuple[JobRequest, str]:
    """Return how a run is resumed, and the sentence on what is not as before.

    Args:
        run: that was interrupted.
        jobs: all jobs, newest first.
        given: device, max_minutes and max_megabytes; None takes that of the run's last job.

    Raises:
        LaunchError: a value is not usable, or the run is already larger than ``max_megabytes``.
    """
    size, most, name = tree_bytes(run.folder), given["max_megabytes"], run.run_id
    notes, is_gone = [], False
    if most is not None and size > most * 1e6:
        raise LaunchError(
            f"max_megabytes must be above the {size / 1e6:.1f} MB that run {name} has already, got {most:g}"
        )
    asked = {key: value for key, value in given.items() if value is not None}
    last = next((job for job in jobs if job.run_id == name and job.request.kind in WRITES_RUN), None)
    if last is not None:
        before = last.request
        known = {"device": before.wanted_device(), "max_minutes": before.max_minutes, "after": before.after}
        asked = known | asked
        if is_gone := given["device"] is None and not _is_here(asked["device"]):
            notes.append(f"resumed on any device, as {asked['device']} is not on this machine")
            asked["device"] = "auto"
        if most is None and (limit := before.max_megabytes) is not None:
            # measured as when the job was stopped by it, with what it printed
            if size + tree_bytes(last.log) <= limit * 1e6:
                asked["max_megabytes"] = limit
            else:
                notes.append(f"resumed without its limit of {limit:g} MB, which run {name} has reached")
    request = request_of({"kind": "resume", "run_id": name, **asked})
    if not is_gone:
        request, note = with_device_of_run(request, run)
        notes += [note] if note else []
    return request, "; ".join(notes)


def _is_here(device: str) -> bool:
    return device == "auto" or device in [known.name for known in devices()]
