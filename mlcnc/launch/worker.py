"""``python -m mlcnc.launch.worker``: runs the jobs of one runs folder on one device, then goes.

It is started when there is work. Killed at any moment, its job goes on, the device stays locked by that job,
and the next worker looks after it.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlcnc.errors import LaunchError, MlcncError, StoreError
from mlcnc.launch.devices import devices, environment_of, gpu_use, lanes_of_auto
from mlcnc.launch.job import Job, StopReason, Telemetry, ended
from mlcnc.launch.locks import device_lock, is_lock_of, try_lock
from mlcnc.launch.log_file import open_to_append
from mlcnc.launch.obstacles import folder_bytes
from mlcnc.launch.processes import (
    JOB_VARIABLE,
    ProcessMeter,
    boot_seconds,
    kill_left_behind,
    machine_id,
    process_name,
)
from mlcnc.launch.queue import Queue, update
from mlcnc.launch.request import JobRequest, argv_of
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
# it begins once the table names it; where its worker died before that, it never does
_WHEN_TOLD = 'read -r go && exec "$@" </dev/null'
_PASSED_ON = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME"),
        *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONWARNINGS", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_HOME"),
        *("TORCH_HOME", "NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
        *("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"),
        *("OPENBLAS_NUM_THREADS", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy"),
        *("no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    )
)

Command = Callable[[JobRequest, str | None, Path], list[str]]


def worker_lock(queue: Queue, lane: str) -> Path:
    """Return the file whose lock the worker of a device holds for as long as it lives."""
    return queue.folder / f"worker-{lane.replace('/', '-')}.lock"


class Worker:
    """Runs the jobs of one device.

    Args:
        runs_root: the runs folder.
        lane: the device, see ``devices.LANE``; not auto.
        lock: descriptor of the held :func:`worker_lock`.
        command: from request, run id and runs folder to the arguments of the process.
    """

    def __init__(self, runs_root: str | Path, lane: str, lock: int, command: Command = argv_of) -> None:
        self.queue = Queue(runs_root)
        self.lane = lane
        self._lock = lock
        self._command = command
        self._job: Job | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._meter = ProcessMeter(0)
        self._due: dict[str, float] = {}
        known = {device.lane: device.name for device in devices()}
        self._device = known.get(lane, environment_of(lane).get("MLCNC_DEVICE", lane))
        self._lanes = [lane, "auto"] if lane in lanes_of_auto() else [lane]

    def run(self) -> None:
        """Work until nothing is left; whoever queues a job then starts the next worker."""
        # kept open, so that the files beside the table need not be made anew on a disk that is full
        with suppress(LaunchError), self.queue.opened():
            self._run()

    def _run(self) -> None:
        # a folder of jobs that was removed and made again is another's
        failures = 0
        while is_lock_of(self._lock, worker_lock(self.queue, self.lane)):
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
        for job in self.queue.read(here, machine_id(), self.lane)[0]:
            self._begin(job, None)
            return True
        return False

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
            size = folder_bytes(job.log)
            size += 0 if job.run_id is None else folder_bytes(self.queue.runs_root / job.run_id)
            if size > megabytes * 1e6:
                return StopReason.MEGABYTES
        return None

    def _settle(self, job: Job, *, is_listed: bool) -> None:
        """Write how a job ended, after the last of its processes is gone, and only then forget its process."""
        if job.process is not None:
            # the unreaped process still keeps the group's number from being given to others
            job.process.signal_group(signal.SIGKILL)
        kill_left_behind(job.log.with_suffix(""))
        code = None
        if self._child is not None and hasattr(os, "waitid"):
            with suppress(ChildProcessError):
                seen = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
                assert seen is not None
                code = seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
        elif self._child is not None:
            code = self._child.wait()
        if is_listed:
            with self.queue.changing() as table:
                # who asks for a stop may have written so a moment ago
                found = self.queue.rows(table, "number = ?", job.number)[0]
                end = ended(found[0] if found else job, self.queue.runs_root, code)
                written = {"state": end.state, "said": end.said, "exit_code": end.exit_code}
                # of an end that nobody saw the time is not known
                written["finished_at"] = end.finished_at or (None if self._child is None else now())
                update(table, job.number, **written)
        with suppress(OSError):
            job.log.with_suffix(".exit").unlink()
        if self._child is not None:
            self._child.wait()
        self._job = self._child = None

    def _sample(self, job: Job) -> None:
        percent, memory = self._meter.measure()
        if not memory:
            return  # zombies have none
        gpu = gpu_use(self.lane)
        sample = Telemetry(
            at=now(),
            cpu_percent=round(percent, 1),
            rss_bytes=memory,
            gpu_percent=None if gpu is None else gpu.percent,
            gpu_memory_bytes=None if gpu is None else gpu.used_bytes,
            gpu_total_bytes=None if gpu is None else gpu.total_bytes,
        )
        with suppress(LaunchError, OSError):  # on a full disk it is left out
            # cleaners of temporary files take what is old, and a lock without its file locks nothing
            os.utime(device_lock(self.lane))
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
            lock = try_lock(device_lock(self.lane))
            if lock is None:
                # the last processes of a job that just ended may hold it for a moment
                if self._is_due("held", HELD_SECONDS, at_once=False):
                    self._say_why(waiting, f"waits for {self._device}, which another job holds")
                return True
            self._due.pop("held", None)
            try:
                self._start(lock)
            finally:
                os.close(lock)
        except StoreError as error:
            self._wait(waiting, f"waits for disk space: {error}")
        except Exception as error:
            said = str(error) if isinstance(error, MlcncError) else f"{type(error).__name__}: {error}"
            self._wait(waiting, f"waits: {said}")
        return True

    def _start(self, lock: int) -> None:
        require_free_space(self.queue.runs_root)
        child, reader, gate = None, *os.pipe()
        try:
            with self.queue.changing() as table:
                job = self.queue.next_in(self._lanes, table)
                if job is None:
                    return
                began: dict[str, Any] = {
                    "device": self._device,
                    "lane": self.lane,
                    "started_at": now(),
                    "said": "",
                }
                try:
                    argv = self._command(job.request, job.run_id, self.queue.runs_root)
                    child = self._spawn(job, argv, reader, lock)
                except Exception as error:
                    if isinstance(error, OSError) and error.errno in _PASSING:
                        raise
                    # whatever else it was: it would be no better the next time
                    said = str(error) if isinstance(error, MlcncError) else f"could not be started: {error}"
                    update(table, job.number, state="failed", finished_at=now(), **began | {"said": said})
                    return
                name = process_name(child.pid)
                assert name is not None  # not reaped yet, so that it exists
                began |= {"state": "running", "pid": name.pid, "start": name.start, "boot": name.boot}
                update(table, job.number, **began)
            os.write(gate, b"go\n")
            self._begin(job.model_copy(update=began), child)
        finally:
            os.close(gate)
            os.close(reader)
            if child is not None and self._child is not child:
                child.wait()  # what could not be written has not begun

    def _spawn(self, job: Job, argv: list[str], gate: int, lock: int) -> subprocess.Popen[bytes]:
        """Start a job's process in a group of its own; it waits for a line from the gate.

        The lock's descriptor goes with it: the device stays taken until its last process is gone, whatever
        happens to the worker.
        """
        passed_on = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or (name.startswith(("MLCNC_", "LC_")) and name != "MLCNC_DEVICE")
        }
        mine = {
            JOB_VARIABLE: str(job.log.with_suffix("")),
            "PYTHONUNBUFFERED": "1",
            **environment_of(self.lane),
        }
        with suppress(OSError):
            job.log.with_suffix(".exit").unlink()
        with open(open_to_append(job.log), "ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", _WHEN_TOLD, "job", *argv],
                stdin=gate,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
                # a file called like a module, in a folder of data, must not be run in its place
                cwd=Path(__file__).resolve().parent.parent.parent,
                env=passed_on | mine,
                # the page and the worker go first when the machine is busy
                preexec_fn=lambda: os.nice(_NICENESS),
            )

    def _leave(self) -> bool:
        if not self._is_due("idle", IDLE_SECONDS, at_once=False):
            return False
        # while the table is held: a job is either seen here, or its sender sees that nobody is here
        with self.queue.changing() as table:
            if self.queue.next_in(self._lanes, table) is not None:
                return False
            os.close(self._lock)
            return True

    def _wait(self, job: Job, headline: str) -> None:
        self._due["retry"] = time.monotonic() + RETRY_SECONDS
        self._say_why(job, headline)

    def _say_why(self, job: Job, headline: str) -> None:
        if headline != job.said:
            with suppress(LaunchError), self.queue.changing() as table:
                if any(now.state == "queued" for now in self.queue.rows(table, "number = ?", job.number)[0]):
                    update(table, job.number, said=headline)

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker of one device and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mlcnc.launch.worker", description=__doc__)
    parser.add_argument("--runs", required=True, metavar="FOLDER", help="the runs folder")
    parser.add_argument("--lane", required=True, help="the device")
    parser.add_argument("--lock", required=True, type=int, help="descriptor of its lock")
    options = parser.parse_args(arguments)
    if hasattr(signal, "SIGCHLD"):
        # inherited where it is ignored: the ends of jobs could not be waited for
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        load_plugins()  # jobs are checked here before they start
        Worker(options.runs, options.lane, options.lock).run()
    except MlcncError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
