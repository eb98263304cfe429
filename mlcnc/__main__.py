"""The console script ``mlcnc``, and ``python -m mlcnc``; as a job it also leaves its exit status."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from mlcnc import stopping

# as mlcnc.launch.processes has it, which takes long to load for a command that was stopped at once
_JOB_VARIABLE = "MLCNC_JOB_FOLDER"

THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""Read when torch is loaded: threads that wait for each other spin for microseconds, then sleep. Spinning on,
they take the cores from what they wait for when other processes are busy; sleeping at once costs a fifth."""


def run() -> NoReturn:
    """Run one command and leave with its exit status; see ``mlcnc.cli.main``."""
    # before anything else is loaded: a signal to stop that comes meanwhile is one too
    stopping.listen()
    for name, value in THREADS.items():
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


def _note(status: int) -> None:
    # from here on no signal changes the status that is noted
    stopping.stop_listening()
    if not os.environ.get(_JOB_VARIABLE):
        return
    try:
        from mlcnc.launch.exit_note import note_exit

        note_exit(status)
    except Exception as error:
        # a stop in the middle of an import may leave modules that cannot be loaded
        print(f"mlcnc: the exit status could not be noted: {error}", file=sys.stderr)


if __name__ == "__main__":
    run()
