"""The folder ``.jobs`` of a runs folder: the only code that knows its files."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlcnc.errors import JobNotFoundError, LaunchError, StoreError
from mlcnc.launch.job import JobEntry, JobStatus
from mlcnc.launch.locks import locked
from mlcnc.launch.processes import boot_id, boot_seconds
from mlcnc.launch.regular_file import open_to_append, read_end
from mlcnc.store.files import write_json

JOB_ID = re.compile(r"\d{4,9}-[a-z]{1,16}")
FOLDER_NAME = ".jobs"
_MOST_JSON_BYTES = 1_000_000
_MOST_NUMBER = 10**8


class JobFormatError(LaunchError):
    """A file of one job is missing or damaged."""


class JobFolder:
    """The jobs of one runs folder on disk.

    Args:
        runs_root: the runs folder; ``.jobs`` in it is made by the first job.
    """

    def __init__(self, runs_root: str | Path) -> None:
        self.runs_root = Path(runs_root).absolute()
        self.path = self.runs_root / FOLDER_NAME
        self.queue_lock = self.path / "queue.lock"
        self.supervisor_lock = self.path / "supervisor.lock"
        self.last_number = self.path / "last_number.json"

    def make(self) -> None:
        """Make the folder where there is none.

        Raises:
            LaunchError: it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LaunchError(f"{self.path} cannot be made: {error.strerror}") from None
        if self.path.is_symlink():
            raise LaunchError(f"{self.path} is a link; jobs are kept in the runs folder itself")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the queue alone while it is changed; whoever waits for changes sees :meth:`version` move.

        Raises:
            LaunchError: there is no such folder or it cannot be written.
        """
        with locked(self.queue_lock) as descriptor:
            try:
                yield
            finally:
                # the same length each time, so that a full disk hardly refuses it; who waits looks again anyway
                with suppress(OSError):
                    version = _number(os.pread(descriptor, 20, 0)) + 1
                    os.pwrite(descriptor, f"{version:020d}".encode(), 0)

    def version(self) -> int:
        """Return a number that grows with every change of the queue."""
        try:
            return _number(read_end(self.queue_lock, 20)[0])
        except OSError:
            return 0

    def job_ids(self) -> list[str]:
        """Return the ids of all jobs, oldest first; links are left out."""
        if os.path.islink(self.path):
            return []
        try:
            with os.scandir(self.path) as entries:
                found = [
                    entry.name
                    for entry in entries
                    if JOB_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            return []
        return sorted(found, key=lambda name: (len(name.partition("-")[0]), name))

    def of(self, job_id: str) -> Path:
        """Return the folder of a job.

        Raises:
            JobNotFoundError: there is none, or the id would leave the folder of jobs.
        """
        if not JOB_ID.fullmatch(job_id):
            raise JobNotFoundError(f"a job id looks like 0001-train, got {job_id!r}; see: mlcnc jobs list")
        folder = self.path / job_id
        if not folder.is_dir() or folder.is_symlink() or self.path.is_symlink():
            ids = self.job_ids()
            known = ", ".join(ids[-10:]) or "none"
            raise JobNotFoundError(f"there is no job {job_id!r} in {self.runs_root}; the newest are: {known}")
        return folder

    def create(self, entry: JobEntry) -> Path:
        """Write a new job, whole or not at all; call it while :meth:`changing`."""
        aside = self.path / f".new-{entry.job_id}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir()
            write_json(aside / "job.json", entry.model_dump())
            write_json(aside / "order.json", {"order": entry.number})
            write_json(self.last_number, entry.number)
            os.rename(aside, self.path / entry.job_id)
        except (StoreError, OSError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            reason = getattr(error.__cause__ or error, "strerror", None) or str(error)
            raise LaunchError(f"the job could not be queued in {self.path}: {reason}") from None
        return self.path / entry.job_id

    def delete(self, job_id: str) -> None:
        """Remove a job; readers see it whole or not at all."""
        aside = self.path / f".old-{job_id}"
        try:
            os.rename(self.of(job_id), aside)
        except OSError as error:
            raise LaunchError(f"job {job_id} cannot be removed: {error.strerror}") from None
        shutil.rmtree(aside, ignore_errors=True)

    def next_number(self) -> int:
        """Return the number of the next job."""
        ids = self.job_ids()
        last = int(ids[-1].partition("-")[0]) if ids else 0
        with suppress(OSError):
            # a number is never given again: a page that still shows a removed job must not stop another
            noted = _number(read_end(self.last_number, 20)[0])
            last = max(last, noted if noted < _MOST_NUMBER else 0)
        return last + 1


def read_entry(folder: Path) -> JobEntry:
    """Return what was asked for.

    Raises:
        JobFormatError: job.json is missing, damaged, or names another job.
    """
    try:
        entry = JobEntry.model_validate(_read(folder / "job.json"))
    except ValidationError as error:
        raise _damaged(folder / "job.json", error) from None
    if entry.job_id != folder.name:
        raise JobFormatError(f"job.json of job {folder.name} names another job, {entry.job_id!r}")
    return entry


def read_status(folder: Path) -> JobStatus:
    """Return where the job stands as written; queued where nothing was written yet.

    Raises:
        JobFormatError: state.json is damaged.
    """
    path = folder / "state.json"
    try:
        return JobStatus.model_validate(_read(path))
    except FileNotFoundError:
        return JobStatus()
    except ValidationError as error:
        raise _damaged(path, error) from None


def write_status(folder: Path, status: JobStatus) -> None:
    """Replace state.json.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    if not folder.is_dir():
        raise StoreError(f"the folder of job {folder.name} is gone")
    write_json(folder / "state.json", status.model_dump())


