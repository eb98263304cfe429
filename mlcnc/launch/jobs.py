"""The jobs of a runs folder: queue, watch, stop. All is read from disk, and looking starts nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mlcnc.config import ExperimentConfig, default_stem, parse
from mlcnc.devices import NETWORK, chosen_device, device_lock, lanes_of, num_gpus_of
from mlcnc.errors import JobNotFoundError, LaunchError
from mlcnc.files.growing import read_tail
from mlcnc.files.locking import is_locked, try_lock
from mlcnc.files.processes import boot_seconds, host_name, machine_id
from mlcnc.launch.ending import true_state
from mlcnc.launch.job import Job, StopReason
from mlcnc.launch.processes import JOB_VARIABLE, signal_job, start_detached
from mlcnc.launch.queue import Queue, rank, update
from mlcnc.launch.request import DOWNLOADS, NEEDS_RUN, WRITES_RUN, JobRequest
from mlcnc.launch.resuming import check_run, resumed_request, with_device_of_run
from mlcnc.launch.worker import GRACE_SECONDS
from mlcnc.obstacles import obstacles
from mlcnc.slurm_request import SLURM
from mlcnc.store import RunStore, new_run_id, require_free_space
from mlcnc.store.liveness import now


class Jobs:
    """The jobs of one runs folder.

    Whatever takes the id of a job raises JobNotFoundError where there is no such job, and LaunchError where its
    record or the table cannot be read or written.

    Args:
        runs_root: the runs folder; one without jobs, or that does not exist, has none.
    """

    def __init__(self, runs_root: str | Path) -> None:
        self.runs_root = Path(runs_root).absolute()
        self._queue = Queue(self.runs_root)

    def all(self) -> list[Job]:
        """Return all readable jobs as they truly stand now, newest first; see :meth:`problems` for others."""
        return self.read()[0]

    def problems(self) -> list[str]:
        """Return one sentence for each job that cannot be read, or one where the whole table cannot."""
        return list(self.read()[1].values())

    def read(self) -> tuple[list[Job], dict[Any, str]]:
        """Return :meth:`all`, and :meth:`problems` by the job's number, by ``table`` that of all of them."""
        try:
            jobs, damaged = self._queue.read()
            # whoever waits for a process writes how it ended before it is gone
            if any(job.process and not job.process.is_alive for job in jobs if job.state == "running"):
                jobs, damaged = self._queue.read()
        except LaunchError as error:
            return [], {"table": str(error)}
        waiting = sorted((job for job in jobs if job.state == "queued" and job.is_ours), key=rank)
        places = {job.number: place for place, job in enumerate(waiting, start=1)}
        idle = {lane for lane in {job.lane for job in waiting} if not self._has_worker(lane)}
        found = []
        for job in (true_state(job, self.runs_root) for job in reversed(jobs)):
            place = places.get(job.number)
            changes = {"place": place, "is_unattended": place is not None and job.lane in idle}
            found.append(job.model_copy(update=changes if job.is_active else {**changes, "pid": None}))
        return found, dict(damaged)

    def get(self, job_id: str) -> Job:
        """Return one job."""
        number = self._queue.number_of(job_id)
        jobs, problems = self.read()
        if found := problems.get(number, problems.get("table")):
            raise LaunchError(found)
        if same := [job for job in jobs if job.job_id == job_id]:
            return same[0]
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
        if found := self._with_token(token):
            return found
        note = ""
        if request.kind in NEEDS_RUN:
            run = RunStore(self.runs_root).open(str(request.run_id))
            request, note = with_device_of_run(request, run)
        return self._submit(request, note, token)

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
        given = {"device": device, "max_minutes": max_minutes, "max_megabytes": max_megabytes}
        run = RunStore(self.runs_root).open(run_id)
        return self._submit(*resumed_request(run, self.all(), given), token)

    def next_run_id(self, config: ExperimentConfig) -> str:
        """Return the name that a training with this config would get now; those of waiting jobs are taken."""
        return new_run_id(self.runs_root, _stem(config), self._claimed(self.all()))

    def stop(self, job_id: str) -> None:
        """Ask a job to end: at once where it waits, else politely, and after 6 s by force.

        The polite signal is sent from here, so that it needs no worker; asked again after those 6 s, the
        job is killed from here too.

        Raises:
            LaunchError: it has ended already.
        """
        try:
            job = self.get(job_id)
        except LaunchError as error:
            # its record cannot be read, but its processes carry its name
            if isinstance(error, JobNotFoundError) or not signal_job(
                self._queue.folder / job_id, signal.SIGTERM
            ):
                raise
            raise LaunchError(f"job {job_id} was asked to end, but {error}") from None
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
        if not (found := self._queue.rows(table, "number = ?", job.number)[0]):
            raise JobNotFoundError(f"job {job.job_id} was removed")
        now_there = found[0]
        if now_there.state == "queued":
            update(table, job.number, state="stopped", stop=StopReason.BEFORE_START, finished_at=now())
        elif now_there.process is None or not now_there.process.is_alive:
            return  # it just ended
        elif now_there.stop is None:
            update(table, job.number, stop=StopReason.ASKED, stop_asked=boot_seconds())
            now_there.process.signal_group(signal.SIGTERM)
        elif boot_seconds() - (now_there.stop_asked or 0.0) > GRACE_SECONDS:
            now_there.process.signal_group(signal.SIGKILL)

    def remove(self, job_id: str) -> None:
        """Remove a job that waits or has ended from the list, with its log; its run stays."""
        number = self._queue.number_of(job_id)
        if number not in self.read()[1]:  # of a damaged one it is the cure
            self.get(job_id)
        with self._queue.changing() as table:
            for job in self._queue.rows(table, "number = ?", number)[0]:
                state = true_state(job, self.runs_root).state
                if state in ("running", "stopping"):
                    raise LaunchError(f"job {job_id} is {state}; stop it first")
            table.execute("DELETE FROM job WHERE number = ?", (number,))
        for path in self._queue.folder.glob(f"{number:04d}-*.*"):
            # nobody else would end what a damaged job, or one that died with its worker, left running
            signal_job(path.with_suffix(""), signal.SIGKILL)
            with suppress(OSError):
                path.unlink()

    def move(self, job_id: str, by: int) -> None:
        """Move a queued job by so many places, below 0 towards the front; it stops at either end."""
        self.get(job_id)
        with self._queue.changing() as table:
            # those that have a place: a job of another machine never starts here
            queued = self._queue.rows(table, "state = 'queued'")[0]
            waiting = sorted((job for job in queued if job.is_ours), key=rank)
            ids = [job.job_id for job in waiting]
            if job_id not in ids:
                raise LaunchError(f"job {job_id} is not in the queue any more, so that it cannot be moved")
            here = ids.index(job_id)
            waiting.insert(min(max(here + by, 0), len(ids) - 1), waiting.pop(here))
            for job, place in zip(waiting, sorted(job.place or 0 for job in waiting), strict=True):
                update(table, job.number, place=place)

    def log(self, job_id: str, max_bytes: int = 20_000) -> str:
        """Return the end of what a job printed; empty where it printed nothing yet."""
        return read_tail(self.get(job_id).log, max_bytes)

    def start_workers(self) -> int:
        """Start a worker for every device for which jobs wait or run and none is there; return how many.

        After a restart of the machine, or where a worker was killed, it is what makes the queue go on.

        Raises:
            LaunchError: one cannot be started.
        """
        # as written: of a job that ended unseen someone has to say so, and to end what it left behind
        jobs = self._queue.read("state IN ('queued', 'running')")[0]
        lanes = {lane for job in jobs if job.is_ours for lane in lanes_of(job.lane)}
        return sum(map(self._start_worker, sorted(lanes)))

    def _has_worker(self, lane: str) -> bool:
        locks = set(map(self._queue.worker_lock, lanes_of(lane)))
        if lane == "auto":  # the worker of any GPU takes those, also of one that this process does not see
            locks |= set(self._queue.folder.glob("worker-[GM]*.lock"))
        return any(map(is_locked, locks))

    def _with_token(self, token: str | None) -> Job | None:
        jobs = [] if token is None else self._queue.read("token = ?", token)[0]
        return self.get(jobs[0].job_id) if jobs else None

    def _submit(self, request: JobRequest, note: str, token: str | None) -> Job:
        device_lock(NETWORK)
        if request.max_megabytes is not None and request.kind in ("gallery", *DOWNLOADS):
            which = f"which a job of kind {request.kind} does not have; leave it out"
            raise LaunchError(f"max_megabytes limits the folder of one run, {which}")
        config = request.config() if request.kind == "train" else None
        request = request.as_kept()
        wanted = request.wanted_device() if request.slurm is None else "cpu"
        if config is not None and (found := obstacles(config, self.runs_root, wanted)):
            raise LaunchError("; ".join(found))
        shared = config.training.devices if config is not None else 1
        if request.kind in NEEDS_RUN:
            run = RunStore(self.runs_root).open(str(request.run_id))
            check_run(request.kind, run)
            shared = parse(run.info.config).training.devices if request.kind == "resume" else 1
        lane, gpus = NETWORK if request.slurm is None else SLURM, 1
        if lane == NETWORK and request.kind not in DOWNLOADS:
            # where auto means one device it is queued for that: a worker may see others than we do
            gpus = num_gpus_of(wanted, shared)
            several = gpus > 1 or (wanted == "auto" and len(lanes_of("auto")) > 1)
            lane = "auto" if several else chosen_device(wanted).lane
        require_free_space(self.runs_root)
        self._queue.make()
        with ExitStack() as after, self._queue.changing() as table:
            jobs = [true_state(job, self.runs_root) for job in self._queue.rows(table)[0]]
            known = table.execute("SELECT 1 FROM job WHERE token = ?", (token,)).fetchone()
            if known is None:
                run_id = self._run_id_of(request, config, jobs)
                request = request.model_copy(update={"run_id": run_id, "gpus": gpus})
                table.execute("INSERT INTO job DEFAULT VALUES")
                (number,) = table.execute("SELECT last_insert_rowid()").fetchone()
                machine = SLURM if lane == SLURM else machine_id()  # no machine's worker starts those of Slurm
                here = {"host": host_name(), "machine": machine, "created_at": now()}
                asked = {"request": request.model_dump_json(), "run_id": run_id, "lane": lane, "note": note}
                update(table, number, token=token, place=number, **here, **asked)
                self._queued(table, number, after)
        if known is not None:
            return self._with_token(token) or self._submit(request, note, token)
        failure = {}
        try:
            self.start_workers()
        except LaunchError as error:
            # it is queued all the same: after an error it would be asked for again
            failure = {"said": f"queued but not started, as {error}; start it later with: mlcnc jobs work"}
        return self.get(f"{number:04d}-{request.kind}").model_copy(update=failure)

    def _queued(self, table: Any, number: int, after: ExitStack) -> None:
        """Do what belongs to a new row; ``after`` is left once it is written, or by what kept it from that."""

    def _start_worker(self, lane: str) -> bool:
        """Start the worker of a device where there is none; return whether one was started."""
        try:
            # whoever looks whether it is held holds it for a moment
            for _ in range(5):
                if (lock := try_lock(self._queue.worker_lock(lane))) is not None:
                    break
                time.sleep(0.01)
            else:
                return False
            try:
                # started from within a job it is none of the job's processes
                env = {name: value for name, value in os.environ.items() if name != JOB_VARIABLE}
                argv, log = self._worker_argv(lane, lock), self._queue.folder / "worker.log"
                process = start_detached(argv, log, locks=(lock,), env=env)
            finally:
                os.close(lock)
        except OSError as error:
            reason = error.strerror or error
            raise LaunchError(f"no worker can be started for {self.runs_root}: {reason}") from None
        # someone has to wait for it, or it stays a zombie for as long as this server lives
        threading.Thread(target=process.wait, name="mlcnc-worker", daemon=True).start()
        return True

    def _worker_argv(self, lane: str, lock: int) -> list[str]:
        return [sys.executable, "-m", "mlcnc.launch.worker", str(self.runs_root), lane, str(lock)]

    def _claimed(self, jobs: list[Job]) -> dict[str | None, str]:
        return {job.run_id: job.job_id for job in jobs if job.request.kind in WRITES_RUN and job.is_active}

    def _run_id_of(self, request: JobRequest, config: ExperimentConfig | None, jobs: list[Job]) -> str | None:
        claimed = self._claimed(jobs)
        if request.kind == "resume" and request.run_id in claimed:
            raise LaunchError(f"run {request.run_id} is in the hands of job {claimed[request.run_id]} already")
        if config is None:
            return request.run_id
        if request.run_id is None:
            return new_run_id(self.runs_root, _stem(config), claimed)
        if request.run_id in claimed or (self.runs_root / request.run_id).exists():
            taken = f"run_id {request.run_id!r} is taken in {self.runs_root}"
            raise LaunchError(f"{taken}; choose another or leave it out")
        return request.run_id


def _stem(config: ExperimentConfig) -> str:
    """Return the name of a run from the queue: one that no recorded run has, of which some differ in a word."""
    return f"my-{default_stem(config)}"
