"""What a job takes of the machine, written beside it every two seconds."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from mlcnc.launch.log_file import read_tail
from mlcnc.launch.regular_file import open_to_append
from mlcnc.store.liveness import now

EVERY_SECONDS = 2.0
_FAMILY_SECONDS = 10.0
_LINE_BYTES = 220


@dataclass(frozen=True)
class Telemetry:
    """One sample.

    Attributes:
        at: time in UTC, ISO 8601.
        age_seconds: of the job.
        cpu_percent: of one core, all its processes together; 200 is two cores.
        rss_bytes: memory of all its processes.
        gpu_percent: busy share of its GPU; None without one or without ``nvidia-smi``.
        gpu_memory_bytes, gpu_total_bytes: of its GPU, everyone's use together.
    """

    at: str
    age_seconds: float
    cpu_percent: float
    rss_bytes: int
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None
    gpu_total_bytes: int | None = None


class ProcessMeter:
    """Measures one job's processes.

    Args:
        pid: of the first process.
    """

    def __init__(self, pid: int) -> None:
        import psutil

        self._errors: type[Exception] = psutil.Error
        self._process: Any = None
        self._children: list[Any] = []
        self._family_at = 0.0
        self._last: tuple[float, float] | None = None
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)

    def measure(self) -> tuple[float, int] | None:
        """Return CPU percent since the last call and memory in bytes; None where the process is gone."""
        if self._process is None:
            return None
        moment = time.monotonic()
        if moment - self._family_at >= _FAMILY_SECONDS:
            # walking all processes of the machine is the dear part
            self._family_at = moment
            try:
                self._children = self._process.children(recursive=True)
            except self._errors:
                self._children = []
        seconds, memory = 0.0, 0
        for process in [self._process, *self._children]:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                seconds += times.user + times.system
            except self._errors:
                continue
        if not memory:
            return None  # zombies have none
        last, self._last = self._last, (moment, seconds)
        if last is None or moment <= last[0]:
            return 0.0, memory
        return max(0.0, 100 * (seconds - last[1]) / (moment - last[0])), memory


class GpuMeter:
    """Reads ``nvidia-smi``, which is started once and repeats itself; silent where there is none."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._latest: dict[str, tuple[float, int, int]] = {}
        self._rest = b""

    def read(self, gpu: str) -> tuple[float, int, int] | None:
        """Return busy percent, used and total bytes of a GPU by its index or UUID, None where unknown."""
        stream = self._stream()
        if stream is None:
            return None
        try:
            content = os.read(stream.fileno(), 65536)
        except (BlockingIOError, OSError):
            content = b""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            parts = [part.strip() for part in line.decode(errors="replace").split(",")]
            try:
                values = (float(parts[2]), int(float(parts[3]) * 2**20), int(float(parts[4]) * 2**20))
            except (ValueError, IndexError):
                continue
            self._latest[parts[0]] = self._latest[parts[1]] = values
        return self._latest.get(gpu)

    def close(self) -> None:
        """End ``nvidia-smi`` and forget what it said."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._process = None
        self._latest, self._rest = {}, b""

    def _stream(self) -> IO[bytes] | None:
        program = shutil.which("nvidia-smi")
        if program is None:
            return None
        if self._process is None or self._process.poll() is not None:
            self.close()
            query = "index,uuid,utilization.gpu,memory.used,memory.total"
            try:
                self._process = subprocess.Popen(
                    [program, f"--query-gpu={query}", "--format=csv,noheader,nounits", "-l", "2"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                return None
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
        return self._process.stdout


def append(folder: Path, sample: Telemetry) -> None:
    """Append a sample to telemetry.jsonl; on a full disk, or where that is no regular file, it is left out."""
    line = json.dumps(asdict(sample), allow_nan=False) + "\n"
    with contextlib.suppress(OSError), open(open_to_append(folder / "telemetry.jsonl"), "ab") as stream:
        stream.write(line.encode())


def sample_of(
    age_seconds: float, cpu_percent: float, rss_bytes: int, gpu: tuple[float, int, int] | None
) -> Telemetry:
    """Return a sample of this moment."""
    busy, used, total = gpu if gpu is not None else (None, None, None)
    return Telemetry(
        at=now(),
        age_seconds=round(age_seconds, 1),
        cpu_percent=round(cpu_percent, 1),
        rss_bytes=rss_bytes,
        gpu_percent=busy,
        gpu_memory_bytes=used,
        gpu_total_bytes=total,
    )


def read(folder: Path, last: int) -> list[Telemetry]:
    """Return the last samples, oldest first; damaged and half-written lines are left out."""
    names = {field.name for field in fields(Telemetry)}
    found = []
    for line in read_tail(folder / "telemetry.jsonl", last * _LINE_BYTES).splitlines():
        try:
            tree = json.loads(line)
            known = {name: value for name, value in tree.items() if name in names}
            sample = Telemetry(**known)
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
        if _is_plausible(sample):
            found.append(sample)
    return found[-last:] if last > 0 else []


def _is_plausible(sample: Telemetry) -> bool:
    measured = (sample.age_seconds, sample.cpu_percent, sample.rss_bytes)
    of_gpu = (sample.gpu_percent, sample.gpu_memory_bytes, sample.gpu_total_bytes)
    values = [*measured, *(value for value in of_gpu if value is not None)]
    # types are those of a file; the bound lets whole numbers of hundreds of digits fail too
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return isinstance(sample.at, str) and len(numbers) == len(values) and all(0 <= n < 1e18 for n in numbers)
