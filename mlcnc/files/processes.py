"""Which process of which machine is meant, told for ever: a pid alone is given to another one later."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

_PROC = os.path.exists("/proc/self/stat")
_MACHINES_OWN_PIDS = "pid:[4026531836]"
_MADE_UP_ADDRESS = 0b11 << 40
_FAMILY_SECONDS = 10.0


@dataclass(frozen=True)
class ProcessName:
    """Names one process for ever.

    Attributes:
        pid: number that the system gave it.
        start: ticks from boot on Linux, which no change of the clock moves; elsewhere the time of creation.
        boot: what tells the start of the machine, or of the container, from all others.
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
        return None if found is None or found[2] is None else os.waitstatus_to_exitcode(found[2])

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

    def _found(self) -> tuple[float, bool, int | None] | None:
        # killpg of 0 is our own group, of 1 that of the first process, -1 everyone
        if self.pid <= 1 or self.boot != _this_boot():
            return None
        found = _look_up(self.pid)
        return found if found is not None and found[0] == self.start else None


def process_name(pid: int) -> ProcessName | None:
    """Return the name of a process of this machine, None where there is none."""
    found = _look_up(pid)
    return None if found is None else ProcessName(pid, found[0], _this_boot())


def own_process() -> dict[str, Any]:
    """Return what names this process, under the names of the fields of a run's status."""
    import psutil

    pid = os.getpid()
    found = process_stat(pid)
    return {
        "pid": pid,
        "process_start_time": float(psutil.Process(pid).create_time()),
        "process_start_ticks": None if found is None else found.start_ticks,
        "boot_id": boot_id(),
        "host": host_name(),
        "pid_namespace": pid_namespace(),
    }


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


def boot_seconds() -> float:
    """Return seconds since the machine started; no change of the clock moves them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class ProcessMeter:
    """Measures what a process and its children take of the machine.

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
        wait_status: of a zombie, as ``os.waitstatus_to_exitcode`` takes it; 0 of the process of another user.
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


def _this_boot() -> str:
    return f"{boot_id() or ''} {pid_namespace() or ''}"


def _look_up(pid: int) -> tuple[float, bool, int | None] | None:
    """Return start, whether it is a zombie, and the wait status of a zombie of this user."""
    if _PROC:
        found = process_stat(pid)
        return None if found is None else (float(found.start_ticks), found.is_zombie, _wait_status(pid, found))
    import psutil

    try:
        process = psutil.Process(pid)
        return process.create_time(), process.status() == psutil.STATUS_ZOMBIE, None
    except psutil.Error:
        return None


def _wait_status(pid: int, found: ProcessStat) -> int | None:
    try:
        # of the processes of others the system says 0, as of those that ended well
        is_ours = os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return None
    return found.wait_status if found.is_zombie and is_ours else None
