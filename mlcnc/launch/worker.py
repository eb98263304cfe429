"""``python -m mlcnc.launch.worker RUNS DEVICE LOCK``: runs the jobs of a runs folder on one device, then goes.

It is started when there is work. Killed at any moment, its job goes on, the device stays locked by that job,
and the next worker looks after it.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlcnc.devices import device_lock, devices, environment_of, gpu_use, lanes_of, lock_devices
from mlcnc.errors import LaunchError, MlcncError, StoreError
from mlcnc.files.locking import is_lock_of
from mlcnc.files.processes import ProcessMeter, boot_seconds, machine_id, process_name
from mlcnc.files.regular import tree_bytes
from mlcnc.launch.ending import NEVER_BEGAN, ended
from mlcnc.launch.job import Job, StopReason, Telemetry
from mlcnc.launch.processes import JOB_VARIABLE, signal_job, start_detached
from mlcnc.launch.queue import Queue, update
from mlcnc.launch.request import argv_of
from mlcnc.plugins import load_plugins
from mlcnc.store import require_free_space
from mlcnc.store.liveness import now

GRACE_SECONDS = 6.0
"""Between the polite stop and the kill of all processes."""

TICK_SECONDS = 0.2
IDLE_SECONDS = 2.0
RETRY_SECONDS = 2.0
SAMPLE_SECONDS = 2.0
SIZE_SECONDS = 5.0
HELD_SECONDS = 1.0
"""A device may be held so long before anyone is told."""

_MOST_FAILURES = 20
_NICENESS = 5
_PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT}
"""What keeps a job from being started now, and not for good."""
# it begins once the table names it; where its worker died before that, it never does, and says so
_WHEN_TOLD = f"""if read -r go; then exec "$@" </dev/null; fi
echo "$$ {NEVER_BEGAN}" >"${JOB_VARIABLE}.exit"; exit 1"""
_PASSED_ON = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|XDG_CACHE_HOME|VIRTUAL_ENV|PYTHONPATH|"
    "PYTHONWARNINGS|(DY)?LD_LIBRARY_PATH|CUDA_HOME|TORCH_HOME|NUMBA_CACHE_DIR|(NUMBA|OMP|MKL|OPENBLAS)_NUM_THREADS|"
    "OMP_WAIT_POLICY|GOMP_SPINCOUNT|(HTTP|HTTPS|NO|http|https|no)_(PROXY|proxy)|SSL_CERT_(FILE|DIR)|"
    "MLCNC_(?!DEVICE$).*"
)


class Worker:
    """Runs the jobs of one device.

    Args:
        runs_root: the runs folder.
        lane: the device, see ``devices.LANE``; not auto.
        lock: descriptor of the held :meth:`Queue.worker_lock`.
        command: from request, run id and runs folder to the arguments of the process.
    """

    def __init__(
        self, runs_root: str | Path, lane: str, lock: int, command: Callable[..., list[str]] = argv_of
    ) -> None:
        self.queue = Queue(runs_root)
        self.lane = lane
        self._lock = lock
        self._command = command
        self._job: Job | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._meter = ProcessMeter(0)
        self._due: dict[str, float] = {}
        self._names = {device.lane: device.name for device in devices()}
        self._device = self._names.setdefault(lane, environment_of(lane).get("MLCNC_DEVICE", lane))
        self._lanes = [lane, "auto"] if lane in lanes_of("auto") else [lane]

    def run(self) -> None:
        """Work until nothing is left; whoever queues a job then starts the next worker."""
        failures = 0
        # the table is kept open, so that the files beside it need not be made anew on a disk that is full
        with suppress(LaunchError), self.queue.opened():
            # a folder of jobs that was removed and made again is another's
            while is_lock_of(self._lock, self.queue.worker_lock(self.lane)):
                try:
                    if self._job is not None:
                        self._look_after(self._job)
                    elif not self._take_over() and not self._start_next() and self._leave():
                        return
                    failures = 0
                except Exception:
                    # whatever it was, a running job still needs someone who stops and settles it
                    failures += 1
                    if self._job is None and failures > _MOST_FAILURES:
                        raise
                    if failures == 1:
                        _say(traceback.format_exc())
                    time.sleep(1.0)
                time.sleep(TICK_SECONDS)

    def _take_over(self) -> bool:
        """Look after a job that began here without us; it may have ended meanwhile."""
        here = "state = 'running' AND machine = ? AND lane = ?"
        jobs = self.queue.read(here, machine_id(), self.lane)[0]
        if jobs:
            self._begin(jobs[0], None)
        return bool(jobs)

    def _begin(self, job: Job, child: subprocess.Popen[bytes] | None) -> None:
        self._job, self._child, self._meter = job, child, ProcessMeter(job.pid or 0)
        self._due.clear()

    def _look_after(self, job: Job) -> None:
        try:
            found, damaged = self.queue.read("number = ?", job.number)
        except LaunchError:  # limits hold all the same
            found, damaged = [], {job.number: "the table cannot be read"}
        # of a record that was removed or damaged meanwhile, what was known of it stays
        found = [listed for listed in found if listed.pid == job.pid]
        job = self._job = found[0] if found else job
        process = job.process
        if process is None or not process.is_alive:
            self._settle(job, is_listed=bool(found or damaged))
            return
        reason = job.stop or self._limit(job)
        if reason is not None and job.stop is None:
            job = self._job = job.model_copy(update={"stop": reason, "stop_asked": boot_seconds()})
            try:
                # first, or the end of the job would be seen before anyone knew that it was asked for
                self.queue.change(job.number, stop=reason, stop_asked=job.stop_asked)
            finally:
                process.signal_group(signal.SIGTERM)
        if reason is not None and boot_seconds() > (job.stop_asked or 0.0) + GRACE_SECONDS:
            process.signal_group(signal.SIGKILL)
        if self._is_due("sample", SAMPLE_SECONDS):
            self._sample(job)

    def _limit(self, job: Job) -> StopReason | None:
        minutes, megabytes = job.request.max_minutes, job.request.max_megabytes
        if minutes is not None and job.process is not None and job.process.age_seconds() > 60 * minutes:
            return StopReason.MINUTES
        if megabytes is not None and self._is_due("size", SIZE_SECONDS):
            size = tree_bytes(job.log)
            size += 0 if job.run_id is None else tree_bytes(self.queue.runs_root / job.run_id)
            if size > megabytes * 1e6:
                return StopReason.MEGABYTES
        return None

    def _settle(self, job: Job, *, is_listed: bool) -> None:
        """Write how a job ended, after the last of its processes is gone, and only then forget its process."""
        if job.process is not None:
            # the unreaped process still keeps the group's number from being given to others
            job.process.signal_group(signal.SIGKILL)
        signal_job(job.stem, signal.SIGKILL)
        # read, not waited for: until it is written others can read it too
        code = None if job.process is None else job.process.exit_code
        if code is None and self._child is not None:
            code = self._child.wait()
        if is_listed:
            with self.queue.changing() as table:
                # who asks for a stop may have written so a moment ago
                found = self.queue.rows(table, "number = ?", job.number)[0]
                end = ended(found[0] if found else job, self.queue.runs_root, code)
                names = ("state", "said", "exit_code", "finished_at")
                update(table, job.number, **{name: getattr(end, name) for name in names})
        with suppress(OSError):
            job.stem.with_suffix(".exit").unlink()
        if self._child is not None:
            self._child.wait()
        self._job = self._child = None

    def _sample(self, job: Job) -> None:
        percent, memory = self._meter.measure()
        if not memory:
            return  # zombies have none
        names = ("gpu_percent", "gpu_memory_bytes", "gpu_total_bytes")
        gpu: dict[str, Any] = dict(zip(names, gpu_use(self.lane) or (), strict=False))
        sample = Telemetry(at=now(), cpu_percent=round(percent, 1), rss_bytes=memory, **gpu)
        with suppress(LaunchError, OSError):  # on a full disk it is left out
            # cleaners of temporary files take what is old, and a lock without its file locks nothing
            for lane in lanes_of("auto") if job.request.gpus > 1 else [self.lane]:
                os.utime(device_lock(lane))
            self.queue.change(job.number, use=sample.model_dump_json())

    def _start_next(self) -> bool:
        """Start the next job; return whether one runs now or still waits."""
        waiting = self.queue.next_in(self._lanes)
        if waiting is None:
            return False
        self._due.pop("idle", None)
        if not self._is_due("retry", 0.0):
            return True
        try:
            locks = lock_devices(self.lane, waiting.request.gpus)
            if locks is None:
                # the last processes of a job that just ended may hold it for a moment
                if self._is_due("held", HELD_SECONDS, at_once=False):
                    gpus, one = waiting.request.gpus, f"{self._device}, which another job holds"
                    self._say_why(waiting, f"waits for {f'{gpus} GPUs that no job holds' if gpus > 1 else one}")
                return True
            self._due.pop("held", None)
            try:
                self._start(locks)
            finally:
                for lock in locks.values():
                    os.close(lock)
        except Exception as error:
            said = str(error) if isinstance(error, MlcncError) else f"{type(error).__name__}: {error}"
            what = " for disk space" if isinstance(error, StoreError) else ""
            self._due["retry"] = time.monotonic() + RETRY_SECONDS
            self._say_why(waiting, f"waits{what}: {said}")
        return True

    def _start(self, locks: dict[str, int]) -> None:
        require_free_space(self.queue.runs_root)
        child, reader, gate = None, *os.pipe()
        try:
            with self.queue.changing() as table:
                job = self.queue.next_in(self._lanes, table)
                if job is None or job.request.gpus != len(locks):
                    return
                names = ", ".join(self._names.get(lane, lane) for lane in locks)
                began: dict[str, Any] = {"device": names, "lane": self.lane, "started_at": now()}
                try:
                    argv = self._command(job.request, job.run_id, self.queue.runs_root)
                    child = self._spawn(job, argv, reader, locks)
                except Exception as error:
                    if isinstance(error, OSError) and error.errno in _PASSING:
                        raise
                    # whatever else it was: it would be no better the next time
                    said = str(error) if isinstance(error, MlcncError) else f"could not be started: {error}"
                    update(table, job.number, state="failed", finished_at=now(), said=said, **began)
                    return
                name = process_name(child.pid)
                assert name is not None  # not reaped yet, so that it exists
                began |= {"state": "running", "said": "", **vars(name)}
                update(table, job.number, **began)
            os.write(gate, b"go\n")
            self._begin(job.model_copy(update=began), child)
        finally:
            if child is not None and self._child is not child:
                # what could not be written has not begun, and is not to say so of a job that still waits
                child.kill()
                child.wait()
            os.close(gate)
            os.close(reader)

    def _spawn(self, job: Job, argv: list[str], gate: int, locks: dict[str, int]) -> subprocess.Popen[bytes]:
        """Start a job's process in a group of its own; it waits for a line from the gate.

        The locks' descriptors go with it: its devices stay taken until its last process is gone, whatever
        happens to the worker.
        """
        passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        mine = {JOB_VARIABLE: str(job.stem), "PYTHONUNBUFFERED": "1", **environment_of(*locks)}
        with suppress(OSError):
            job.stem.with_suffix(".exit").unlink()
        waiting = ["/bin/sh", "-c", _WHEN_TOLD, "job", *argv]
        child = start_detached(waiting, job.log, locks=locks.values(), env=passed_on | mine, stdin=gate)
        # the page and the worker go first when the machine is busy
        os.setpriority(os.PRIO_PROCESS, child.pid, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
        return child

    def _leave(self) -> bool:
        if not self._is_due("idle", IDLE_SECONDS, at_once=False):
            return False
        # while the table is held: a job is either seen here, or its sender sees that nobody is here
        with self.queue.changing() as table:
            if self.queue.next_in(self._lanes, table) is not None:
                return False
            os.close(self._lock)
            return True

    def _say_why(self, job: Job, headline: str) -> None:
        if headline != job.said:
            said = "UPDATE job SET said = ? WHERE number = ? AND state = 'queued'"
            with suppress(LaunchError), self.queue.changing() as table:
                table.execute(said, (headline, job.number))

    def _is_due(self, what: str, seconds: float, *, at_once: bool = True) -> bool:
        """Return whether something is to be done now, and not again before so many seconds have passed."""
        moment = time.monotonic()
        due = self._due.setdefault(what, moment if at_once else moment + seconds)
        if moment < due:
            return False
        self._due[what] = moment + seconds
        return True


def _say(text: str) -> None:
    # standard error goes to a file beside the table, on the disk that may just be full
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{now()} {text}\n".encode())


def main(runs_root: str, lane: str, lock: str) -> int:
    """Run the worker of one device, given as on its command line, and return its exit status."""
    # inherited where it is ignored: the ends of jobs could not be waited for
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        load_plugins()  # jobs are checked here before they start
        Worker(runs_root, lane, int(lock)).run()
    except MlcncError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
