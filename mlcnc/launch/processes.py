"""Processes that outlive whoever starts them, and those of a job found again by what they carry."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlcnc.files.regular import open_regular

JOB_VARIABLE = "MLCNC_JOB"
"""Set for every job to the folder of jobs and its id, so that its processes can be told from all others."""

_MOST_LOG_BYTES = 1_000_000


def start_detached(
    argv: list[str], log: Path, *, locks: Iterable[int], env: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a process in a session and group of its own.

    Args:
        argv: its command.
        log: what it prints is added to it; one that has grown large is begun anew.
        locks: descriptors of locks that go with it: there is no moment in which nobody holds them.
        env: its environment.
        stdin: descriptor from which it reads.

    Raises:
        OSError: it cannot be started, or the log is no regular file or cannot be written.
    """
    descriptor, size = open_regular(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with open(descriptor, "ab") as stream:
        if size > _MOST_LOG_BYTES:
            stream.truncate(0)
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(locks),
            # a file called like a module, in a folder of data, must not be run in its place
            cwd=Path(__file__).resolve().parent.parent.parent,
            env=env,
        )


def signal_job(job: Path, number: signal.Signals) -> bool:
    """Send a signal to all processes of a job, also where its first one is gone or not known; return if any.

    Args:
        job: the value of JOB_VARIABLE that they carry.
        number: of the signal.
    """
    import psutil

    wanted, found = os.path.realpath(job), False
    for process in psutil.process_iter():
        try:
            given = process.environ().get(JOB_VARIABLE) if process.uids().real == os.getuid() else None
            # a runs folder may have two names, and the job was started by one of them
            if given and os.path.realpath(given) == wanted and process.pid != os.getpid():
                process.send_signal(number)
                found = True
        except (psutil.Error, OSError):
            continue
    return found
