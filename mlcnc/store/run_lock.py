"""One writer a run folder: a lock that the system drops when its process dies."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from weakref import WeakSet

from mlcnc.errors import StoreError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class RunLock:
    """Holds the ``flock`` of a run folder from its making to :meth:`release` or the end of the process.

    The folder itself is locked, so that no lock file is left behind or copied along. Where the disk knows no
    locks (some shared folders) the lock is held in name only. A forked child has no part in it.

    Args:
        folder: the run folder.

    Raises:
        StoreError: another writer holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _locked(folder)
        _held.add(self)

    def release(self) -> None:
        """Let the next writer in; a second call changes nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            # closing alone would leave it locked as long as a child, forked beside Python, has its copy
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def _close_copy(self) -> None:
        """Give up a forked child's copy; to unlock it would unlock the parent's too."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


_held: WeakSet[RunLock] = WeakSet()


def _close_copies() -> None:
    for lock in list(_held):
        lock._close_copy()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)


def _locked(folder: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"run {folder.name} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(
            f"run {folder.name} is being written by another process; wait until it ends, or stop it first"
        ) from None
    except OSError:
        # this disk knows no locks: the recorded process alone tells writers apart
        os.close(descriptor)
        return None
    return descriptor
