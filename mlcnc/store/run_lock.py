"""One writer a run folder."""

from __future__ import annotations

from pathlib import Path

from mlcnc.errors import StoreError
from mlcnc.files.locking import FolderLock


class RunLock(FolderLock):
    """The lock of a run folder; where its disk knows none the recorded process alone tells writers apart.

    Raises:
        StoreError: another writer holds it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            super().__init__(folder)
        except BlockingIOError:
            raise StoreError(
                f"run {folder.name} is being written by another process; wait until it ends, or stop it first"
            ) from None
        except OSError as error:
            raise StoreError(f"run {folder.name} cannot be opened: {error.strerror}") from error
