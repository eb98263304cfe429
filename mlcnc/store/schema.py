"""The records a run folder holds, and how those of older versions are brought up to date."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlcnc.errors import RunFormatError, RunNotFoundError

SCHEMA_VERSION = 1
RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*(/[A-Za-z0-9_][A-Za-z0-9_.]*)*")

State = Literal["queued", "running", "finished", "stopped", "failed", "lost"]
FINAL_STATES = frozenset({"finished", "stopped", "failed"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GroupThresholds(_Record):
    """A class is head from ``head_min`` training images on and tail below ``tail_max``."""

    head_min: int = 100
    tail_max: int = 20


class RunInfo(_Record):
    """What is known when a run is created (run.json)."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    name: str
    created_at: str = Field(description="UTC, ISO 8601")
    config: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    class_names: list[str]
    class_counts: list[int]
    groups: dict[str, list[int]]
    group_thresholds: GroupThresholds = GroupThresholds()
    co_occurrence: list[list[int]] | None = None
    num_train: int | None = None
    num_validation: int | None = None
    num_test: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    device: str = "unknown"
    git_commit: str | None = None


class RunFailure(_Record):
    """Why a run failed."""

    type: str
    message: str
    epoch: int | None = None
    batch: int | None = None


class RunStatus(_Record):
    """Where a run stands (status.json); times are UTC, ISO 8601."""

    schema_version: int = SCHEMA_VERSION
    state: State
    epoch: int | None = Field(None, description="last logged epoch, from 0")
    num_epochs: int | None = None
    batch: int | None = Field(None, description="batches done of the epoch under way, as of the heartbeat")
    num_batches: int | None = Field(None, description="batches of the epoch under way")
    started_at: str | None = None
    finished_at: str | None = None
    heartbeat_at: str | None = None
    pid: int | None = None
    process_start_time: float | None = Field(
        None, description="tells a reused pid apart; on Linux it moves with the clock, see process_start_ticks"
    )
    process_start_ticks: int | None = Field(None, description="since the machine started; Linux only")
    boot_id: str | None = Field(None, description="tells one start of a machine from the next; Linux only")
    host: str | None = Field(None, description="name of the machine")
    device: str | None = None
    images_per_second: float | None = None
    error: RunFailure | None = None


def _from_version_0(tree: dict[str, Any]) -> dict[str, Any]:
    # version 0, before the first release, named the groups' lists "splits" and had no thresholds
    moved = dict(tree)
    if "splits" in moved:
        moved["groups"] = moved.pop("splits")
    return {**moved, "schema_version": 1}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: _from_version_0}
"""From a schema version to the function that returns the next version's tree of run.json."""


def parse_info(tree: Any) -> RunInfo:
    """Return the record of a run.json tree of this or an older version.

    Raises:
        RunFormatError: a newer version, or a field is missing or of the wrong type.
    """
    if not isinstance(tree, dict):
        raise RunFormatError("run.json must hold an object")
    version = tree.get("schema_version", 0)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise RunFormatError(
            f"run.json has schema version {version!r}, this mlcnc reads up to {SCHEMA_VERSION}; "
            "upgrade mlcnc to open the run"
        )
    for step in range(version, SCHEMA_VERSION):
        tree = MIGRATIONS[step](tree)
    try:
        info = RunInfo.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RunFormatError(f"run.json, field {field}: {first['msg']}") from None
    num_classes = len(info.class_names)
    indices = [index for members in info.groups.values() for index in members]
    if len(info.class_counts) != num_classes or any(not 0 <= i < num_classes for i in indices):
        raise RunFormatError(
            f"run.json names {num_classes} classes, but class_counts or groups do not fit them"
        )
    return info


def checked_run_id(run_id: str) -> str:
    """Return ``run_id`` where it is one.

    Raises:
        RunNotFoundError: it holds anything but a-z, 0-9, _ and -, so it could leave the runs folder.
    """
    if not RUN_ID.fullmatch(run_id):
        raise RunNotFoundError(
            f"run_id must be 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit, got {run_id!r}"
        )
    return run_id
