"""Whether the process that a run names is still that process, whatever the clock says."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mlcnc.store.schema import RunStatus

HEARTBEAT_SECONDS = 2.0
STALE_SECONDS = 20.0


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return clock().isoformat(timespec="milliseconds")


def clock() -> datetime:
    """Return the time in UTC; people and time servers may set it back or forth."""
    return datetime.now(UTC)


class Process(NamedTuple):
    """Names one process for ever, while a pid alone is given to another one later."""

    pid: int
    process_start_time: float
    process_start_ticks: int | None
    boot_id: str | None
    host: str
    pid_namespace: int | None


def own_process() -> Process:
    """Return the name of this process, under the names of the fields of :class:`RunStatus`."""
    import psutil

    pid = os.getpid()
    found = process_stat(pid)
    return Process(
        pid=pid,
        process_start_time=float(psutil.Process(pid).create_time()),
        process_start_ticks=None if found is None else found.start_ticks,
        boot_id=boot_id(),
        host=host_name(),
        pid_namespace=pid_namespace(),
    )


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


@lru_cache(maxsize=1)
def boot_id() -> str | None:
    """Return what tells this start of the machine from all others; None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


@lru_cache(maxsize=1)
def pid_namespace() -> int | None:
    """Return what tells containers apart that each number their processes from 1; None without them."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


@lru_cache(maxsize=1)
def host_name() -> str:
    """Return the name of this machine; containers of one machine may share it, see :func:`pid_namespace`."""
    return socket.gethostname()


class ProcessStat(NamedTuple):
    """What Linux says of a process.

    Attributes:
        start_ticks: from boot to its start; no change of the clock moves them.
        is_zombie: it has ended and was not waited for yet.
    """

    start_ticks: int
    is_zombie: bool


def process_stat(pid: int) -> ProcessStat | None:
    """Return what ``/proc`` says of a process; None where there is no such process or no ``/proc``."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # the name of the program stands in brackets and may itself hold blanks and brackets
            fields = stream.read().rpartition(b")")[2].split()
        return ProcessStat(start_ticks=int(fields[19]), is_zombie=fields[0] in (b"Z", b"X"))
    except (OSError, IndexError, ValueError):
        return None


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
