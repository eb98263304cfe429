"""All jobs of a runs folder as they truly stand, read from disk and from the table of processes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from mlcnc.errors import LaunchError
from mlcnc.launch import outcome
from mlcnc.launch.job import ACTIVE_STATES, Job, JobEntry, JobState, JobStatus
from mlcnc.launch.job_folder import JobFolder, JobFormatError, is_cancelled, read_entry, read_order, read_status
from mlcnc.launch.locks import is_locked

STALE_SECONDS = 20.0
"""A job of another machine is lost when nothing of it changed for so long."""

SETTLE_SECONDS = 8.0
"""A supervisor that lives is given so long to write how a job ended."""

STOPPED_ON_REQUEST = "stopped on request; what was logged is kept"

_SKEW_SECONDS = 60.0
Identity = tuple[int, int, int, int]


@dataclass(frozen=True)
class Record:
    """What the files of one job say.

    Attributes:
        order: its key in the queue; the number where order.json cannot be read.
        is_damaged: state.json cannot be read, so that ``status`` says no more than that.
    """

    folder: Path
    entry: JobEntry
    status: JobStatus
    order: int
    cancelled: bool
    is_damaged: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """By what waiting jobs are sorted; of two with one order the older comes first."""
        return self.order, self.entry.number


class JobReader:
    """Reads jobs and remembers what did not change; as cheap as two looks at the disk for an ended job.

    Args:
        folder: the jobs of a runs folder.
    """

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder
        # what cannot be read is kept as its sentence: an error that is raised again and again grows
        self._entries: dict[str, tuple[Identity | None, JobEntry | str]] = {}
        self._states: dict[str, tuple[Identity | None, JobStatus | str]] = {}
        self._dead_since: dict[str, float] = {}
        self._signs: dict[str, tuple[float, float]] = {}

    def records(self) -> tuple[list[Record], dict[str, LaunchError]]:
        """Return every readable job, oldest first, and what is wrong with the others, by id."""
        found, problems = [], {}
        for job_id in self.folder.job_ids():
            try:
                found.append(self.record(job_id))
            except LaunchError as error:
                if (self.folder.path / job_id).is_dir():  # else it was removed at this moment
                    problems[job_id] = error
        return found, problems

    def record(self, job_id: str) -> Record:
        """Return one job.

        Raises:
            LaunchError: job.json is missing or damaged.
        """
        folder = self.folder.path / job_id
        entry = self._entry(folder)
        try:
            status = self._status(folder)
        except LaunchError as error:
            unknown = JobStatus(state="lost", headline=str(error))
            return Record(folder, entry, unknown, entry.number, is_cancelled(folder), is_damaged=True)
        if status.state not in ACTIVE_STATES:
            return Record(folder, entry, status, entry.number, False)
        order = read_order(folder) if status.state in ("queued", "starting") else None
        return Record(folder, entry, status, entry.number if order is None else order, is_cancelled(folder))

    def jobs(self) -> tuple[list[Job], dict[str, LaunchError]]:
        """Return every readable job as it truly stands, newest first, and what is wrong with the others."""
        records, problems = self.records()
        standing = [(record, *self.standing(record)) for record in records]
        waiting = [record.rank for record, state, _ in standing if _has_place(record, state)]
        places = {number: place for place, (_, number) in enumerate(sorted(waiting), start=1)}
        jobs = [
            _job(record, state, headline, places.get(record.entry.number))
            for record, state, headline in standing
        ]
        return jobs[::-1], problems

    def has_place(self, record: Record) -> bool:
        """Return whether a job has a place in the queue of this machine."""
        return _has_place(record, self.standing(record)[0])

    def standing(self, record: Record) -> tuple[JobState, str]:
        """Return the true state and headline: what nobody runs any more is not called running."""
        status = record.status
        if status.state == "queued" and not record.entry.is_ours:
            return "queued", f"queued on {record.entry.host or 'another machine'} and started there alone"
        if status.state == "starting":
            return ("starting" if self._is_being_started(record) else "queued"), status.headline
        if status.state not in ("running", "stopping"):
            return status.state, status.headline
        process = status.process
        here = process is None or process.is_here
        if process is not None and (process.is_alive if here else self._shows_life(record)):
            self._dead_since.pop(record.entry.job_id, None)
            return ("stopping" if record.cancelled else status.state), status.headline
        if here and self._will_be_settled(record):
            return ("stopping" if record.cancelled else status.state), status.headline
        return outcome.unseen(
            record.entry.request.kind,
            record.folder,
            self.folder.runs_root,
            record.entry.run_id,
            None if process is None else process.pid,
            stop_reason(record),
        )

    def _is_being_started(self, record: Record) -> bool:
        supervisor = record.status.supervisor
        if supervisor is None:
            return False
        return supervisor.is_alive if supervisor.is_here else self._shows_life(record)

    def _will_be_settled(self, record: Record) -> bool:
        first = self._dead_since.setdefault(record.entry.job_id, time.monotonic())
        return time.monotonic() - first < SETTLE_SECONDS and is_locked(self.folder.supervisor_lock)

    def _shows_life(self, record: Record) -> bool:
        """Return whether a job of another machine changes its files; the clocks of the two may differ."""
        sign = max(_changed_at(record.folder / name) for name in ("telemetry.jsonl", "state.json"))
        known = self._signs.get(record.entry.job_id)
        if known is None:
            # first looked at now: believed for a while where the clocks roughly agree
            fresh = abs(time.time() - sign) < _SKEW_SECONDS
            known = (sign, time.monotonic() if fresh else time.monotonic() - STALE_SECONDS)
        elif known[0] != sign:
            known = (sign, time.monotonic())
        self._signs[record.entry.job_id] = known
        return time.monotonic() - known[1] < STALE_SECONDS

    def _entry(self, folder: Path) -> JobEntry:
        identity = _identity(f"{folder}/job.json")
        known = self._entries.get(folder.name)
        if known is None or known[0] != identity:
            try:
                known = (identity, read_entry(folder))
            except LaunchError as error:
                known = (identity, str(error))
            self._entries[folder.name] = known
        if isinstance(known[1], str):
            raise JobFormatError(known[1])
        return known[1]

    def _status(self, folder: Path) -> JobStatus:
        identity = _identity(f"{folder}/state.json")
        known = self._states.get(folder.name)
        if known is None or known[0] != identity:
            try:
                known = (identity, read_status(folder))
            except LaunchError as error:
                known = (identity, str(error))
            self._states[folder.name] = known
        if isinstance(known[1], str):
            raise JobFormatError(known[1])
        return known[1]


def _has_place(record: Record, state: JobState) -> bool:
    return state == "queued" and record.entry.is_ours


def stop_reason(record: Record) -> str | None:
    """Return the sentence of the stop that is under way, None where none was asked for."""
    if record.status.state == "stopping" and record.status.headline:
        return record.status.headline
    return STOPPED_ON_REQUEST if record.cancelled else None


def _job(record: Record, state: JobState, headline: str, place: int | None) -> Job:
    entry, status = record.entry, record.status
    running = state in ("running", "stopping")
    if state in ("queued", "starting", "running"):
        headline = headline or entry.note
    return Job(
        job_id=entry.job_id,
        request=entry.request,
        state=state,
        place=place,
        run_id=entry.run_id,
        device=None if state == "queued" else status.device,
        pid=status.process.pid if running and status.process is not None else None,
        created_at=entry.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        headline=headline,
        folder=record.folder,
        cancel_asked=record.cancelled or (state == "stopped" and is_cancelled(record.folder)),
    )


def _identity(path: str) -> Identity | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
