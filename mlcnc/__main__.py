"""The console script ``mlcnc``, and ``python -m mlcnc``."""

from __future__ import annotations

from typing import NoReturn

from mlcnc import stopping


def run() -> NoReturn:
    """Run one command and leave with its exit status; see ``mlcnc.cli.main``."""
    # before anything else is loaded: a signal to stop that comes meanwhile is one too
    stopping.listen()
    try:
        from mlcnc.cli import main

        status = main()
    except KeyboardInterrupt:
        status = stopping.EXIT_STATUS
    stopping.leave(status)


if __name__ == "__main__":
    run()
