"""Which process is meant, whether it still lives, and signals that reach no other one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from mlcnc.launch.machine import is_this_machine, machine_id
from mlcnc.store.liveness import boot_id as _boot_id
from mlcnc.store.liveness import host_name, pid_namespace, process_stat

JOB_VARIABLE = "MLCNC_JOB_FOLDER"
"""Set in the environment of every job, so that its processes can be told from all others."""

_PROC = Path("/proc/self/stat")


class ProcessMark(BaseModel):
    """Names one process for ever: a pid alone is given to another process later.

    Attributes:
        start: ticks from boot on Linux, which no change of the clock moves; elsewhere the time of creation.
        boot_id: of the machine's start in which the pid was given.
        host: name of the machine.
        machine: its id, which outlives its name; empty in older records.
        pid_namespace: of the container that gave the pid; None in older records and where there are none.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    start: float
    boot_id: str
    host: str
    machine: str = ""
    pid_namespace: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether the process belongs to this machine, now or before a restart of it, and can be seen."""
        # a pid of another container may be anyone's here
        visible = self.pid_namespace is None or self.pid_namespace == pid_namespace()
        return visible and is_this_machine(self.machine, self.host)

    @property
    def is_alive(self) -> bool:
        """Whether the same process exists on this machine and is no zombie."""
        found = self._found()
        return found is not None and not found.is_zombie

    def signal_group(self, number: signal.Signals) -> bool:
        """Send a signal to the process and its group and return whether there was anyone to send it to.

        Nothing is sent where the pid now belongs to another process. A zombie still holds its pid, so
        that what is left of its group can be reached.
        """
        if self._found() is None:
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def age_seconds(self) -> float:
        """Return seconds since the process began, whatever happened to the clock since then."""
        if _PROC.exists():
            return boot_seconds() - self.start / os.sysconf("SC_CLK_TCK")
        return time.time() - self.start

    def _found(self) -> _Found | None:
        if self.pid <= 1 or not self.is_here or self.boot_id != boot_id():
            return None
        found = _look_up(self.pid)
        return found if found is not None and found.start == self.start else None


class _Found(NamedTuple):
    start: float
    is_zombie: bool


def mark_of(pid: int) -> ProcessMark | None:
    """Return the mark of a process of this machine, None where there is none."""
    found = _look_up(pid)
    if found is None:
        return None
    return ProcessMark(
        pid=pid,
        start=found.start,
        boot_id=boot_id(),
        host=host_name(),
        machine=machine_id(),
        pid_namespace=pid_namespace(),
    )


def own_mark() -> ProcessMark:
    """Return the mark of this process."""
    mark = mark_of(os.getpid())
    assert mark is not None
    return mark


def job_processes(folder: Path) -> list[int]:
    """Return the pids of all processes of this user that carry the job's folder in their environment."""
    import psutil

    wanted = os.path.realpath(folder)
    found = []
    for process in psutil.process_iter():
        try:
            if process.uids().real != os.getuid():
                continue
            given = process.environ().get(JOB_VARIABLE)
            # a runs folder may have two names, and the job was started by one of them
            if given and os.path.realpath(given) == wanted:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def job_leader(folder: Path) -> ProcessMark | None:
    """Return the first process of a job, found by its environment; None where none lives."""
    for pid in job_processes(folder):
        try:
            if os.getpgid(pid) == pid:
                return mark_of(pid)
        except ProcessLookupError:
            continue
    return None


def kill_stragglers(folder: Path) -> None:
    """Kill what a job left behind when its first process is gone: children that hold its device."""
    for pid in job_processes(folder):
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue


def boot_id() -> str:
    """Return what tells this start of the machine from all others; empty where the system does not say."""
    return _boot_id() or ""


def boot_seconds() -> float:
    """Return seconds since the machine started; no change of the clock moves them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _look_up(pid: int) -> _Found | None:
    if not _PROC.exists():
        return _look_up_elsewhere(pid)
    found = process_stat(pid)
    return None if found is None else _Found(float(found.start_ticks), found.is_zombie)


def _look_up_elsewhere(pid: int) -> _Found | None:
    import psutil

    try:
        process: Any = psutil.Process(pid)
        return _Found(float(process.create_time()), process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return None
