"""One running job in the hands of its supervisor: started or adopted, watched, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlcnc.errors import LaunchError
from mlcnc.launch import telemetry
from mlcnc.launch.devices import gpu_key, lock_name, visible_gpus
from mlcnc.launch.job import JobEntry, JobStatus
from mlcnc.launch.job_folder import is_cancelled, seconds_since_cancel, was_told
from mlcnc.launch.locks import device_lock_path
from mlcnc.launch.processes import JOB_VARIABLE, ProcessMark, boot_seconds
from mlcnc.launch.reading import STOPPED_ON_REQUEST
from mlcnc.launch.regular_file import open_to_append

GRACE_SECONDS = 6.0
"""Between the polite stop and the kill of all processes."""

DEVICE_VARIABLE = "MLCNC_DEVICE"
"""Set for a job to the kind of its device; ``mlcnc.training.device`` obeys it above the config of the run."""

_LEAST_GRACE_SECONDS = 3.0
_SIZE_SECONDS = 5.0
_NICENESS = 5

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


class ActiveJob:
    """A job whose process exists or has just ended.

    Args:
        folder: of the job.
        status: as written.
        process: its first process.
        child: None where another supervisor started it, so that its exit status cannot be had.
    """

    def __init__(
        self,
        folder: Path,
        entry: JobEntry,
        status: JobStatus,
        process: ProcessMark,
        child: subprocess.Popen[bytes] | None,
    ) -> None:
        self.folder = folder
        self.entry = entry
        self.status = status
        self.process = process
        self.child = child
        self.stop_reason: str | None = None
        self._kill_at: float | None = None
        self._meter: telemetry.ProcessMeter | None = None
        self._sampled_at = 0.0
        self._measured_at = 0.0

    def exit_code(self) -> int | None:
        """Return the exit status once the first process has ended, None before.

        What it left of its group is killed while the unreaped process still keeps the group's number from
        being given to others. Where another took its status, ``child`` becomes None: nobody saw its end.
        """
        assert self.child is not None
        if hasattr(os, "waitid"):
            try:
                if os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    return None
            except ChildProcessError:
                self.child.poll()
                self.child = None
                return None
            self.process.signal_group(signal.SIGKILL)
            return self.child.wait()
        return self.child.poll()

    def begin_stop(self, reason: str, *, already_told: bool = False) -> None:
        """Ask the whole group to end politely; :meth:`press_stop` kills it later."""
        self.stop_reason = reason
        waited = seconds_since_cancel(self.folder) if is_cancelled(self.folder) else 0.0
        already_told = already_told or was_told(self.folder)
        left = GRACE_SECONDS - waited
        self._kill_at = boot_seconds() + (left if already_told else max(left, _LEAST_GRACE_SECONDS))
        if not already_told:
            self.process.signal_group(signal.SIGTERM)

    def press_stop(self) -> None:
        """Kill the group when its time of grace is over."""
        if self._kill_at is not None and boot_seconds() >= self._kill_at:
            self.process.signal_group(signal.SIGKILL)

    def asked_to_stop(self) -> str | None:
        """Return the sentence of the stop that is under way, None where none was asked for.

        Who asks also sends the signal, so that the job may be gone before its supervisor looks.
        """
        return self.stop_reason or (STOPPED_ON_REQUEST if is_cancelled(self.folder) else None)

    def reason_to_stop(self, runs_root: Path) -> str | None:
        """Return why the job has to be stopped now: asked for, or over one of its limits."""
        if self.stop_reason is not None:
            return None
        if is_cancelled(self.folder):
            return STOPPED_ON_REQUEST
        minutes = self.entry.request.max_minutes
        if minutes is not None and self.process.age_seconds() > 60 * minutes:
            return f"stopped after its limit of {minutes:g} minutes; what was logged is kept"
        megabytes = self.entry.request.max_megabytes
        if megabytes is not None and time.monotonic() - self._measured_at > _SIZE_SECONDS:
            self._measured_at = time.monotonic()
            size = folder_bytes(self.folder)
            if self.entry.run_id is not None:
                size += folder_bytes(runs_root / self.entry.run_id)
            if size > megabytes * 1e6:
                return (
                    f"stopped at {size / 1e6:.1f} MB, over its limit of {megabytes:g} MB; "
                    "what was logged is kept"
                )
        return None

    def sample(self, gpus: telemetry.GpuMeter) -> None:
        """Write a line of telemetry where one is due."""
        if time.monotonic() - self._sampled_at < telemetry.EVERY_SECONDS:
            return
        self._sampled_at = time.monotonic()
        if self._meter is None:
            self._meter = telemetry.ProcessMeter(self.process.pid)
        measured = self._meter.measure()
        if measured is None:
            return
        device = self.status.device or ""
        # cleaners of temporary files take what is old, and a lock without its file locks nothing
        with suppress(OSError, LaunchError):
            os.utime(device_lock_path(lock_name(device)))
        gpu = gpus.read(gpu_key(device)) if device.startswith("cuda") else None
        telemetry.append(self.folder, telemetry.sample_of(self.process.age_seconds(), *measured, gpu))


def spawn(
    argv: list[str], folder: Path, device: str, lock: int, claim: Callable[[], None]
) -> subprocess.Popen[bytes]:
    """Start a job's process in a group of its own.

    The lock's descriptor goes with it: the device stays taken until its last process is gone, whatever
    happens to the supervisor. ``claim`` runs in the new process before the command begins, so that the
    process makes itself known even if the supervisor dies at that moment.

    Raises:
        OSError, subprocess.SubprocessError: it could not be started.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or (name.startswith(("MLCNC_", "LC_")) and name != DEVICE_VARIABLE)
    }
    environment |= {
        JOB_VARIABLE: str(folder),
        "PYTHONUNBUFFERED": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": visible_gpus(device),
    }
    kind = device.partition(":")[0]
    if kind in ("cpu", "cuda", "mps"):
        environment[DEVICE_VARIABLE] = kind

    def prepare() -> None:
        # the page and the supervisor go first when the machine is busy
        os.nice(_NICENESS)
        claim()

    with open(open_to_append(folder / "log.txt"), "ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            pass_fds=(lock,),
            # a file called like a module, in a folder of data, must not be run in its place
            cwd=package_folder(),
            env=environment,
            # the supervisor has a single thread, so that the new process may run Python before the command
            preexec_fn=prepare,
        )


def package_folder() -> Path:
    """Return the folder that holds the package ``mlcnc``."""
    return Path(__file__).resolve().parent.parent.parent


def folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder; 0 where there is none."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{path}/{name}").st_size
            except OSError:
                continue
    return total
