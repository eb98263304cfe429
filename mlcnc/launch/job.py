"""A job as it stands in the table of jobs."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mlcnc.devices import LANE
from mlcnc.files.processes import ProcessName, machine_id
from mlcnc.launch.request import WRITES_RUN, JobRequest
from mlcnc.slurm_request import SLURM
from mlcnc.store.schema import RUN_ID

JobState = Literal["queued", "running", "stopping", "finished", "stopped", "failed", "lost"]

UNSEEN = "its process ended and nobody saw how"
KILLED = "killed by signal 9 (SIGKILL), often because memory ran out"


class StopReason(StrEnum):
    """Why we ended a job."""

    BEFORE_START = "before start"
    ASKED = "asked"
    MINUTES = "minutes"
    MEGABYTES = "megabytes"


class Telemetry(BaseModel):
    """What a job takes of the machine, measured every two seconds.

    Attributes:
        at: time in UTC, ISO 8601.
        cpu_percent: of one core, all its processes together; 200 is two cores.
        rss_bytes: memory of all its processes.
        gpu_percent: busy share of its GPU; None without one, or where the driver does not say.
        gpu_memory_bytes, gpu_total_bytes: of its GPU, everyone's use together.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    at: str
    cpu_percent: float = Field(ge=0, lt=1e18)
    rss_bytes: int = Field(ge=0, lt=10**18)
    gpu_percent: float | None = Field(None, ge=0, lt=1e18)
    gpu_memory_bytes: int | None = Field(None, ge=0, lt=10**18)
    gpu_total_bytes: int | None = Field(None, ge=0, lt=10**18)


_request = lru_cache(maxsize=2000)(JobRequest.model_validate_json)


def _parsed(request: str | JobRequest) -> JobRequest:
    return _request(request) if isinstance(request, str) else request


def _plausible(text: str | Telemetry | None) -> Telemetry | None:
    # of a sample that no chart could draw nothing is kept; the job is none the worse
    with suppress(ValidationError):
        return Telemetry.model_validate_json(text) if isinstance(text, str) else text
    return None


class Job(BaseModel):
    """One job; its fields are the columns of the table.

    Attributes:
        number: grows with every job of the runs folder and is never given again.
        host, machine: where it was queued and alone is started.
        lane: what it is queued for, see ``devices.LANE``; once it runs, the one it was given.
        place: from 1 in the queue, None where it is not queued.
        note: what is not as asked for.
        device: the one it was given, e.g. ``cpu`` or ``cuda:0``; None before its start.
        pid, start, boot: name its first process.
        stop, stop_asked: why it is or was stopped, and when that was asked for, in seconds since boot.
        exit_code: below 0 the signal that ended it; None where nobody saw its end.
        said: the result, the error, or why it waits.
        use: what it took of the machine when that was measured last.
        folder: of the table.
        is_unattended: it waits, and no worker is there that would start it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    number: int = Field(ge=1, lt=10**9)
    host: str
    machine: str
    created_at: str
    request: Annotated[JobRequest, BeforeValidator(_parsed)]
    run_id: str | None = Field(None, pattern=rf"^{RUN_ID.pattern}$")
    lane: str = Field(pattern=rf"^({LANE.pattern})$")
    place: int | None = None
    note: str = ""
    state: JobState = "queued"
    device: str | None = None
    pid: int | None = Field(None, ge=2, lt=2**31)
    start: float | None = None
    boot: str | None = None
    stop: StopReason | None = None
    stop_asked: float | None = None
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = None
    said: str = ""
    use: Annotated[Telemetry | None, BeforeValidator(_plausible)] = None
    folder: Path
    is_unattended: bool = False

    @property
    def job_id(self) -> str:
        """What people call it, e.g. ``0001-train``."""
        return f"{self.number:04d}-{self.request.kind}"

    @property
    def stem(self) -> Path:
        """The path of its files without their endings, by which its processes are known too."""
        return self.folder / self.job_id

    @property
    def log(self) -> Path:
        """The file with what it printed."""
        return self.stem.with_suffix(".log")

    @property
    def process(self) -> ProcessName | None:
        """Its first process; None before its start."""
        if self.pid is None or self.start is None or self.boot is None:
            return None
        return ProcessName(self.pid, self.start, self.boot)

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs, so that it may still change by itself."""
        return self.state in ("queued", "running", "stopping")

    @property
    def is_ours(self) -> bool:
        """Whether it was queued on this machine; a folder that was shared or copied may hold others' jobs."""
        return self.machine == machine_id()

    @property
    def headline(self) -> str:
        """One sentence for people: the result, the error, why it was stopped, why it waits."""
        if not self.is_ours and self.state == "queued" and self.lane != SLURM:
            return f"queued on {self.host or 'another machine'} and started there alone"
        said = self.said
        if self.stop is not None and self.state in ("stopping", "stopped"):
            said = {
                StopReason.BEFORE_START: "stopped before it began",
                StopReason.ASKED: "stopped on request",
                StopReason.MINUTES: f"stopped after its limit of {self.request.max_minutes or 0:g} minutes",
                StopReason.MEGABYTES: f"stopped over its limit of {self.request.max_megabytes or 0:g} MB",
            }[self.stop]
        elif said not in (UNSEEN, KILLED):
            return said or (self.note if self.is_active else "")
        return said if self.stop is StopReason.BEFORE_START else said + self.what_is_kept()

    def what_is_kept(self) -> str:
        """Return the end of a sentence on a job that was broken off; empty where it writes no run."""
        if self.request.kind not in WRITES_RUN or self.run_id is None:
            return ""
        with suppress(OSError):
            if (self.folder.parent / self.run_id / "metrics.jsonl").stat().st_size:
                return "; what was logged is kept"
        return "; nothing was logged yet"
