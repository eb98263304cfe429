"""The record that every format writes: settings and metrics of a run, epochs counted from 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlcnc.store import Run

_UNTRAINED = "_untrained"


@dataclass(frozen=True)
class LoggedRun:
    """What a run logged.

    Attributes:
        run_id, name: of the run.
        created_at: as the run has it, ISO 8601.
        state: e.g. ``finished``.
        tags: given by people.
        settings: dotted name to value.
        scalars: epoch from 1 to its metrics, rising; 0 is the untrained network. Undefined values are left out.
    """

    run_id: str
    name: str
    created_at: str
    state: str
    tags: tuple[str, ...]
    settings: dict[str, Any]
    scalars: dict[int, dict[str, float]]

    @property
    def metric_names(self) -> list[str]:
        """Names of all metrics, in the order in which they were logged first."""
        return list(dict.fromkeys(name for values in self.scalars.values() for name in values))

    def written_at(self, epoch: int) -> float:
        """Return when an epoch ended, seconds since 1970: the start and what each epoch took up to it."""
        took = (values.get("seconds", 0.0) for at, values in self.scalars.items() if at <= epoch)
        return datetime.fromisoformat(self.created_at).timestamp() + sum(took)


def logged_run(run: Run) -> LoggedRun:
    """Return what a run logged.

    Raises:
        StoreError: the run cannot be read.
    """
    scalars: dict[int, dict[str, float]] = {}
    for line in run.metrics():
        epoch = int(line["epoch"]) + 1
        for name, value in line.items():
            if name == "epoch" or not math.isfinite(value):
                continue
            before = name.endswith(_UNTRAINED)
            scalars.setdefault(0 if before else epoch, {})[name.removesuffix(_UNTRAINED)] = float(value)
    return LoggedRun(
        run.run_id,
        run.name,
        run.info.created_at,
        run.status.state,
        tuple(str(tag) for tag in run.notes().get("tags", ())),
        dict(flat(run.info.config)),
        dict(sorted(scalars.items())),
    )


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted names of a tree of settings with their values."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
