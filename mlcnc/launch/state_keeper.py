"""Writes how jobs stand, and keeps what the disk does not take until it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mlcnc.errors import StoreError
from mlcnc.launch.job import JobState, JobStatus
from mlcnc.launch.job_folder import write_status
from mlcnc.launch.processes import kill_stragglers
from mlcnc.store.liveness import now

RETRY_SECONDS = 2.0


class StateKeeper:
    """The supervisor's hand on state.json of all jobs.

    Args:
        say: receives a sentence for the first failure of each job.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._unwritten: dict[str, tuple[Path, JobStatus]] = {}
        self._retry_at = 0.0

    def __bool__(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._unwritten)

    def __contains__(self, job_id: str) -> bool:
        """Whether the disk holds an older state of the job than is known here."""
        return job_id in self._unwritten

    def write(self, folder: Path, status: JobStatus) -> None:
        """Write a state now, or keep it for :meth:`retry`; that of a removed job is forgotten."""
        try:
            write_status(folder, status)
        except StoreError as error:
            if not folder.is_dir():
                self._unwritten.pop(folder.name, None)
                return
            if folder.name not in self._unwritten:
                self._say(str(error))
            self._unwritten[folder.name] = (folder, status)
            return
        self._unwritten.pop(folder.name, None)

    def finish(
        self, folder: Path, status: JobStatus, state: JobState, headline: str, code: int | None = None
    ) -> None:
        """Write how a job ended, after the last of its processes is gone."""
        if status.process is not None and status.process.is_here:
            # what left the group, or outlived its first process unseen, may still hold the device
            kill_stragglers(folder)
        ended = {"state": state, "headline": headline, "exit_code": code, "finished_at": now()}
        self.write(folder, status.model_copy(update=ended))

    def retry(self) -> None:
        """Try again to write what the disk did not take, from time to time."""
        if self._unwritten and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            for folder, status in list(self._unwritten.values()):
                self.write(folder, status)
