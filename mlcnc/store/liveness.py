"""Whether the process that a run names is still that process."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from mlcnc.store.schema import RunStatus

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 20.0


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def own_process() -> tuple[int, float]:
    """Return pid and start time of this process."""
    import psutil

    return os.getpid(), float(psutil.Process().create_time())


def is_alive(status: RunStatus) -> bool:
    """Return whether the recorded process exists, is the same one and is no zombie."""
    import psutil

    if status.pid is None:
        return False
    try:
        process = psutil.Process(status.pid)
        same = status.process_start_time is None or abs(process.create_time() - status.process_start_time) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def heartbeat_age_seconds(status: RunStatus) -> float:
    """Return seconds since the last heartbeat, infinite where there was none."""
    if status.heartbeat_at is None:
        return float("inf")
    try:
        then = datetime.fromisoformat(status.heartbeat_at)
    except ValueError:
        return float("inf")
    return (datetime.now(UTC) - then).total_seconds()


def true_state(status: RunStatus) -> RunStatus:
    """Return the status, with ``running`` turned into ``lost`` where nobody runs it any more.

    A run on another machine (a shared folder) has no process here: its heartbeat speaks for it.
    """
    if status.state != "running":
        return status
    if is_alive(status) or heartbeat_age_seconds(status) < STALE_SECONDS:
        return status
    return status.model_copy(update={"state": "lost"})
