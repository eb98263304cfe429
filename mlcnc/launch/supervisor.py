"""``python -m mlcnc.launch.supervisor --runs FOLDER``: runs the queue of one runs folder, then goes.

It is started when there is work, holds ``supervisor.lock`` so that there is one a runs folder, and keeps
nothing in memory that it could not find again: killed at any moment, the next one goes on.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlcnc.errors import LaunchError, MlcncError, StoreError
from mlcnc.launch import outcome
from mlcnc.launch.active_job import ActiveJob, spawn
from mlcnc.launch.adoption import Adoption
from mlcnc.launch.device_search import DeviceSearch
from mlcnc.launch.devices import DevicesUnknownError, lanes_with_locks
from mlcnc.launch.job import JobEntry, JobState, JobStatus
from mlcnc.launch.job_folder import JobFolder, is_cancelled, read_status, write_status
from mlcnc.launch.locks import device_lock_path, is_lock_of, try_lock
from mlcnc.launch.processes import mark_of, own_mark
from mlcnc.launch.reading import STOPPED_ON_REQUEST, JobReader, Record
from mlcnc.launch.request import DOWNLOADS, JobRequest, argv_of
from mlcnc.launch.state_keeper import RETRY_SECONDS, StateKeeper
from mlcnc.launch.telemetry import GpuMeter
from mlcnc.plugins import load_plugins
from mlcnc.store import require_free_space
from mlcnc.store.liveness import now

TICK_SECONDS = 0.2
IDLE_SECONDS = 2.0
RESCAN_SECONDS = 10.0
NETWORK = "network"
"""The lane of downloads, which need no device and keep none from others."""

HELD_SECONDS = 1.0
"""A device may be held so long before anyone is told."""

Command = Callable[[JobRequest, str | None, Path], list[str]]


class NotYetError(LaunchError):
    """A job cannot start now; the sentence is its headline."""


class Supervisor:
    """Runs the jobs of one runs folder.

    Args:
        runs_root: the runs folder.
        command: from request, run id and runs folder to the arguments of the process.
    """

    def __init__(self, runs_root: str | Path, command: Command = argv_of) -> None:
        self.folder = JobFolder(runs_root)
        self._reader = JobReader(self.folder)
        self._command = command
        self._active: dict[str, ActiveJob] = {}
        self._queue: list[Record] = []
        self._states = StateKeeper(self.folder, _say)
        self._gpus = GpuMeter()
        self._version = -1
        self._scanned_at = 0.0
        self._not_before: dict[str, float] = {}
        self._held_since: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._devices = DeviceSearch()

    def run(self) -> bool:
        """Work until nothing is left and return True; False where another supervisor is at work.

        Raises:
            LaunchError: the folder of jobs cannot be used.
        """
        lock = self._lock()
        if lock is None:
            return False
        with self.folder.changing():
            self._active |= Adoption(self._reader, self._states, _say).all()
        idle_since = time.monotonic()
        # a folder of jobs that was removed and made again is another's
        while is_lock_of(lock, self.folder.supervisor_lock):
            try:
                self._tick()
            except Exception:
                # whatever it was, the running jobs still need someone who stops and settles them
                _say(traceback.format_exc())
                time.sleep(1.0)
            if self._active or self._queue or self._states:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS and self._leave(lock):
                break
            time.sleep(TICK_SECONDS)
        self._gpus.close()
        self._devices.close()
        return True

    def _lock(self) -> int | None:
        for _ in range(10):
            lock = try_lock(self.folder.supervisor_lock)
            if lock is not None:
                return lock
            time.sleep(0.1)
        return None

    def _leave(self, lock: int) -> bool:
        # under the lock of the queue: a job is either seen here, or its sender sees that nobody is here
        try:
            with self.folder.changing():
                self._scan()
                if self._queue:
                    return False
                os.close(lock)
                return True
        except LaunchError as error:
            _say(str(error))
            return False

    def _tick(self) -> None:
        for active in list(self._active.values()):
            with self._apart(active.entry.job_id):
                self._look_after(active)
        self._states.retry()
        version = self.folder.version()
        if version != self._version or time.monotonic() - self._scanned_at > RESCAN_SECONDS:
            self._version = version
            self._scan()
        self._start_what_can()

    @contextmanager
    def _apart(self, job_id: str) -> Iterator[None]:
        """Keep whatever goes wrong with one job from the others; said once as long as it stays the same."""
        try:
            yield
        except Exception:
            said = traceback.format_exc()
            if self._said.get(job_id) != said:
                self._said[job_id] = said
                _say(f"job {job_id}: {said}")

    def _scan(self) -> None:
        self._scanned_at = time.monotonic()
        waiting = []
        for record in self._reader.records()[0]:
            written = record.entry.job_id not in self._states
            if record.status.state != "queued" or not written or not record.entry.is_ours:
                continue
            if record.cancelled:
                # who asked died before writing more, or the job was on its way to a start
                with self._apart(record.entry.job_id):
                    self._states.finish(record.folder, record.status, "stopped", STOPPED_ON_REQUEST)
            else:
                waiting.append(record)
        self._queue = sorted(waiting, key=lambda record: record.rank)

    def _look_after(self, active: ActiveJob) -> None:
        if active.child is not None:
            code = active.exit_code()
            if code is not None:
                state, headline = outcome.seen(
                    active.entry.request.kind, active.folder, code, active.asked_to_stop()
                )
                self._end(active, state, headline, code)
                return
        elif not active.process.is_alive:
            state, headline = outcome.unseen(
                active.entry.request.kind,
                active.folder,
                self.folder.runs_root,
                active.entry.run_id,
                active.process.pid,
                active.asked_to_stop(),
            )
            self._end(active, state, headline)
            return
        reason = active.reason_to_stop(self.folder.runs_root)
        if reason is not None:
            active.begin_stop(reason)
            active.status = active.status.model_copy(update={"state": "stopping", "headline": reason})
            self._states.write(active.folder, active.status)
        active.press_stop()
        active.sample(self._gpus)

    def _end(self, active: ActiveJob, state: JobState, headline: str, code: int | None = None) -> None:
        del self._active[active.entry.job_id]
        self._said.pop(active.entry.job_id, None)
        self._states.finish(active.folder, active.status, state, headline, code)
        if not any((job.status.device or "").startswith("cuda") for job in self._active.values()):
            self._gpus.close()

    def _start_what_can(self) -> None:
        busy = {active.status.device for active in self._active.values()}
        for record in list(self._queue):
            if time.monotonic() < self._not_before.get(record.entry.job_id, 0.0):
                continue
            try:
                self._start_where_free(record, busy)
            except NotYetError as error:
                self._wait(record, str(error))
            except LaunchError as error:
                # one job that cannot start must not keep those behind it from starting
                self._wait(record, f"waits: {error}")
            except Exception as error:
                with self._apart(record.entry.job_id):
                    self._wait(record, f"waits: {type(error).__name__}: {error}")
                    raise

    def _start_where_free(self, record: Record, busy: set[str | None]) -> None:
        held = None
        for lane, lock_name in self._lanes(record).items():
            if lane in busy:
                continue
            busy.add(lane)
            lock = try_lock(device_lock_path(lock_name))
            if lock is None:
                since = self._held_since.setdefault(lane, time.monotonic())
                # the last processes of a job that just ended, or someone who asks, hold it for a moment
                held = lane if time.monotonic() - since > HELD_SECONDS else held
                continue
            self._held_since.pop(lane, None)
            try:
                self._queue.remove(record)
                self._start(record.entry, record.folder, lane, lock)
            finally:
                os.close(lock)
            return
        if held is not None:
            self._say_why(record, f"waits for {held}, which another job holds")

    def _lanes(self, record: Record) -> dict[str, str]:
        """Return the lanes that a job may take, best first, each with the name of its lock."""
        request = record.entry.request
        try:
            if request.kind in DOWNLOADS:
                return {NETWORK: NETWORK}
            return lanes_with_locks(request.wanted_device(), record.entry.gpu)
        except DevicesUnknownError as error:
            self._devices.advance()
            self._say_why(record, str(error))
        except LaunchError:
            raise
        except MlcncError as error:
            self._queue.remove(record)
            self._states.finish(record.folder, record.status, "failed", str(error))
        return {}

    def _start(self, entry: JobEntry, folder: Path, lane: str, lock: int) -> None:
        with self.folder.changing():
            if not folder.is_dir():
                return
            status = read_status(folder)
            if status.state != "queued" or is_cancelled(folder):
                return
            try:
                require_free_space(self.folder.runs_root)
            except StoreError as error:
                raise NotYetError(f"waits for disk space: {error}") from None
            status = status.model_copy(
                update={
                    "state": "starting",
                    "attempt": status.attempt + 1,
                    "supervisor": own_mark(),
                    "device": lane,
                    "headline": "",
                }
            )
            try:
                write_status(folder, status)
            except StoreError as error:
                raise NotYetError(f"waits: {error}") from None
        running = status.model_copy(update={"state": "running", "supervisor": None, "started_at": now()})
        try:
            argv = self._command(entry.request, entry.run_id, self.folder.runs_root)
            child = spawn(argv, folder, lane, lock, lambda: self._claim(folder, status, running))
        except Exception as error:
            # whatever it was: a job that stays "starting" would never end
            self._settle_unstarted(folder, status, error)
            return
        process = mark_of(child.pid)
        assert process is not None  # not reaped yet, so that it exists
        running = running.model_copy(update={"process": process})
        self._active[entry.job_id] = ActiveJob(folder, entry, running, process, child)
        if read_status(folder).process != process:
            self._states.write(folder, running)

    def _claim(self, folder: Path, starting: JobStatus, running: JobStatus) -> None:
        """Make this new process known; raises where the job was stopped or given to another meanwhile."""
        with self.folder.changing():
            if read_status(folder) != starting or is_cancelled(folder):
                raise LaunchError("this start of the job is no longer wanted")
            try:
                write_status(folder, running.model_copy(update={"process": own_mark()}))
            except StoreError:
                return  # the supervisor, which knows the process too, writes it when the disk takes it

    def _settle_unstarted(self, folder: Path, status: JobStatus, error: Exception) -> None:
        if is_cancelled(folder):
            self._states.finish(folder, status, "stopped", STOPPED_ON_REQUEST)
        else:
            self._states.finish(folder, status, "failed", f"could not be started: {error}")

    def _wait(self, record: Record, headline: str) -> None:
        """Leave a job in the queue for a while."""
        self._not_before[record.entry.job_id] = time.monotonic() + RETRY_SECONDS
        self._version = -1
        self._say_why(record, headline)

    def _say_why(self, record: Record, headline: str) -> None:
        """Write why a job still waits, where that is not written yet."""
        if headline == record.status.headline:
            return
        try:
            with self.folder.changing():
                status = read_status(record.folder)
                if status.state == "queued" and headline != status.headline and not is_cancelled(record.folder):
                    self._states.write(record.folder, status.model_copy(update={"headline": headline}))
        except LaunchError as error:
            _say(str(error))


def _say(text: str) -> None:
    # standard error goes to a file beside the jobs, on the disk that may just be full
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{now()} {text}\n".encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the supervisor of one runs folder and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mlcnc.launch.supervisor", description=__doc__)
    parser.add_argument("--runs", required=True, metavar="FOLDER", help="the runs folder")
    options = parser.parse_args(arguments)
    if hasattr(signal, "SIGCHLD"):
        # inherited where it is ignored: the ends of jobs could not be waited for
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        load_plugins()  # jobs are checked here before they start
        Supervisor(options.runs).run()
    except MlcncError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
