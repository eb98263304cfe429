"""Locks that the system drops with the last process that holds their descriptor: no crash leaves one behind."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakSet

from mlcnc.errors import DataError
from mlcnc.files.regular import open_regular

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Holds the ``flock`` of a folder from its making to :meth:`release` or the end of the process.

    The folder itself is locked, so that no lock file is left behind or copied along. Where the disk knows no
    locks (some shared folders) the lock is held in name only. A forked child has no part in it.

    Args:
        folder: that exists.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _locked(folder)
        _held.add(self)

    def release(self) -> None:
        """Let the next one in; a second call changes nothing."""
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


_held: WeakSet[FolderLock] = WeakSet()


def _close_copies() -> None:
    for lock in list(_held):
        lock._close_copy()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)


def _locked(folder: Path) -> int | None:
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        # this disk knows no locks
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def alone_in(folder: Path, waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the folder's lock, as two processes would write the same file.

    Args:
        folder: that exists.
        waiting: called twice a second while another process holds it; None refuses then.

    Raises:
        DataError: another process holds it.
        OSError: the folder cannot be opened.
    """
    while True:
        try:
            lock = FolderLock(folder)
            break
        except BlockingIOError:
            if waiting is None:
                raise DataError(f"another process downloads into {folder}; wait for it or stop it") from None
        waiting()
        time.sleep(0.5)
    with lock:
        yield


def try_lock(path: Path) -> int | None:
    """Return the descriptor of the locked file, made if missing; None where another process holds it.

    A process that is given the descriptor holds the lock too.

    Raises:
        OSError: the file cannot be opened, is no regular one, or its disk knows no locks.
    """
    while True:
        descriptor, _ = open_regular(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_lock_of(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        # a cleaner of temporary files removed it between opening and locking
        os.close(descriptor)


def is_lock_of(descriptor: int, path: Path) -> bool:
    """Return whether the file of this name is still the one that was opened, not a later one in its place."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock; who tries to lock it at that moment has to try again."""
    try:
        descriptor, _ = open_regular(path)
    except OSError as error:
        # one that may not be opened is of another user, whose lock it is
        return isinstance(error, PermissionError)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
