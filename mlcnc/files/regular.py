"""Regular files told from all else: a pipe would be waited for, and a folder is none."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# not on every system; where they are missing there are no such files either
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> tuple[int, int]:
    """Return descriptor and size of a regular file, made with that mode; a link is not followed.

    Raises:
        OSError: there is none, it cannot be opened, or it is something else, a link by ``ELOOP``.
    """
    descriptor = os.open(path, flags | _FLAGS, mode)
    try:
        return descriptor, _size(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise


def regular_size(path: Path, *, follow: bool = True) -> int:
    """Return the size of a regular file that a library will open by its name.

    Raises:
        OSError: there is none, or it is something else, a link that is not followed by ``ELOOP``.
    """
    return _size(os.stat(path, follow_symlinks=follow))


def tree_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a folder; 0 where there is none."""
    total = 0
    for place in [path, *path.rglob("*")]:
        try:
            total += 0 if place.is_dir() and not place.is_symlink() else place.lstat().st_size
        except OSError:
            continue
    return total


def _size(found: os.stat_result) -> int:
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    number = {stat.S_IFLNK: errno.ELOOP, stat.S_IFDIR: errno.EISDIR}.get(stat.S_IFMT(found.st_mode))
    raise OSError(number or errno.EINVAL, os.strerror(number) if number else "it is no regular file")
