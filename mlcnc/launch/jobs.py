"""The jobs of a runs folder: queue, watch, stop. All is read from disk, and looking starts nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlcnc.config import ExperimentConfig, default_stem
from mlcnc.errors import JobNotFoundError, LaunchError
from mlcnc.files.processes import host_name
from mlcnc.launch.devices import NETWORK, chosen_device, lanes_of_auto
from mlcnc.launch.job import Job, StopReason, true_state
from mlcnc.launch.locks import device_lock, is_locked, try_lock
from mlcnc.launch.log_file import open_to_append, read_tail
from mlcnc.launch.obstacles import check_run, obstacles, resumed_request, with_device_of_run
from mlcnc.launch.processes import JOB_VARIABLE, boot_seconds, kill_left_behind, machine_id
from mlcnc.launch.queue import Queue, rank, update
from mlcnc.launch.request import DOWNLOADS, NEEDS_RUN, WRITES_RUN, JobRequest
from mlcnc.launch.worker import GRACE_SECONDS, worker_lock
from mlcnc.store import RunStore, new_run_id, require_free_space
from mlcnc.store.liveness import now
from mlcnc.store.schema import RUN_ID


class Jobs:
    """The jobs of one runs folder.

    Args:
        runs_root: the runs folder; one without jobs, or that does not exist, has none.
    """

    def __init__(self, runs_root: str | Path) -> None:
        self.runs_root = Path(runs_root).absolute()
        self._queue = Queue(self.runs_root)

    def all(self) -> list[Job]:
        """Return all readable jobs as they truly stand now, newest first; see :meth:`problems` for others."""
        return self._read()[0]

    def problems(self) -> list[str]:
        """Return one sentence for each job that cannot be read, or one where the whole table cannot."""
        return list(self._read()[1].values())

    def get(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: its record is damaged.
        """
        number = self._queue.number_of(job_id)
        jobs, problems = self._read()
        if found := problems.get(number, problems.get("table")):
            raise LaunchError(found)
        for job in jobs:
            if job.job_id == job_id:
                return job
        known = ", ".join(job.job_id for job in jobs[9::-1]) or "none"
        raise JobNotFoundError(f"there is no job {job_id!r} in {self.runs_root}; the newest are: {known}")

    def submit(self, request: JobRequest, token: str | None = None) -> Job:
        """Check a request, queue it, start a worker for it and return the job.

        Where no worker can be started the job is queued all the same, and its headline says so.

        Args:
            request: what to do.
            token: drawn by who asks; asked for again with the same one, the job of the first time is returned.

        Raises:
            ConfigError: the settings of a training job are not usable.
            StoreError: the run to work on does not exist or cannot be read, or the disk is nearly full.
            LaunchError: anything else that keeps the job from being queued.
        """
        return self._with_token(token) or self._submit(request, "", token)

    def resume(
        self,
        run_id: str,
        *,
        device: str | None = None,
        max_minutes: float | None = None,
        max_megabytes: float | None = None,
        token: str | None = None,
    ) -> Job:
        """Queue the rest of an interrupted run, on the device and with the limits of its last job here.

        A limit that the run has reached is left out, a device that is gone becomes auto, also where the run
        itself names it; the headline says so.

        Args:
            run_id: the run.
            device, max_minutes, max_megabytes: in place of those of the last job.
            token: as for :meth:`submit`.

        Raises:
            StoreError: there is no such run or it cannot be read.
            LaunchError: the run is complete, still running, keeps no checkpoint, or a value is not usable.
        """
        if found := self._with_token(token):
            return found
        if not RUN_ID.fullmatch(run_id):
            RunStore(self.runs_root).open(run_id)
        given = {"device": device, "max_minutes": max_minutes, "max_megabytes": max_megabytes}
        request, note, any_device = resumed_request(run_id, self.runs_root, self.all(), given)
        return self._submit(request, note, token, any_device=any_device)

    def next_run_id(self, config: ExperimentConfig) -> str:
        """Return the name that a training with this config would get now; those of waiting jobs are taken."""
        return self._free_name(config, self._claimed(self.all()))

    def stop(self, job_id: str) -> None:
        """Ask a job to end: at once where it waits, else politely, and after 6 s by force.

        The polite signal is sent from here, so that it needs no worker; asked again after those 6 s, the
        job is killed from here too.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: it has ended already, or cannot be told.
        """
        job = self.get(job_id)
        if not job.is_active:
            raise LaunchError(f"job {job_id} has ended already: it is {job.state}")
        try:
            with self._queue.changing() as table:
                self._stop(table, job)
        except LaunchError:
            # a disk that takes no more must not keep the job that fills it from being stopped
            if job.process is None:
                raise
            job.process.signal_group(signal.SIGTERM)
        if job.state != "queued":
            with suppress(LaunchError):
                self._start_worker(job.lane)  # that kills it after its time of grace, where none is there

    def _stop(self, table: Any, job: Job) -> None:
        found = self._queue.rows(table, "number = ?", job.number)[0]
        if not found:
            raise JobNotFoundError(f"job {job.job_id} was removed")
        now_there = found[0]
        if now_there.state == "queued":
            stopped = {"state": "stopped", "stop": StopReason.BEFORE_START, "finished_at": now()}
            update(table, job.number, **stopped)
        elif now_there.process is None or not now_there.process.is_alive:
            return  # it just ended
        elif now_there.stop is None:
            update(table, job.number, stop=StopReason.ASKED, stop_asked=boot_seconds())
            now_there.process.signal_group(signal.SIGTERM)
        elif boot_seconds() - (now_there.stop_asked or 0.0) > GRACE_SECONDS:
            now_there.process.signal_group(signal.SIGKILL)

    def remove(self, job_id: str) -> None:
        """Remove a job that waits or has ended from the list, with its log; its run stays.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: it is running, or the table cannot be written.
        """
        number = self._queue.number_of(job_id)
        if number in self._read()[1]:
            # damaged: to remove it is the cure, once nothing of it runs
            for log in self._queue.folder.glob(f"{number:04d}-*.log"):
                kill_left_behind(log.with_suffix(""))
        else:
            self.get(job_id)
        with self._queue.changing() as table:
            for job in self._queue.rows(table, "number = ?", number)[0]:
                state = true_state(job, self.runs_root).state
                if state in ("running", "stopping"):
                    raise LaunchError(f"job {job_id} is {state}; stop it first")
                if job.state == "running":
                    # its worker died with it: nobody else would end what still holds the device
                    kill_left_behind(job.log.with_suffix(""))
            table.execute("DELETE FROM job WHERE number = ?", (number,))
        for ending in ("log", "exit"):
            with suppress(OSError):
                (self._queue.folder / f"{job_id}.{ending}").unlink()

    def move(self, job_id: str, by: int) -> None:
        """Move a queued job by so many places, below 0 towards the front; it stops at either end.

        Raises:
            JobNotFoundError: there is no such job.
            LaunchError: it is not queued, or the table cannot be written.
        """
        self.get(job_id)
        with self._queue.changing() as table:
            # those that have a place: a job of another machine never starts here
            waiting = sorted(self._queue.rows(table, "state = 'queued'")[0], key=rank)
            waiting = [job for job in waiting if job.is_ours]
            ids = [job.job_id for job in waiting]
            if job_id not in ids:
                raise LaunchError(f"job {job_id} is not in the queue any more, so that it cannot be moved")
            here = ids.index(job_id)
            waiting.insert(min(max(here + by, 0), len(ids) - 1), waiting.pop(here))
            for job, place in zip(waiting, sorted(job.place or 0 for job in waiting), strict=True):
                update(table, job.number, place=place)

    def log(self, job_id: str, max_bytes: int = 20_000) -> str:
        """Return the end of what a job printed; empty where it printed nothing yet.

        Raises:
            JobNotFoundError: there is no such job.
        """
        return read_tail(self.get(job_id).log, max_bytes)

    def start_workers(self) -> int:
        """Start a worker for every device for which jobs wait or run and none is there; return how many.

        After a restart of the machine, or where a worker was killed, it is what makes the queue go on.

        Raises:
            LaunchError: one cannot be started.
        """
        lanes: dict[str, None] = {}
        # as written: of a job that ended unseen someone has to say so, and to end what it left behind
        for job in self._queue.read("state IN ('queued', 'running')")[0]:
            if job.is_ours:
                lanes |= dict.fromkeys(lanes_of_auto() if job.lane == "auto" else [job.lane])
        return sum(self._start_worker(lane) for lane in lanes)

    def _read(self) -> tuple[list[Job], dict[Any, str]]:
        """Return jobs, newest first, and what is wrong: by number, with the table, or with old jobs."""
        try:
            jobs, damaged = self._queue.read()
        except LaunchError as error:
            return [], {"table": str(error)}
        problems: dict[Any, str] = dict(damaged)
        if old := self._queue.of_old_format():
            problems["old"] = (
                f"{old} waiting job{'s' * (old > 1)} of an earlier version in {self._queue.folder} will not be "
                "started; queue them anew, their files stay as they are"
            )
        waiting = sorted((job for job in jobs if job.state == "queued" and job.is_ours), key=rank)
        places = {job.number: place for place, job in enumerate(waiting, start=1)}
        lanes = {job.lane for job in waiting}
        idle = {lane for lane in lanes if not self._has_worker(lane)}
        found = []
        for job in (true_state(job, self.runs_root) for job in reversed(jobs)):
            place = places.get(job.number)
            changes = {"place": place, "is_unattended": place is not None and job.lane in idle}
            found.append(job.model_copy(update=changes if job.is_active else {**changes, "pid": None}))
        return found, problems

    def _has_worker(self, lane: str) -> bool:
        if lane != "auto":
            return is_locked(worker_lock(self._queue, lane))
        locks = self._queue.folder.glob("worker-*.lock")
        return any(is_locked(lock) for lock in locks if lock != worker_lock(self._queue, NETWORK))

    def _with_token(self, token: str | None) -> Job | None:
        jobs = [] if token is None else self._queue.read("token = ?", token)[0]
        return self.get(jobs[0].job_id) if jobs else None

    def _submit(self, request: JobRequest, note: str, token: str | None, *, any_device: bool = False) -> Job:
        device_lock(NETWORK)
        if request.max_megabytes is not None and request.kind in ("gallery", *DOWNLOADS):
            raise LaunchError(
                f"max_megabytes limits the folder of one run, which a job of kind {request.kind} does not "
                "have; leave it out"
            )
        config = request.config() if request.kind == "train" else None
        request = request.as_kept()
        if config is not None and (found := obstacles(config, self.runs_root, request.wanted_device())):
            raise LaunchError("; ".join(found))
        if request.kind in NEEDS_RUN:
            run = RunStore(self.runs_root).open(str(request.run_id))
            check_run(request.kind, run)
            if not any_device:
                request, more = with_device_of_run(request, run)
                note = "; ".join(part for part in (note, more) if part)
        lane = NETWORK
        if request.kind not in DOWNLOADS:
            wanted = request.wanted_device()
            lane = "auto" if wanted == "auto" else chosen_device(wanted).lane
        require_free_space(self.runs_root)
        self._queue.make()
        with self._queue.changing() as table:
            jobs = [true_state(job, self.runs_root) for job in self._queue.rows(table)[0]]
            known = table.execute("SELECT 1 FROM job WHERE token = ?", (token,)).fetchone()
            if known is None:
                run_id = self._run_id_of(request, config, jobs)
                request = request.model_copy(update={"run_id": run_id})
                columns = {
                    "token": token,
                    "host": host_name(),
                    "machine": machine_id(),
                    "created_at": now(),
                    "request": request.model_dump_json(),
                    "run_id": run_id,
                    "lane": lane,
                    "note": note,
                }
                marks = ", ".join("?" * len(columns))
                table.execute(f"INSERT INTO job ({', '.join(columns)}) VALUES ({marks})", (*columns.values(),))
                (number,) = table.execute("SELECT last_insert_rowid()").fetchone()
                update(table, number, place=number)
        if known is not None:
            return self._with_token(token) or self._submit(request, note, None)
        failure = ""
        try:
            self.start_workers()
        except LaunchError as error:
            # it is queued all the same: after an error it would be asked for again
            failure = f"queued but not started, as {error}; start it later with: mlcnc jobs work"
        job = self.get(f"{number:04d}-{request.kind}")
        return job.model_copy(update={"said": failure}) if failure else job

    def _start_worker(self, lane: str) -> bool:
        """Start the worker of a device where there is none; return whether one was started."""
        path = worker_lock(self._queue, lane)
        # whoever looks whether it is held holds it for a moment
        for _ in range(5):
            lock = try_lock(path)
            if lock is not None:
                break
            time.sleep(0.01)
        else:
            return False
        try:
            with open(open_to_append(self._queue.folder / "worker.log"), "ab") as log:
                if os.fstat(log.fileno()).st_size > 1_000_000:
                    log.truncate(0)
                process = subprocess.Popen(
                    self._worker_argv(lane, lock),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # the lock goes with it: there is no moment in which nobody holds it
                    pass_fds=(lock,),
                    cwd=Path(__file__).resolve().parent.parent.parent,
                    # started from within a job it is none of the job's processes
                    env={name: value for name, value in os.environ.items() if name != JOB_VARIABLE},
                )
        except OSError as error:
            raise LaunchError(
                f"no worker can be started for {self.runs_root}: {error.strerror or error}"
            ) from None
        finally:
            os.close(lock)
        # someone has to wait for it, or it stays a zombie for as long as this server lives
        threading.Thread(target=process.wait, name="mlcnc-worker", daemon=True).start()
        return True

    def _worker_argv(self, lane: str, lock: int) -> list[str]:
        where = ["--runs", str(self.runs_root), "--lane", lane, "--lock", str(lock)]
        return [sys.executable, "-m", "mlcnc.launch.worker", *where]

    def _claimed(self, jobs: list[Job]) -> dict[str | None, str]:
        return {job.run_id: job.job_id for job in jobs if job.request.kind in WRITES_RUN and job.is_active}

    def _run_id_of(self, request: JobRequest, config: ExperimentConfig | None, jobs: list[Job]) -> str | None:
        claimed = self._claimed(jobs)
        if request.kind == "resume" and request.run_id in claimed:
            raise LaunchError(f"run {request.run_id} is in the hands of job {claimed[request.run_id]} already")
        if config is None:
            return request.run_id
        if request.run_id is None:
            return self._free_name(config, claimed)
        if request.run_id in claimed or (self.runs_root / request.run_id).exists():
            raise LaunchError(
                f"run_id {request.run_id!r} is taken in {self.runs_root}; choose another or leave it out"
            )
        return request.run_id

    def _free_name(self, config: ExperimentConfig, claimed: dict[str | None, str]) -> str:
        stem = default_stem(config)
        name, number = new_run_id(self.runs_root, stem), 2
        while name in claimed:
            name = new_run_id(self.runs_root, f"{stem}-{number}")
            number += 1
        return name
