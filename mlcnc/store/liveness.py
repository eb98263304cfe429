"""Whether the process that a run names is still that process, whatever the clock says."""

from __future__ import annotations

from datetime import UTC, datetime

from mlcnc.files.processes import boot_id, host_name, pid_namespace, process_stat
from mlcnc.store.schema import RunStatus

HEARTBEAT_SECONDS = 2.0
STALE_SECONDS = 20.0


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return clock().isoformat(timespec="milliseconds")


def clock() -> datetime:
    """Return the time in UTC; people and time servers may set it back or forth."""
    return datetime.now(UTC)


def is_alive(status: RunStatus) -> bool:
    """Return whether the recorded process exists here, is the same one and is no zombie."""
    if status.pid is None or not _could_be_here(status):
        return False
    if status.process_start_ticks is not None and (found := process_stat(status.pid)) is not None:
        return found.start_ticks == status.process_start_ticks and not found.is_zombie
    return _is_alive_by_clock(status)


def heartbeat_age_seconds(status: RunStatus) -> float:
    """Return seconds since the last heartbeat, infinite where there was none.

    It is below zero where the clock was set back since, or where the clock of another machine is ahead.
    """
    if status.heartbeat_at is None:
        return float("inf")
    try:
        then = datetime.fromisoformat(status.heartbeat_at)
    except ValueError:
        return float("inf")
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return (clock() - then).total_seconds()


def true_state(status: RunStatus) -> RunStatus:
    """Return the status, with ``running`` turned into ``lost`` where nobody runs it any more.

    The processes of this machine decide first, because no clock can mislead them. A run of another machine
    (a shared folder), of another container or of an older version has no such proof: its heartbeat speaks for
    it, and one that lies as far in the future says as little as an old one.
    """
    if status.state != "running" or is_alive(status):
        return status
    if not _is_from_here(status) and abs(heartbeat_age_seconds(status)) < STALE_SECONDS:
        return status
    return status.model_copy(update={"state": "lost"})


def _is_alive_by_clock(status: RunStatus) -> bool:
    import psutil

    try:
        process = psutil.Process(status.pid)
        same = status.process_start_time is None or abs(process.create_time() - status.process_start_time) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def _could_be_here(status: RunStatus) -> bool:
    same_host = status.host is None or status.host == host_name()
    same_boot = status.boot_id is None or status.boot_id == boot_id()
    return same_host and same_boot and _has_our_pids(status)


def _is_from_here(status: RunStatus) -> bool:
    same_boot = status.boot_id is not None and status.boot_id == boot_id()
    return same_boot and status.host == host_name() and _has_our_pids(status)


def _has_our_pids(status: RunStatus) -> bool:
    return status.pid_namespace is None or status.pid_namespace == pid_namespace()
