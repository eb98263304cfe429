"""One process that writes into a folder at a time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlcnc.errors import DataError


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
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waiting is None:
                    raise DataError(
                        f"another process downloads into {folder}; wait for it or stop it"
                    ) from None
            waiting()
            time.sleep(0.5)
        yield
    finally:
        os.close(descriptor)
