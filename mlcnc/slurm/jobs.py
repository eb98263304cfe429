"""The jobs of a runs folder, on this machine and in Slurm, in one table and one list."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from mlcnc.errors import JobNotFoundError, LaunchError, StoreError
from mlcnc.files.locking import is_locked, try_lock
from mlcnc.launch import Job, JobRequest, Jobs, argv_of
from mlcnc.launch.ending import error_line, last_line
from mlcnc.launch.job import StopReason
from mlcnc.launch.processes import JOB_VARIABLE
from mlcnc.launch.queue import update
from mlcnc.launch.request import DOWNLOADS, WRITES_RUN, request_of
from mlcnc.slurm.commands import SlurmState, cancel, states
from mlcnc.slurm.ending import Traces, ending, noted_status, stage
from mlcnc.slurm.submission import Task, remove_files, submit
from mlcnc.slurm_request import SLURM
from mlcnc.store import RunStore
from mlcnc.store.liveness import now

ASKED_SECONDS = 3.0
"""So long an answer of Slurm is taken for true: pages ask several times for what they show once."""

_NUMBER = "slurm:"
"""Stands alone until Slurm has taken the job and told its number."""

_UNGIVEN = f"number = ? AND state = 'queued' AND device = '{_NUMBER}'"
_NEVER_GIVEN = "never came to Slurm, as who was giving it there died over it; queue it again"


class AllJobs(Jobs):
    """Jobs of this machine's devices and of Slurm.

    A job of Slurm stays queued in the table for as long as Slurm has not said that it ended, and its state is
    asked for whenever somebody looks; whoever sees its end first writes it. Its number there is in ``device``.

    Its row is written before Slurm is asked to take it, which may last; meanwhile a lock beside its log is
    held. A row without number whose lock nobody holds is of a process that died; what Slurm took of it
    nevertheless ends as soon as it begins, for its files are gone.

    Args:
        runs_root: the runs folder, which the nodes of the cluster must see under the same path.
    """

    _answer: tuple[float, frozenset[int], dict[int, SlurmState] | LaunchError] = (
        float("-inf"),
        frozenset(),
        {},
    )
    _ended: frozenset[int] = frozenset()

    def resume(
        self,
        run_id: str,
        *,
        device: str | None = None,
        max_minutes: float | None = None,
        max_megabytes: float | None = None,
        token: str | None = None,
        slurm: Mapping[str, Any] | None = None,
    ) -> Job:
        """Queue the rest of an interrupted run, where its last job ran or as asked for.

        Args:
            run_id, device, max_minutes, max_megabytes, token: as for :meth:`Jobs.resume`; with a device or one
                of the limits it is resumed on this machine.
            slurm: fields of a SlurmRequest in place of those of the last job; an empty mapping takes them all.

        Raises:
            StoreError, LaunchError: as for :meth:`Jobs.resume`.
        """
        here = (device, max_minutes, max_megabytes)
        jobs = [job for job in self._queue.read("run_id = ?", run_id)[0] if job.request.kind in WRITES_RUN]
        before = jobs[-1].request.slurm if jobs else None
        if slurm is None and (before is None or here != (None, None, None)):
            return super().resume(
                run_id, device=device, max_minutes=max_minutes, max_megabytes=max_megabytes, token=token
            )
        fields = ({} if before is None else before.model_dump()) | dict(slurm or {})
        after = jobs[-1].request.after if jobs else None
        request = request_of({"kind": "resume", "run_id": run_id, "slurm": fields, "after": after})
        return self.submit(request, token)

    def submit(self, request: JobRequest, token: str | None = None) -> Job:
        """Queue a job as :meth:`Jobs.submit` does, or give it to Slurm.

        Raises:
            ConfigError, StoreError, LaunchError: as there; or Slurm does not take it.
        """
        if request.slurm is not None:
            if request.kind in DOWNLOADS:
                raise LaunchError(f"a job of kind {request.kind} needs the network, which nodes may not have")
            if (request.device, request.max_minutes, request.max_megabytes) != ("auto", None, None):
                here = "device, max_minutes and max_megabytes are of jobs on this machine"
                raise LaunchError(f"{here}; of Slurm ask for time and GPUs")
            if (
                request.kind not in WRITES_RUN
                and (most := request.slurm.nodes * request.slurm.tasks_per_node) > 1
            ):
                one = f"a job of kind {request.kind} is one process, and would begin {most} times"
                raise LaunchError(f"{one}; ask for one node and at most one GPU")
        return super().submit(request, token)

    def stop(self, job_id: str) -> None:
        """Ask a job to end; one of Slurm gets SIGTERM, and SIGKILL after its KillWait, 30 s as a rule.

        Raises:
            JobNotFoundError, LaunchError: as for :meth:`Jobs.stop`; or Slurm refuses.
        """
        job = self.get(job_id)
        if job.lane != SLURM or not job.is_active:
            super().stop(job_id)
            return
        reason = StopReason.BEFORE_START if job.state == "queued" else StopReason.ASKED
        # first, or its end would be seen before anyone knew that it was asked for
        self._queue.change(job.number, stop=reason)
        try:
            self._cancel(job)
        except LaunchError:
            self._queue.change(job.number, stop=None)
            raise

    def remove(self, job_id: str) -> None:
        """Remove a job that waits or has ended from the list, with its log; its run stays.

        Raises:
            JobNotFoundError, LaunchError: as for :meth:`Jobs.remove`; or Slurm does not say how it stands.
        """
        # of a damaged one nothing is known; it is removed all the same
        for job in self.all():
            if job.job_id != job_id or job.lane != SLURM:
                continue
            if job.state in ("running", "stopping"):
                raise LaunchError(f"job {job_id} is {job.state}; stop it first")
            if job.state == "queued":
                self._cancel(job)
            if not is_locked(_lock(job)):  # else whoever gives it to Slurm needs them to take it back
                remove_files(self._files(job))
        super().remove(job_id)

    def move(self, job_id: str, by: int) -> None:
        """Move a queued job as :meth:`Jobs.move` does; the order of those in Slurm is its own."""
        job = self.get(job_id)
        if job.lane == SLURM and job.is_active:
            raise LaunchError(f"job {job_id} is in the hands of Slurm, which orders its queue itself")
        super().move(job_id, by)

    def _cancel(self, job: Job) -> None:
        if job.device == _NUMBER:
            stopped = {"state": "stopped", "stop": StopReason.BEFORE_START, "finished_at": now()}
            if self._change_ungiven(job, **stopped):
                return  # whoever gives it to Slurm takes it back
            job = self.get(job.job_id)
        number = _number(job)
        if number is not None:
            cancel(number)
        AllJobs._answer = (float("-inf"), frozenset(), {})

    def _files(self, job: Job) -> Path:
        return self._queue.folder / "slurm" / job.job_id

    def read(self) -> tuple[list[Job], dict[Any, str]]:
        jobs, problems = super().read()
        jobs = [self._settled(job) if _is_ungiven(job) else job for job in jobs]
        numbers = {number for job in jobs if job.is_active and (number := _number(job)) is not None}
        if not numbers:
            return jobs, problems
        try:
            known = self._asked(numbers)
        except LaunchError as error:
            words = f", of which is not known how it stands: {error}"
            return [_queued_there(job, words) if _number(job) in numbers else job for job in jobs], problems
        return [self._seen(job, known) if _number(job) in numbers else job for job in jobs], problems

    def _asked(self, numbers: Collection[int]) -> dict[int, SlurmState]:
        asked_at, asked_for, known = AllJobs._answer
        if asked_for != numbers or time.monotonic() - asked_at > ASKED_SECONDS:
            try:
                known = states(numbers)
            except LaunchError as error:
                known = error  # a controller that is silent is not waited for time and again
            AllJobs._answer = (time.monotonic(), frozenset(numbers), known)
        if isinstance(known, LaunchError):
            raise known
        return known

    def _settled(self, job: Job) -> Job:
        """Return a job without number as it stands: it is being given to Slurm, or who gave it died over it."""
        if is_locked(_lock(job)):
            return job.model_copy(update={"said": f"is being given to Slurm on {job.host}"})
        # the last that is written before its number is known here; without it nothing runs
        there = next((path.name for path in self._files(job).glob("[0-9]*_submitted.pkl")), "")
        lost: dict[str, Any] = {"state": "lost", "said": _NEVER_GIVEN}
        changes = {"device": f"{_NUMBER}{there.partition('_')[0]}"} if there else lost
        found = [job.model_copy(update=changes)]
        with suppress(LaunchError):
            if self._change_ungiven(job, **changes) and not there:
                remove_files(self._files(job))
            found = self._queue.read("number = ?", job.number)[0] or found
        return found[0].model_copy(update={"place": None})

    def _change_ungiven(self, job: Job, **columns: Any) -> bool:
        """Write columns of a job without number; return False where it has one by now, or is gone."""
        with self._queue.changing() as table:
            if is_so := bool(self._queue.rows(table, _UNGIVEN, job.number)[0]):
                update(table, job.number, **columns)
            return is_so

    def _seen(self, job: Job, known: Mapping[int, SlurmState]) -> Job:
        """Return a job as Slurm says that it stands, and write its end where it has ended."""
        found = known.get(_number(job) or 0)
        match stage(found):
            case "queued":
                assert found is not None  # what Slurm does not know has ended
                return _queued_there(job, "" if found.reason in ("", "None") else f" ({found.reason})")
            case "running":
                assert found is not None
                state = "running" if job.stop is None else "stopping"
                shown = {"state": state, "started_at": found.started, "device": f"{job.device} ({found.nodes})"}
                return job.model_copy(update=shown)
        request = job.request.slurm
        traces = self._traces(job)
        state, said = ending(found, traces, request.minutes if request else 0)
        # what the job said itself names what is kept
        if state in ("stopped", "lost") and said != traces.error:
            said += job.what_is_kept()
        changes: dict[str, Any] = {"state": state, "said": said, "exit_code": noted_status(job.log)}
        if found is not None:
            changes |= {"started_at": found.started, "finished_at": found.ended}
        if job.stop is StopReason.BEFORE_START and job.log.exists():
            changes["stop"] = StopReason.ASKED  # it began just before
        if state != "lost" or found is not None:
            # one that Slurm does not know may be known to the Slurm of who looks next
            with suppress(LaunchError):
                self._queue.change(job.number, **changes)
        return job.model_copy(update=changes)

    def _traces(self, job: Job) -> Traces:
        run_state = None
        # of one that never began the run says how an earlier job ended
        if job.run_id is not None and job.request.kind in WRITES_RUN and job.log.exists():
            with suppress(StoreError, OSError, ValueError):
                run_state = RunStore(self.runs_root).open(job.run_id).status.state
        return Traces(noted_status(job.log), run_state, error_line(job.log), last_line(job.log))

    def _with_token(self, token: str | None) -> Job | None:
        # one that is being given to Slurm may be refused there: whoever asks too is told so then
        while True:
            try:
                job = super()._with_token(token)
            except JobNotFoundError:
                return None
            if job is None or not _is_ungiven(job):
                return job
            time.sleep(0.2)

    def _submit(self, request: JobRequest, note: str, token: str | None) -> Job:
        # the row of one that Slurm has forgotten stays as it was, and its run is free all the same
        named = "lane = ? AND run_id = ? AND state = 'queued'"
        is_named = bool(self._queue.read(named, SLURM, request.run_id)[0])
        ended = (job.number for job in self.all() if not job.is_active) if is_named else ()
        self._ended = frozenset(ended)
        return super()._submit(request, note, token)

    def _claimed(self, jobs: list[Job]) -> dict[str | None, str]:
        return super()._claimed([job for job in jobs if job.number not in self._ended])

    def _queued(self, table: Any, number: int, after: ExitStack) -> None:
        job = self._queue.rows(table, "number = ?", number)[0][0]
        if job.request.slurm is not None:
            update(table, number, device=_NUMBER)
            after.enter_context(self._giving(job))

    @contextmanager
    def _giving(self, job: Job) -> Iterator[None]:
        """Give a job to Slurm after its row is written, and hold its lock until that says what came of it."""
        try:
            lock = try_lock(_lock(job))
        except OSError as error:
            raise LaunchError(f"{_lock(job)} cannot be locked: {error.strerror or error}") from None
        if lock is None:
            raise LaunchError(f"{_lock(job)} is held by another process, although no job had its number")
        try:
            yield
            self._give(job)
        finally:
            with suppress(OSError):
                _lock(job).unlink()
            os.close(lock)

    def _give(self, job: Job) -> None:
        there = None
        try:
            there = submit(**self._submission(job))
            if self._change_ungiven(job, device=f"{_NUMBER}{there}"):
                return
        except BaseException:
            self._take_back(job, there)
            with suppress(LaunchError), self._queue.changing() as table:
                table.execute(f"DELETE FROM job WHERE {_UNGIVEN}", (job.number,))
            raise
        self._take_back(job, there)  # it was stopped or removed meanwhile

    def _submission(self, job: Job) -> dict[str, Any]:
        request = job.request
        assert request.slurm is not None
        first = argv_of(request, job.run_id, self.runs_root)
        again, run_folder = first, None
        if request.kind in WRITES_RUN and job.run_id is not None:
            again = argv_of(JobRequest(kind="resume", run_id=job.run_id), job.run_id, self.runs_root)
            run_folder = self.runs_root / job.run_id
        variables = {"PYTHONUNBUFFERED": "1", "MLCNC_DEVICE": "cuda" if request.slurm.gpus_per_node else "cpu"}
        task = Task(first, again, variables, (JOB_VARIABLE, str(job.log.with_suffix(""))), job.log)
        where = {"run_folder": run_folder, "files": self._files(job)}
        return {"request": request.slurm, "task": task, "name": f"mlcnc-{job.run_id or request.kind}", **where}

    def _take_back(self, job: Job, there: int | None) -> None:
        """Cancel a job that the table does not know; without its files it does nothing where that fails."""
        remove_files(self._files(job))
        if there is not None:
            with suppress(LaunchError):
                cancel(there)


def _is_ungiven(job: Job) -> bool:
    return job.lane == SLURM and job.state == "queued" and job.device == _NUMBER


def _lock(job: Job) -> Path:
    """Return the file that whoever gives a job to Slurm has locked."""
    return job.stem.with_suffix(".lock")


def _number(job: Job) -> int | None:
    """Return what Slurm calls a job; None for one of this machine."""
    name = (job.device or "").partition(" ")[0].removeprefix(_NUMBER)
    return int(name) if job.lane == SLURM and name.isdecimal() and len(name) < 12 else None


def _queued_there(job: Job, words: str) -> Job:
    return job.model_copy(update={"said": f"queued in Slurm as job {_number(job)}{words}"})
