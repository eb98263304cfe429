"""Whether a job can do its work on a stored run, and on which device."""

from __future__ import annotations

from mlcnc.config import parse
from mlcnc.errors import ConfigError, LaunchError
from mlcnc.launch.devices import DevicesUnknownError, chosen_device
from mlcnc.launch.request import JobRequest
from mlcnc.store import Run

_CHECKPOINTS = ("checkpoints/last.pt", "checkpoints/previous.pt")


def check_run(kind: str, run: Run) -> None:
    """Raise LaunchError or ConfigError where a job of this kind cannot work on the run."""
    if kind == "resume":
        _check_resumable(run)
    elif kind == "evaluate":
        _check_measurable(run)


def with_device_of_run(request: JobRequest, run: Run) -> tuple[JobRequest, str]:
    """Return the request on the device that its run names, where the request leaves it open.

    A device that is not on this machine stays open; the second value says so, else it is empty.
    """
    if request.kind == "layout" or request.device != "auto":
        return request, ""
    named = parse(run.info.config).training.device
    device = "cuda:0" if named == "cuda" else named
    if not is_here(device):
        return request, f"on any device, as {device}, which the run names, is not on this machine"
    return request.model_copy(update={"device": device}), ""


def is_here(device: str) -> bool:
    """Return whether this machine has the device; true where that is not known yet, as the queue waits."""
    if device == "auto":
        return True
    try:
        chosen_device(device)
    except DevicesUnknownError:
        return True
    except LaunchError:
        return False
    return True


def _check_resumable(run: Run) -> None:
    state = run.status.state
    if state == "finished":
        raise LaunchError(f"run {run.run_id} is complete: there is nothing to go on with")
    if state == "running":
        raise LaunchError(f"run {run.run_id} is still being written; stop it before it is resumed")
    if not parse(run.info.config).training.checkpoint:
        raise ConfigError(
            f"run {run.run_id} was trained with training.checkpoint off, so that it cannot be resumed"
        )


def _check_measurable(run: Run) -> None:
    if run.status.state == "running":
        raise LaunchError(
            f"run {run.run_id} is still being written; evaluate it when it has ended, or stop it first"
        )
    if not any((run.folder / name).is_file() for name in _CHECKPOINTS):
        raise LaunchError(
            f"run {run.run_id} has no checkpoint that could be evaluated: recorded runs carry none, and "
            "training.checkpoint off writes none; train it anew"
        )
