"""What a new supervisor finds: jobs that went on without one, that ended unseen, that were on their way."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace

from mlcnc.launch import outcome
from mlcnc.launch.active_job import ActiveJob
from mlcnc.launch.job import JobStatus
from mlcnc.launch.processes import ProcessMark, job_leader
from mlcnc.launch.reading import JobReader, Record, stop_reason
from mlcnc.launch.state_keeper import StateKeeper


class Adoption:
    """Takes over what lives and settles what died.

    Args:
        reader: of the jobs.
        states: writes how they stand.
        say: receives what went wrong with one of them.
    """

    def __init__(self, reader: JobReader, states: StateKeeper, say: Callable[[str], None]) -> None:
        self._reader = reader
        self._states = states
        self._say = say
        self._active: dict[str, ActiveJob] = {}

    def all(self) -> dict[str, ActiveJob]:
        """Return the jobs that live, by id; call it while the queue is held."""
        for record in self._reader.records()[0]:
            try:
                self._one(record)
            except Exception:
                # one odd job must not keep the others from being found
                self._say(traceback.format_exc())
        return self._active

    def _one(self, record: Record) -> None:
        state, process = record.status.state, record.status.process
        if record.is_damaged:
            self._mend(record)
        elif state == "starting" and not self._belongs_elsewhere(record):
            # its process, should one still be on the way, sees another attempt and gives up
            again = record.status.model_copy(
                update={"state": "queued", "attempt": record.status.attempt + 1, "supervisor": None}
            )
            self._states.write(record.folder, again)
        elif state in ("running", "stopping") and not self._belongs_elsewhere(record):
            if process is not None and process.is_alive:
                self._take_over(record, process)
            else:
                self._settle_unseen(record)

    def _belongs_elsewhere(self, record: Record) -> bool:
        mark = record.status.process or record.status.supervisor
        if mark is None or mark.is_here:
            return False
        return self._reader.standing(record)[0] in ("starting", "running", "stopping")

    def _take_over(self, record: Record, process: ProcessMark) -> None:
        active = ActiveJob(record.folder, record.entry, record.status, process, None)
        self._active[record.entry.job_id] = active
        reason = stop_reason(record)
        if reason is not None:
            active.begin_stop(reason, already_told=record.status.state == "stopping")

    def _settle_unseen(self, record: Record) -> None:
        entry, process = record.entry, record.status.process
        state, headline = outcome.unseen(
            entry.request.kind,
            record.folder,
            self._reader.folder.runs_root,
            entry.run_id,
            None if process is None else process.pid,
            stop_reason(record),
        )
        self._states.finish(record.folder, record.status, state, headline)

    def _mend(self, record: Record) -> None:
        """Bring a job whose state.json is damaged to a known state, by its process where it has one."""
        process = job_leader(record.folder)
        if process is None:
            self._states.finish(record.folder, record.status, "lost", record.status.headline)
            return
        status = JobStatus(state="running", process=process)
        self._states.write(record.folder, status)
        self._take_over(replace(record, status=status), process)
