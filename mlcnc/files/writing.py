"""Writing files so that a reader, or a crash, never meets a half-written one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path


def aside_of(path: Path) -> Path:
    """Return the hidden name beside a path under which it is made; it tells the process that does so."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")


def replace_file(
    path: Path, write: Callable[[Path], object], *, keep: Path | None = None, flush: bool = True
) -> None:
    """Write beside ``path``, flush to disk and rename, so that the old content stays until then.

    Args:
        path: the file to replace.
        write: writes the new content to the path it is given.
        keep: another name in the folder, under which the old content stays.
        flush: False leaves it to the system when it is on the disk.

    Raises:
        OSError: the disk is full or the folder cannot be written; nothing is left beside it.
    """
    aside = aside_of(path)
    try:
        write(aside)
        if flush:
            with aside.open("rb") as stream:
                os.fsync(stream.fileno())
        if keep is not None and path.is_file():
            os.replace(path, keep)
        os.replace(aside, path)
        if flush:
            flush_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):  # the disk may be read-only, or away
            aside.unlink(missing_ok=True)
        raise


def write_all(path: Path, content: bytes | memoryview) -> None:
    """Write the content to a file, for :func:`replace_file`."""
    with path.open("wb") as stream:
        stream.write(content)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, so that a renamed file is found after a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # nor do some shared folders flush them
    finally:
        os.close(descriptor)
