"""Writes how jobs stand, and keeps what the disk does not take until it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlcnc.errors import LaunchError, StoreError
from mlcnc.launch.job import ACTIVE_STATES, JobState, JobStatus
from mlcnc.launch.job_folder import JobFolder, read_status, write_status
from mlcnc.launch.processes import kill_stragglers
from mlcnc.store.liveness import now

RETRY_SECONDS = 2.0


class StateKeeper:
    """The supervisor's hand on state.json of all jobs.

    Args:
        jobs: the folder of the jobs.
        say: receives a sentence for the first failure of each job.
    """

    def __init__(self, jobs: JobFolder, say: Callable[[str], None]) -> None:
        self._jobs = jobs
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
        """Try again to write what the disk did not take, from time to time.

        What another moved on meanwhile stays, e.g. a stopped job that was to be queued again.
        """
        if not self._unwritten or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_SECONDS
        # where the queue cannot be held now, the next time is as good
        with suppress(LaunchError), self._jobs.changing():
            for folder, status in list(self._unwritten.values()):
                if _has_moved_on(folder, status):
                    del self._unwritten[folder.name]
                else:
                    self.write(folder, status)


def _has_moved_on(folder: Path, kept: JobStatus) -> bool:
    """Return whether the disk has an end or a later start of the job; False where it cannot be read."""
    try:
        written = read_status(folder)
    except (OSError, LaunchError):
        return False
    return written.attempt > kept.attempt or written.state not in ACTIVE_STATES
