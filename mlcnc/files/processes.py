"""Which process of which machine is meant, told for ever: a pid alone is given to another one later."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """Names one process for ever, while a pid alone is given to another one later."""

    pid: int
    process_start_time: float
    process_start_ticks: int | None
    boot_id: str | None
    host: str
    pid_namespace: int | None


def own_process() -> Process:
    """Return the name of this process, under the names of the fields of a run's status."""
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
        wait_status: of a zombie, as ``os.waitstatus_to_exitcode`` takes it; 0 where the system does not say.
    """

    start_ticks: int
    is_zombie: bool
    wait_status: int = 0


def process_stat(pid: int) -> ProcessStat | None:
    """Return what ``/proc`` says of a process; None where there is no such process or no ``/proc``."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # the name of the program stands in brackets and may itself hold blanks and brackets
            fields = stream.read().rpartition(b")")[2].split()
        return ProcessStat(int(fields[19]), fields[0] in (b"Z", b"X"), int(fields[49]))
    except (OSError, IndexError, ValueError):
        return None
