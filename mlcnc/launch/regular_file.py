"""Reading a file of a job that anyone may have put something else in the place of."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# not on every system; where they are missing there are no such files either
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def read_end(path: Path, most: int) -> tuple[bytes, bool]:
    """Return the last bytes of a file, and whether they are all of it.

    Raises:
        OSError: there is none, it is a link, a pipe or a folder, or it cannot be read.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        start = max(0, found.st_size - most)
        return os.pread(descriptor, most, start), start == 0
    finally:
        os.close(descriptor)
