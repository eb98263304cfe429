"""The jobs of a runs folder, on this machine and in Slurm, in one table and one list."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mlcnc.errors import LaunchError, StoreError
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

ASKED_SECONDS = 3.0
"""So long an answer of Slurm is taken for true: pages ask several times for what they show once."""

_NUMBER = "slurm:"


class AllJobs(Jobs):
    """Jobs of this machine's devices and of Slurm.

    A job of Slurm stays queued in the table for as long as Slurm has not said that it ended, and its state is
    asked for whenever somebody looks; whoever sees its end first writes it. Its number there is in ``device``.

    Args:
        runs_root: the runs folder, which the nodes of the cluster must see under the same path.
    """

    _answer: tuple[float, frozenset[int], dict[int, SlurmState]] = (float("-inf"), frozenset(), {})
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
        jobs = [job for job in self.all() if job.run_id == run_id and job.request.kind in WRITES_RUN]
        before = jobs[0].request.slurm if jobs else None
        if slurm is None and (before is None or here != (None, None, None)):
            return super().resume(
                run_id, device=device, max_minutes=max_minutes, max_megabytes=max_megabytes, token=token
            )
        fields = ({} if before is None else before.model_dump()) | dict(slurm or {})
        after = jobs[0].request.after if jobs else None
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
            remove_files(self._files(job))
        super().remove(job_id)

    def _cancel(self, job: Job) -> None:
        number = _number(job)
        if number is not None:
            cancel(number)
        AllJobs._answer = (float("-inf"), frozenset(), {})

    def _files(self, job: Job) -> Path:
        return self._queue.folder / "slurm" / job.job_id

    def read(self) -> tuple[list[Job], dict[Any, str]]:
        jobs, problems = super().read()
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
            known = states(numbers)
            AllJobs._answer = (time.monotonic(), frozenset(numbers), known)
        return known

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

    def _submit(self, request: JobRequest, note: str, token: str | None) -> Job:
        # the row of one that Slurm has forgotten stays as it was, and its run is free all the same
        self._ended = frozenset(job.number for job in self.all() if job.lane == SLURM and not job.is_active)
        return super()._submit(request, note, token)

    def _claimed(self, jobs: list[Job]) -> dict[str | None, str]:
        return super()._claimed([job for job in jobs if job.number not in self._ended])

    def _queued(self, table: Any, number: int, undo: ExitStack) -> None:
        job = self._queue.rows(table, "number = ?", number)[0][0]
        request = job.request
        if request.slurm is None:
            return
        first = argv_of(request, job.run_id, self.runs_root)
        again, run_folder = first, None
        if request.kind in WRITES_RUN and job.run_id is not None:
            again = argv_of(JobRequest(kind="resume", run_id=job.run_id), job.run_id, self.runs_root)
            run_folder = self.runs_root / job.run_id
        variables = {"PYTHONUNBUFFERED": "1", "MLCNC_DEVICE": "cuda" if request.slurm.gpus_per_node else "cpu"}
        task = Task(first, again, variables, (JOB_VARIABLE, str(job.log.with_suffix(""))), job.log)
        name = f"mlcnc-{job.run_id or request.kind}"
        there = submit(request.slurm, task, name=name, run_folder=run_folder, files=self._files(job))
        undo.push(lambda error, *_: None if error is None else self._take_back(there))
        update(table, number, device=f"{_NUMBER}{there}")

    def _take_back(self, number: int) -> None:
        """Cancel a job that could not be written into the table, where nobody would find it."""
        with suppress(LaunchError):
            cancel(number)


def _number(job: Job) -> int | None:
    """Return what Slurm calls a job; None for one of this machine."""
    name = (job.device or "").partition(" ")[0].removeprefix(_NUMBER)
    return int(name) if job.lane == SLURM and name.isdecimal() and len(name) < 12 else None


def _queued_there(job: Job, words: str) -> Job:
    return job.model_copy(update={"said": f"queued in Slurm as job {_number(job)}{words}"})
