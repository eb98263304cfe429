"""The search for the devices of this machine, beside the pages: no page waits for it, none fails with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from mlcnc.errors import MlcncError
from mlcnc.launch import Device, devices

KEPT_SECONDS = 60.0
"""Then it is looked again: memory gets free, and torch that could not be asked once may answer."""

_QUICK_SECONDS = 0.3
"""A search that loads no torch is done within this time; a page waits so long where nothing is known."""


@dataclass(frozen=True)
class FoundDevices:
    """What is known of the devices of this machine.

    Attributes:
        devices: the one that auto takes first; empty while they are looked for and where that failed.
        problem: why they cannot be known, empty otherwise.
        is_searching: another process still looks for them.
    """

    devices: tuple[Device, ...] = ()
    problem: str = ""
    is_searching: bool = False


class DeviceSearch:
    """Looks for devices in a thread and keeps what it found for a while, a failure not at all.

    Args:
        look: finds them; may take seconds and raise MlcncError or OSError.
    """

    def __init__(self, look: Callable[[], Sequence[Device]] = devices) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._search: Future[Sequence[Device]] | None = None
        self._found = FoundDevices(is_searching=True)
        self._found_at = 0.0

    def found(self) -> FoundDevices:
        """Return what is known now; an older answer stays until a newer one is there."""
        with self._lock:
            known = bool(self._found.devices)
            if self._search is None and not (known and time.monotonic() - self._found_at < KEPT_SECONDS):
                self._search = self._begun()
                if not known:
                    wait([self._search], timeout=_QUICK_SECONDS)
            if self._search is not None and self._search.done():
                # forgotten first, so that an error that nobody knows is raised once and not for ever
                search, self._search = self._search, None
                self._found, self._found_at = _answer(search), time.monotonic()
            return self._found

    def _begun(self) -> Future[Sequence[Device]]:
        with_one = ThreadPoolExecutor(1, thread_name_prefix="devices")
        try:
            return with_one.submit(self._look)
        finally:
            with_one.shutdown(wait=False)


def _answer(search: Future[Sequence[Device]]) -> FoundDevices:
    try:
        return FoundDevices(tuple(search.result()))
    except (MlcncError, OSError) as error:
        return FoundDevices(problem=str(error))
