"""The jobs of a runs folder: queue, watch, stop. Everything is read from disk, nothing is kept in the page."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlcnc.config import ExperimentConfig, default_stem
from mlcnc.errors import JobNotFoundError, LaunchError, StoreError
from mlcnc.launch import telemetry
from mlcnc.launch.active_job import GRACE_SECONDS
from mlcnc.launch.devices import chosen_device, gpu_uuid
from mlcnc.launch.job import ACTIVE_STATES, Job, JobEntry
from mlcnc.launch.job_folder import (
    JobFolder,
    ask_to_cancel,
    is_cancelled,
    seconds_since_cancel,
    write_order,
    write_status,
)
from mlcnc.launch.locks import is_locked, lock_folder
from mlcnc.launch.log_file import read_tail
from mlcnc.launch.machine import machine_id
from mlcnc.launch.obstacles import obstacles
from mlcnc.launch.processes import job_leader
from mlcnc.launch.reading import JobReader, Record
from mlcnc.launch.request import DOWNLOADS, NEEDS_RUN, WRITES_RUN, JobRequest
from mlcnc.launch.resuming import resumed_request
from mlcnc.launch.run_checks import check_run, with_device_of_run
from mlcnc.launch.supervisor_start import SupervisorStart
from mlcnc.store import RunStore, new_run_id, require_free_space
from mlcnc.store.liveness import host_name, now
from mlcnc.store.schema import RUN_ID


class Jobs:
    """The jobs of one runs folder.

    Args:
        runs_root: the runs folder; one without jobs, or that does not exist, has none.
    """

    def __init__(self, runs_root: str | Path) -> None:
        self.runs_root = Path(runs_root).absolute()
        self._folder = JobFolder(self.runs_root)
        self._reader = JobReader(self._folder)
        self._starts = SupervisorStart(self._folder)

    def all(self) -> list[Job]:
        """Return all readable jobs as they truly stand now, newest first; see :meth:`problems` for others."""
        return self._reader.jobs()[0]

    def problems(self) -> list[str]:
        """Return one sentence for each job whose files cannot be read."""
        return [str(error) for error in self._reader.records()[1].values()]

    def get(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            JobNotFoundError: there is no such job, or the id would leave the folder of jobs.
            LaunchError: its files are damaged.
        """
        self._folder.of(job_id)
        jobs, problems = self._reader.jobs()
        if job_id in problems:
            raise problems[job_id]
        for job in jobs:
            if job.job_id == job_id:
                return job
        raise JobNotFoundError(f"job {job_id!r} was removed")

    def submit(self, request: JobRequest) -> Job:
        """Check a request, queue it, see that a supervisor is there and return the job.

        Where no supervisor can be started the job is queued all the same, and its headline says so.

        Raises:
            ConfigError: the settings of a training job are not usable.
            StoreError: the run to work on does not exist or cannot be read, or the disk is nearly full.
            LaunchError: anything else that keeps the job from being queued.
        """
        return self._queue(request)

    def _queue(self, request: JobRequest, note: str = "", *, any_device: bool = False) -> Job:
        lock_folder()
        if request.max_megabytes is not None and request.kind in ("gallery", *DOWNLOADS):
            raise LaunchError(
                f"max_megabytes limits the folder of one run, which a job of kind {request.kind} does not "
                "have; leave it out"
            )
        config = request.config() if request.kind == "train" else None
        request = request.as_kept()
        if config is not None:
            found = obstacles(config, self.runs_root, request.wanted_device())
            if found:
                raise LaunchError("; ".join(found))
        if request.kind in NEEDS_RUN:
            assert request.run_id is not None
            run = RunStore(self.runs_root).open(request.run_id)
            check_run(request.kind, run)
            if not any_device:
                request, more = with_device_of_run(request, run)
                note = "; ".join(part for part in (note, more) if part)
        wanted = request.wanted_device()
        if request.kind not in DOWNLOADS and wanted != "auto":
            chosen_device(wanted)
        require_free_space(self.runs_root)
        self._folder.make()
        with self._folder.changing():
            records = self._reader.records()[0]
            run_id = self._run_id_of(request, config, records)
            number = self._folder.next_number()
            entry = JobEntry(
                job_id=f"{number:04d}-{request.kind}",
                number=number,
                created_at=now(),
                host=host_name(),
                machine=machine_id(),
                run_id=run_id,
                gpu=gpu_uuid(request.wanted_device()),
                note=note,
                request=request.model_copy(update={"run_id": run_id}),
            )
            self._folder.create(entry)
        try:
            self.ensure_supervisor()
        except LaunchError as error:
            # it is queued all the same: after an error it would be asked for again
            job = self.get(entry.job_id)
            waits = f"queued but not started, as {error}; the next job or a look at the page Train starts it"
            return replace(job, headline="; ".join(part for part in (job.headline, waits) if part))
        return self.get(entry.job_id)

    def resume(
        self,
        run_id: str,
        *,
        device: str | None = None,
        max_minutes: float | None = None,
        max_megabytes: float | None = None,
    ) -> Job:
        """Queue the rest of an interrupted run, on the device and with the limits of its last job here.

        A limit that the run has reached is left out, a device that is gone becomes auto, also where the run
        itself names it; the headline says so.

        Args:
            run_id: the run.
            device, max_minutes, max_megabytes: in place of those of the last job.

        Raises:
            StoreError: there is no such run or it cannot be read.
            LaunchError: the run is complete, still running, keeps no checkpoint, or a value is not usable.
        """
        if not RUN_ID.fullmatch(run_id):
            RunStore(self.runs_root).open(run_id)
        resumed = resumed_request(
            run_id,
            self.runs_root,
            self.all(),
            device=device,
            max_minutes=max_minutes,
            max_megabytes=max_megabytes,
        )
        return self._queue(resumed.request, resumed.note, any_device=resumed.is_device_gone)

    def next_run_id(self, config: ExperimentConfig) -> str:
        """Return the name that a training with this config would get now; those of waiting jobs are taken."""
        return _free_name(self.runs_root, default_stem(config), set(self._claimed(self._reader.records()[0])))

    def stop(self, job_id: str) -> None:
        """Ask a job to end: at once where it waits, else politely, and after 6 s by force.

        The polite signal is sent from here, so that it needs no supervisor; asked again after those 6 s, the
        job is killed from here too.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: it has ended already, or its folder cannot be written.
        """
        with self._changing_job(job_id):
            try:
                record = self._reader.record(job_id)
            except LaunchError:
                self._stop_damaged(job_id)
                return
            state, _ = self._reader.standing(record)
            if state not in ACTIVE_STATES:
                raise LaunchError(f"job {job_id} has ended already: it is {state}")
            try:
                settled = self._ask(record)
                if record.status.state == "queued":
                    ended = {"state": "stopped", "headline": "stopped before it began", "finished_at": now()}
                    write_status(record.folder, record.status.model_copy(update=ended))
                    settled = True
            except (OSError, StoreError) as error:
                raise LaunchError(f"job {job_id} cannot be stopped: {error}") from None
        # it ends by itself, also where nobody can be found to look after the queue
        with suppress(LaunchError) if settled else nullcontext():
            self.ensure_supervisor()

    def remove(self, job_id: str) -> None:
        """Remove a job that waits or has ended from the list; its run stays.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: it is running, or its folder cannot be removed.
        """
        with self._changing_job(job_id):
            try:
                state = self._reader.standing(self._reader.record(job_id))[0]
            except LaunchError:
                # damaged: removing it is the cure, once nothing of it runs
                state = "lost" if job_leader(self._folder.of(job_id)) is None else "running"
            if state in ACTIVE_STATES and state != "queued":
                raise LaunchError(f"job {job_id} is {state}; stop it first")
            self._folder.delete(job_id)

    def move(self, job_id: str, by: int) -> None:
        """Move a queued job by so many places, below 0 towards the front; it stops at either end.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: it is not queued, or its folder cannot be written.
        """
        with self._changing_job(job_id):
            # those that have a place: a job of another machine never starts here
            waiting = [record for record in self._reader.records()[0] if self._reader.has_place(record)]
            waiting.sort(key=lambda record: record.rank)
            places = [record.entry.job_id for record in waiting]
            if job_id not in places:
                raise LaunchError(f"job {job_id} is not in the queue any more, so that it cannot be moved")
            here = places.index(job_id)
            there = min(max(here + by, 0), len(places) - 1)
            orders = sorted(record.order for record in waiting)
            waiting.insert(there, waiting.pop(here))
            try:
                for record, order in zip(waiting, orders, strict=True):
                    if record.order != order:
                        write_order(record.folder, order)
            except StoreError as error:
                raise LaunchError(f"job {job_id} cannot be moved: {error}") from None

    def log(self, job_id: str, max_bytes: int = 20_000) -> str:
        """Return the end of what a job printed; empty where it printed nothing yet.

        Raises:
            JobNotFoundError: there is no such job.
        """
        return read_tail(self._folder.of(job_id) / "log.txt", max_bytes)

    def telemetry(self, job_id: str, last: int = 200) -> list[telemetry.Telemetry]:
        """Return the last samples of what a job takes of the machine, oldest first.

        Raises:
            JobNotFoundError: there is no such job.
        """
        return telemetry.read(self._folder.of(job_id), last)

    def ensure_supervisor(self) -> bool:
        """Start a supervisor where there is work and none is there; return whether one was started.

        Call it when a page opens: after a restart of the machine it is what makes the queue go on.

        Raises:
            LaunchError: it cannot be started, or the last one ended at once with an error.
        """
        if is_locked(self._folder.supervisor_lock):
            return False
        records = [record for record in self._reader.records()[0] if record.entry.is_ours]
        if not any(record.is_damaged or record.status.state in ACTIVE_STATES for record in records):
            return False
        self._starts.start(self._supervisor_argv())
        return True

    def _supervisor_argv(self) -> list[str]:
        return [sys.executable, "-m", "mlcnc.launch.supervisor", "--runs", str(self.runs_root)]

    def _ask(self, record: Record) -> bool:
        """Ask for the end of a job; return whether it has its signal."""
        process = record.status.process if record.status.state in ("running", "stopping") else None
        # a job that stops itself is told by its supervisor, when all is written
        reachable = process is not None and process.is_alive and process.pid != os.getpgrp()
        if record.cancelled or record.status.state == "stopping":
            if process is not None and reachable and seconds_since_cancel(record.folder) > GRACE_SECONDS:
                process.signal_group(signal.SIGKILL)
            with suppress(OSError):
                ask_to_cancel(record.folder, told=True)
            return reachable
        try:
            # before the signal, or the end of the job would be seen before anyone knew that it was asked for
            ask_to_cancel(record.folder, told=reachable)
        except OSError:
            # a disk that takes no more must not keep the job that fills it from being stopped
            if process is None or not process.signal_group(signal.SIGTERM):
                raise
            return True
        return process is not None and reachable and process.signal_group(signal.SIGTERM)

    def _stop_damaged(self, job_id: str) -> None:
        """Stop the process of a job whose request cannot be read, so that no supervisor takes it over."""
        folder = self._folder.of(job_id)
        process = job_leader(folder)
        # nobody kills it after a time of grace: who asks again means it
        again = is_cancelled(folder)
        if process is None or not process.signal_group(signal.SIGKILL if again else signal.SIGTERM):
            raise LaunchError(f"job {job_id} is damaged and has no process here; remove it")
        with suppress(OSError):
            ask_to_cancel(folder, told=True)

    def _changing_job(self, job_id: str) -> Any:
        self._folder.of(job_id)
        return self._folder.changing()

    def _claimed(self, records: list[Record]) -> dict[str | None, str]:
        return {
            record.entry.run_id: record.entry.job_id
            for record in records
            if record.entry.request.kind in WRITES_RUN and self._reader.standing(record)[0] in ACTIVE_STATES
        }

    def _run_id_of(
        self, request: JobRequest, config: ExperimentConfig | None, records: list[Record]
    ) -> str | None:
        claimed = self._claimed(records)
        if request.kind == "resume" and request.run_id in claimed:
            raise LaunchError(f"run {request.run_id} is in the hands of job {claimed[request.run_id]} already")
        if config is None:
            return request.run_id
        if request.run_id is None:
            return _free_name(self.runs_root, default_stem(config), set(claimed))
        if request.run_id in claimed or (self.runs_root / request.run_id).exists():
            raise LaunchError(
                f"run_id {request.run_id!r} is taken in {self.runs_root}; choose another or leave it out"
            )
        return request.run_id


def _free_name(runs_root: Path, stem: str, claimed: set[str | None]) -> str:
    name = new_run_id(runs_root, stem)
    number = 2
    while name in claimed:
        name = new_run_id(runs_root, f"{stem}-{number}")
        number += 1
    return name
