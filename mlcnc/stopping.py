"""Being asked to stop, by Ctrl-C, SIGTERM or Slurm: heard at once, or by a flag while a run is written."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2")
"""The last is what submitit has Slurm send before the time of a job is over."""
EXIT_STATUS = 130
"""Of a command that was asked to stop and did."""


class _Request:
    asked = False
    raised = False
    waits = False


def listen() -> None:
    """Turn a signal to stop into one KeyboardInterrupt, at once or :func:`deferred`, and ignore all later ones.

    A signal that the parent had this process ignore, e.g. SIGHUP under nohup, stays ignored. Only the main
    thread can do this; elsewhere nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _numbers():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _heard)


def stop_listening() -> None:
    """Ignore signals to stop from here on."""
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def leave(status: int) -> NoReturn:
    """End the process with the status of its command, which no signal can change any more.

    Python kills itself by SIGINT at the end where compiled code was once interrupted, as in imports, even
    though that was dealt with; a command that stopped therefore leaves without Python's own end.
    """
    stop_listening()
    if status == EXIT_STATUS:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    raise SystemExit(status)


def was_raised() -> bool:
    """Return whether a signal to stop was raised, so that any error since may come from it."""
    return _Request.raised


def raise_if_asked() -> None:
    """Raise KeyboardInterrupt where a signal to stop came while it was :func:`deferred`, or was swallowed.

    Python drops what a handler raises inside a destructor or a callback of compiled code.
    """
    if _Request.asked:
        _raise()


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal to stop only set the flag of :func:`raise_if_asked`; a second Ctrl-C raises at once."""
    raise_if_asked()
    _Request.waits = True
    try:
        yield
    finally:
        _Request.waits = False


def _heard(number: int, frame: FrameType | None) -> None:
    is_first, _Request.asked = not _Request.asked, True
    if not _Request.waits or (number == signal.SIGINT and not is_first):
        _raise()


def _raise() -> NoReturn:
    # ignored by the system from here on: nothing may break off what records the end, and Python gives its own
    # handlers up while it shuts down, where a second signal would kill the process
    stop_listening()
    _Request.raised = True
    raise KeyboardInterrupt


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
