"""Which machine and which process is meant, whether it still lives, and signals that reach no other one."""

from __future__ import annotations

import hashlib
import os
import signal
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlcnc.files.processes import boot_id, host_name, pid_namespace, process_stat

JOB_VARIABLE = "MLCNC_JOB"
"""Set for every job to the folder of jobs and its id, so that its processes can be told from all others."""

_PROC = os.path.exists("/proc/self/stat")
_MACHINES_OWN_PIDS = "pid:[4026531836]"
_FAMILY_SECONDS = 10.0
_MADE_UP_ADDRESS = 0b11 << 40


@lru_cache(maxsize=1)
def machine_id() -> str:
    """Return what tells this machine from others and stays when it is renamed.

    It is made from the id of the installed system, else from the address of the network card, else from the
    host's name. Containers with processes of their own are machines of their own, told apart by their names.
    """
    try:
        contained = os.readlink("/proc/self/ns/pid") != _MACHINES_OWN_PIDS
    except OSError:
        contained = False
    source = ""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            found = Path(path).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        source = source or (found if found != "uninitialized" else "")
    card = uuid.getnode() if not source else 0
    source = source or (host_name() if card & _MADE_UP_ADDRESS else f"{card:012x}")
    return hashlib.sha256(f"mlcnc jobs {source} {host_name() if contained else ''}".encode()).hexdigest()[:32]


def this_boot() -> str:
    """Return what tells this start of the machine, or of the container, from all others."""
    return f"{boot_id() or ''} {pid_namespace() or ''}"


def boot_seconds() -> float:
    """Return seconds since the machine started; no change of the clock moves them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True)
class ProcessName:
    """Names one process of this machine for ever: a pid alone is given to another process later.

    Attributes:
        start: ticks from boot on Linux, which no change of the clock moves; elsewhere the time of creation.
        boot: as :func:`this_boot` gave it when the process began.
    """

    pid: int
    start: float
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether the same process exists and is no zombie."""
        found = self._found()
        return found is not None and not found[1]

    @property
    def exit_code(self) -> int | None:
        """How it ended, below 0 the signal; None where it lives, was waited for, or the system does not say."""
        found = self._found()
        return os.waitstatus_to_exitcode(found[2]) if _PROC and found is not None and found[1] else None

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
        return boot_seconds() - self.start / os.sysconf("SC_CLK_TCK") if _PROC else time.time() - self.start

    def _found(self) -> tuple[float, bool, int] | None:
        # killpg of 0 is our own group, of 1 that of the first process, -1 everyone
        if self.pid <= 1 or self.boot != this_boot():
            return None
        found = _look_up(self.pid)
        return found if found is not None and found[0] == self.start else None


def process_name(pid: int) -> ProcessName | None:
    """Return the name of a process of this machine, None where there is none."""
    found = _look_up(pid)
    return None if found is None else ProcessName(pid, found[0], this_boot())


def kill_left_behind(job: str | Path) -> None:
    """Kill what a job left behind when its first process is gone: children that hold its device.

    Args:
        job: the value of JOB_VARIABLE that its processes carry.
    """
    import psutil

    wanted = os.path.realpath(job)
    for process in psutil.process_iter():
        try:
            given = process.environ().get(JOB_VARIABLE) if process.uids().real == os.getuid() else None
            # a runs folder may have two names, and the job was started by one of them
            if given and os.path.realpath(given) == wanted and process.pid != os.getpid():
                process.kill()
        except (psutil.Error, OSError):
            continue


class ProcessMeter:
    """Measures one job's processes.

    Args:
        pid: of the first process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._known: dict[int, Any] = {}
        self._family_at = -_FAMILY_SECONDS

    def measure(self) -> tuple[float, int]:
        """Return percent of one core since the last call and memory in bytes, of all processes; 0 when gone."""
        import psutil

        percent, memory = 0.0, 0
        try:
            if time.monotonic() - self._family_at >= _FAMILY_SECONDS:
                # walking all processes of the machine is the dear part
                self._family_at = time.monotonic()
                first = self._known.get(self._pid) or psutil.Process(self._pid)
                family = [first, *first.children(recursive=True)]
                self._known = {process.pid: self._known.get(process.pid, process) for process in family}
        except psutil.Error:
            self._known = {}
        for process in self._known.values():
            try:
                with process.oneshot():
                    percent += process.cpu_percent()
                    memory += process.memory_info().rss
            except psutil.Error:
                continue
        return percent, memory


def _look_up(pid: int) -> tuple[float, bool, int] | None:
    """Return start, whether it is a zombie, and a zombie's status of a process."""
    if _PROC:
        found = process_stat(pid)
        return None if found is None else (float(found.start_ticks), found.is_zombie, found.wait_status)
    import psutil

    try:
        process = psutil.Process(pid)
        return process.create_time(), process.status() == psutil.STATUS_ZOMBIE, 0
    except psutil.Error:
        return None
