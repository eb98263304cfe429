"""How a job ended, told from its exit status, from its run and from its log."""

from __future__ import annotations

import signal
from pathlib import Path

from mlcnc.errors import StoreError
from mlcnc.launch.exit_note import noted_exit
from mlcnc.launch.job import JobState
from mlcnc.launch.log_file import error_line, last_line
from mlcnc.launch.request import WRITES_RUN, Kind
from mlcnc.store import RunStatus, RunStore

INTERRUPTED = 130
"""Exit status of ``mlcnc`` after a polite stop, which it has recorded in the run."""


def seen(kind: Kind, folder: Path, exit_code: int, stop_reason: str | None) -> tuple[JobState, str]:
    """Return state and headline of a job whose end its supervisor saw.

    Args:
        folder: of the job.
        exit_code: below 0 the signal that ended it.
        stop_reason: the sentence of our own stop, None where we did not stop it.
    """
    log = folder / "log.txt"
    if exit_code == 0:
        return "finished", last_line(log) or "finished"
    if stop_reason is not None:
        return "stopped", stop_reason
    if exit_code == INTERRUPTED:
        return "stopped", error_line(log) or "stopped from outside"
    if exit_code == -signal.SIGKILL:
        return "lost", "killed by signal 9 (SIGKILL), often because memory ran out; what was logged is kept"
    if exit_code < 0:
        return "failed", _by_signal(-exit_code, error_line(log))
    return "failed", error_line(log) or f"ended with exit status {exit_code} and said nothing; see its log"


def unseen(
    kind: Kind, folder: Path, runs_root: Path, run_id: str | None, pid: int | None, stop_reason: str | None
) -> tuple[JobState, str]:
    """Return state and headline of a job that is gone and whose exit status nobody saw.

    Args:
        pid: of the job; a run that another process wrote last says nothing about this one.
    """
    log = folder / "log.txt"
    noted = noted_exit(folder, pid)
    if noted is not None:
        return seen(kind, folder, noted, stop_reason)
    if kind in WRITES_RUN and run_id is not None:
        status = run_status(runs_root, run_id)
        if status is not None and status.pid != pid:
            status = None
        if status is not None and status.state == "finished":
            return "finished", last_line(log) or "finished"
        if status is not None and status.state == "failed":
            error = status.error
            return "failed", error_line(log) or (f"{error.type}: {error.message}" if error else "failed")
        if status is not None and status.state == "stopped":
            return "stopped", stop_reason or error_line(log) or "stopped from outside"
    if stop_reason is not None:
        return "stopped", stop_reason
    said = error_line(log)
    if said and kind not in WRITES_RUN:
        return "failed", said
    return "lost", "its process ended and nobody saw how; what was logged is kept"


def run_status(runs_root: Path, run_id: str) -> RunStatus | None:
    """Return where the run stands, None where it cannot be read."""
    try:
        return RunStore(runs_root).open(run_id).status
    except (StoreError, OSError, ValueError):
        return None


def _by_signal(number: int, said: str) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    return f"ended by signal {number} ({name})" + (f": {said}" if said else "")