def read_order(folder: Path) -> int | None:
    """Return the place key of a job, None where order.json is missing or damaged."""
    try:
        order = _read(folder / "order.json")["order"]
    except (OSError, LaunchError, KeyError, TypeError):
        return None
    return order if isinstance(order, int) else None


def write_order(folder: Path, order: int) -> None:
    """Replace order.json."""
    write_json(folder / "order.json", {"order": order})


def ask_to_cancel(folder: Path, *, told: bool = False) -> None:
    """Leave the file that asks for a stop, with the moment in time since boot; the first one counts.

    Args:
        folder: of the job.
        told: who asks sends the polite signal too, so that no one has to repeat it.
    """
    path = folder / "cancel"
    if path.exists():
        return
    try:
        write_json(path, {"boot_id": boot_id(), "asked": boot_seconds(), "told": told})
    except StoreError:
        # on a full disk an empty file still asks
        os.close(open_to_append(path))


def is_cancelled(folder: Path) -> bool:
    """Return whether a stop was asked for."""
    return os.path.exists(f"{folder}/cancel")


def was_told(folder: Path) -> bool:
    """Return whether who asked for the stop sent the polite signal too."""
    try:
        return _read(folder / "cancel")["told"] is True
    except (OSError, LaunchError, KeyError, TypeError):
        return False


def seconds_since_cancel(folder: Path) -> float:
    """Return how long ago a stop was asked for, 0 where that is not known."""
    try:
        tree = _read(folder / "cancel")
        asked = float(tree["asked"]) if tree["boot_id"] == boot_id() else boot_seconds()
    except (OSError, LaunchError, KeyError, TypeError, ValueError, OverflowError):
        return 0.0
    return max(0.0, boot_seconds() - asked)


def _read(path: Path) -> Any:
    try:
        content, is_whole = read_end(path, _MOST_JSON_BYTES)
        if not is_whole:
            raise ValueError(f"it has more than {_MOST_JSON_BYTES} bytes")
        return json.loads(content)
    except FileNotFoundError:
        if path.name == "state.json":
            raise
        raise JobFormatError(f"{path.name} of job {path.parent.name} is missing") from None
    except OSError as error:
        raise JobFormatError(
            f"{path.name} of job {path.parent.name} cannot be read: {error.strerror}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise JobFormatError(f"{path.name} of job {path.parent.name} is damaged: {error}") from None


def _damaged(path: Path, error: ValidationError) -> JobFormatError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return JobFormatError(
        f"{path.name} of job {path.parent.name} is damaged, field {field or 'at the top'}: {first['msg']}"
    )


def _number(content: bytes) -> int:
    try:
        return int(content)
    except ValueError:
        return 0
