"""Files of a job that anyone may have put something else in the place of: read and written only if regular."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# not on every system; where they are missing there are no such files either
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def read_end(path: Path, most: int) -> tuple[bytes, bool]:
    """Return the last bytes of a file, and whether they are all of it.

    Raises:
        OSError: there is none, it is a link, a pipe or a folder, or it cannot be read.
    """
    descriptor = _opened(path, os.O_RDONLY)
    try:
        start = max(0, os.fstat(descriptor).st_size - most)
        return os.pread(descriptor, most, start), start == 0
    finally:
        os.close(descriptor)


def read_from(path: Path, position: int, most: int) -> bytes:
    """Return at most so many bytes of a file from a position on; empty where it ends before.

    Raises:
        OSError: as for :func:`read_end`.
    """
    descriptor = _opened(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, most, position)
    finally:
        os.close(descriptor)


def open_to_append(path: Path) -> int:
    """Return the descriptor of a file to append to, made if missing.

    Raises:
        OSError: it is a link, a pipe or a folder, or it cannot be written.
    """
    return _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _opened(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | _FLAGS, 0o666)
    except OSError as error:
        # so the system reports a link that is not followed and a pipe that nobody reads
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _irregular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular(path)
    return descriptor


def _irregular(path: Path) -> OSError:
    return OSError(errno.EINVAL, f"{path.name} is a link or no regular file; remove it")
