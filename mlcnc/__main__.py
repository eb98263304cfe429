"""The console script ``mlcnc``, and ``python -m mlcnc``; as a job it also leaves its exit status."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from mlcnc import stopping

# as mlcnc.launch.processes has it, which takes long to load for a command that was stopped at once
_JOB_VARIABLE = "MLCNC_JOB"

THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""Read when torch is loaded: threads that wait for each other spin for microseconds, then sleep. Spinning on,
they take the cores from what they wait for when other processes are busy; sleeping at once costs a fifth."""

QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR"}
"""Read then too: what torch's own log says of several processes is no sentence for a user."""


def run() -> NoReturn:
    """Run one command and leave with its exit status; see ``mlcnc.cli.main``."""
    _open_closed_streams()
    # before anything else is loaded: a signal to stop that comes meanwhile is one too
    stopping.listen()
    for name, value in (THREADS | QUIET).items():
        os.environ.setdefault(name, value)
    try:
        from mlcnc.cli import main

        status = main()
    except KeyboardInterrupt:
        status = stopping.EXIT_STATUS
    except SystemExit as end:
        _note(end.code if isinstance(end.code, int) else int(end.code is not None))
        raise
    except BaseException:
        _note(1)
        raise
    _note(status)
    stopping.leave(status)


def _open_closed_streams() -> None:
    """Give closed standard streams somewhere to go: a file of a run must not become the standard output."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # as long as the program


def _note(status: int) -> None:
    # from here on no signal changes the status that is noted
    stopping.stop_listening()
    job = os.environ.get(_JOB_VARIABLE)
    # of several processes of a training the first is the job
    if not job or os.environ.get("LOCAL_RANK", "0") != "0":
        return
    try:
        # a link in its place is not followed
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(f"{job}.exit", flags, 0o600)
        os.write(descriptor, f"{os.getpid()} {status}\n".encode())
        os.close(descriptor)
    except OSError as error:
        # the job's end is told from its run and its log
        print(f"mlcnc: the exit status could not be noted: {error}", file=sys.stderr)


if __name__ == "__main__":
    run()
