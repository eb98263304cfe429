"""The records of a job: what is on disk, and what a reader is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlcnc.launch.machine import is_this_machine
from mlcnc.launch.processes import ProcessMark
from mlcnc.launch.request import JobRequest
from mlcnc.store.schema import RUN_ID

JobState = Literal["queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE_STATES: frozenset[JobState] = frozenset({"queued", "starting", "running", "stopping"})


class JobEntry(BaseModel):
    """What is known when a job is queued (job.json), written once."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    job_id: str
    number: int = Field(description="grows with every job of the runs folder, whatever the clock says")
    created_at: str = Field(description="UTC, ISO 8601")
    host: str = Field("", description="name of the machine on which it was queued and alone is started")
    machine: str = Field("", description="its id, which outlives its name; empty in older records")
    run_id: str | None = Field(None, pattern=rf"^{RUN_ID.pattern}$")
    request: JobRequest
    gpu: str = Field("", description="UUID of the GPU that was asked for, whatever others call it")
    note: str = Field("", max_length=400, description="what is not as asked for; the headline until the end")

    @property
    def is_ours(self) -> bool:
        """Whether it was queued on this machine; a folder that was shared or copied may hold others' jobs."""
        return is_this_machine(self.machine, self.host)


class JobStatus(BaseModel):
    """Where a job stands (state.json), replaced as a whole; times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    state: JobState = "queued"
    attempt: int = Field(0, description="grows with every start, so that a late process of an old one gives up")
    process: ProcessMark | None = None
    supervisor: ProcessMark | None = Field(None, description="who is starting it")
    device: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = Field(None, description="below 0: the signal that ended it; None: not seen")
    headline: str = ""


@dataclass(frozen=True)
class Job:
    """One job as it truly stands now.

    Attributes:
        place: from 1 in the queue, None where it is not queued.
        device: the one it was given, e.g. ``cpu`` or ``cuda:0``; None before its start.
        exit_code: below 0 the signal that ended it; None where nobody saw its end.
        headline: one sentence for people: the result, the error, why it was stopped.
        folder: where its files are.
        cancel_asked: a stop was asked for.
    """

    job_id: str
    request: JobRequest
    state: JobState
    place: int | None
    run_id: str | None
    device: str | None
    pid: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    exit_code: int | None
    headline: str
    folder: Path
    cancel_asked: bool

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs, so that it may still change by itself."""
        return self.state in ACTIVE_STATES
