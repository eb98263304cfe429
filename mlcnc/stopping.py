"""Being asked to stop, by Ctrl-C or SIGTERM: heard once, and never in the middle of a write."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
EXIT_STATUS = 130
"""Of a command that was asked to stop and did."""


class _Request:
    asked = False
    may_interrupt = True


def listen() -> None:
    """Turn the first signal to stop into one KeyboardInterrupt and ignore all later ones.

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


def was_asked() -> bool:
    """Return whether a signal to stop has come since :func:`listen`."""
    return _Request.asked


def raise_if_asked() -> None:
    """Raise KeyboardInterrupt where a signal to stop came while none could be raised, or was swallowed.

    Python drops what a handler raises inside a destructor or a callback of compiled code.
    """
    if _Request.asked:
        raise KeyboardInterrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep a signal to stop from raising inside the block, except inside :func:`interruptible`.

    A block that ends by itself has done all there was to do, so that nothing is raised behind it.
    """
    with _set(may_interrupt=False):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal to stop raise KeyboardInterrupt at once; one that came before or was swallowed does too."""
    with _set(may_interrupt=True):
        raise_if_asked()
        yield
        raise_if_asked()


@contextmanager
def _set(*, may_interrupt: bool) -> Iterator[None]:
    before = _Request.may_interrupt
    _Request.may_interrupt = may_interrupt
    try:
        yield
    finally:
        _Request.may_interrupt = before


def _heard(number: int, frame: FrameType | None) -> None:
    # ignored by the system from here on: Python gives its own handlers up while it shuts down, and a second
    # signal would kill the process then
    stop_listening()
    if _Request.asked:
        return
    _Request.asked = True
    if _Request.may_interrupt:
        raise KeyboardInterrupt


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
