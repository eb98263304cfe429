"""A job as it stands in the table of jobs, and how it ended."""

from __future__ import annotations

import signal
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mlcnc.errors import StoreError
from mlcnc.launch.devices import LANE
from mlcnc.launch.log_file import error_line, last_line, noted_exit
from mlcnc.launch.processes import ProcessName, machine_id
from mlcnc.launch.request import WRITES_RUN, JobRequest
from mlcnc.store import RunStore
from mlcnc.store.liveness import now
from mlcnc.store.schema import RUN_ID

JobState = Literal["queued", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE_STATES: frozenset[JobState] = frozenset({"queued", "running", "stopping"})

INTERRUPTED = 130
"""Exit status of ``mlcnc`` after a polite stop, which it has recorded in the run."""

_UNSEEN = "its process ended and nobody saw how; what was logged is kept"
_KILLED = "killed by signal 9 (SIGKILL), often because memory ran out; what was logged is kept"


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
    request: JobRequest
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
    use: Telemetry | None = None
    folder: Path
    is_unattended: bool = False

    @field_validator("request", mode="before")
    @classmethod
    def _parsed(cls, value: Any) -> Any:
        return _request(value) if isinstance(value, str) else value

    @field_validator("use", mode="before")
    @classmethod
    def _plausible(cls, value: Any) -> Any:
        # of a sample that no chart could draw nothing is kept; the job is none the worse
        with suppress(ValidationError):
            return Telemetry.model_validate_json(value) if isinstance(value, str) else value
        return None

    @property
    def job_id(self) -> str:
        """What people call it, e.g. ``0001-train``."""
        return f"{self.number:04d}-{self.request.kind}"

    @property
    def log(self) -> Path:
        """The file with what it printed."""
        return self.folder / f"{self.job_id}.log"

    @property
    def process(self) -> ProcessName | None:
        """Its first process; None before its start."""
        if self.pid is None or self.start is None or self.boot is None:
            return None
        return ProcessName(self.pid, self.start, self.boot)

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs, so that it may still change by itself."""
        return self.state in ACTIVE_STATES

    @property
    def is_ours(self) -> bool:
        """Whether it was queued on this machine; a folder that was shared or copied may hold others' jobs."""
        return self.machine == machine_id()

    @property
    def headline(self) -> str:
        """One sentence for people: the result, the error, why it was stopped, why it waits."""
        if not self.is_ours and self.state == "queued":
            return f"queued on {self.host or 'another machine'} and started there alone"
        if self.stop is not None and self.state in ("stopping", "stopped"):
            limit = {
                StopReason.BEFORE_START: "stopped before it began",
                StopReason.ASKED: "stopped on request; what was logged is kept",
                StopReason.MINUTES: f"stopped after its limit of {self.request.max_minutes or 0:g} minutes; "
                "what was logged is kept",
                StopReason.MEGABYTES: f"stopped over its limit of {self.request.max_megabytes or 0:g} MB; "
                "what was logged is kept",
            }
            return limit[self.stop]
        return self.said or (self.note if self.is_active else "")


def true_state(job: Job, runs_root: Path) -> Job:
    """Return a job as it truly stands now: what nobody runs any more is not called running."""
    if job.state != "running":
        return job
    if not job.is_ours:
        where = job.host or "another machine"
        return job.model_copy(
            update={"state": "lost", "said": f"began on {where}, where alone its end is known"}
        )
    if job.process is not None and job.process.is_alive:
        return job.model_copy(update={"state": "stopping"}) if job.stop is not None else job
    return ended(job, runs_root, None)


def ended(job: Job, runs_root: Path, code: int | None) -> Job:
    """Return a job as it stands after the end of its process.

    Args:
        job: as in the table.
        runs_root: the runs folder.
        code: its exit status, None where nobody waited for it.
    """
    if code is None:
        code = None if job.process is None else job.process.exit_code
    # of an end that nobody saw the time is not known
    end = None if code is None else now()
    if code is None:
        code = noted_exit(job.folder / f"{job.job_id}.exit", job.pid)
    state, said = _by_its_run(job, runs_root) if code is None else _by_its_code(job, code)
    return job.model_copy(update={"state": state, "said": said, "exit_code": code, "finished_at": end})


def _by_its_code(job: Job, code: int) -> tuple[JobState, str]:
    if code == 0:
        return "finished", last_line(job.log) or "finished"
    said = error_line(job.log)
    if job.stop is not None:
        return "stopped", said
    if code == INTERRUPTED:
        return "stopped", said or "stopped from outside"
    if code == -signal.SIGKILL:
        return "lost", _KILLED
    if code < 0:
        known = {number.value: number.name for number in signal.Signals}
        return "failed", f"ended by signal {-code} ({known.get(-code, 'unknown')})" + (
            f": {said}" if said else ""
        )
    return "failed", said or f"ended with exit status {code} and said nothing; see its log"


def _by_its_run(job: Job, runs_root: Path) -> tuple[JobState, str]:
    said = error_line(job.log)
    if job.request.kind in WRITES_RUN and job.run_id is not None:
        with suppress(StoreError, OSError, ValueError):
            status = RunStore(runs_root).open(job.run_id).status
            # a run that another process wrote last says nothing about this one
            if status.pid == job.pid and status.state in ("finished", "failed", "stopped"):
                error = f"{status.error.type}: {status.error.message}" if status.error else "failed"
                words = {"finished": last_line(job.log) or "finished", "failed": said or error}
                return status.state, words.get(status.state, said or "stopped from outside")
    if job.stop is not None:
        return "stopped", said
    return ("failed", said) if said and job.request.kind not in WRITES_RUN else ("lost", _UNSEEN)


@lru_cache(maxsize=2000)
def _request(text: str) -> JobRequest:
    return JobRequest.model_validate_json(text)
