"""One row a run: what it is, how it stands, and its results at a chosen epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlcnc.store import Run

Choice = Literal["best", "last"]
BUCKETS = ("total", "head", "medium", "tail")
SELECTION_METRIC = "validation/map_total"
NAN = float("nan")


@dataclass(frozen=True)
class RunRow:
    """A run as the table shows it.

    Attributes:
        run_id, name, state: of the run; state is ``lost`` where nobody runs it any more.
        dataset, embedding, attention, classifier: from its config, ``?`` where it names none.
        dim: of the label embedding.
        seed: of the training, or None.
        num_logged, num_epochs: epochs so far and planned.
        epoch: the epoch the values are of, from 0, or None without any.
        map_percent: test mAP by bucket, NaN where not logged.
        nc1: test NC1 trace ratio in f.
        angle_min: smallest class-mean centred angle of test class means in f, degrees.
        group_key: settings without seed and name; runs with equal keys differ in the seed only.
        chosen_on: ``validation``, ``last epoch`` - how ``epoch`` was chosen.
    """

    run_id: str
    name: str
    state: str
    dataset: str
    embedding: str
    attention: str
    classifier: str
    dim: int | None
    seed: int | None
    num_logged: int
    num_epochs: int | None
    epoch: int | None
    map_percent: Mapping[str, float]
    nc1: float
    angle_min: float
    group_key: str
    chosen_on: str
    warnings: tuple[str, ...] = field(default=())

    @property
    def recipe(self) -> str:
        """What a reader tells runs apart by: embedding, and classifier or attention where unusual."""
        extra = [self.classifier] if self.classifier not in ("fixed", "?") else []
        extra += [self.attention] if self.attention not in ("multihead", "?") else []
        return ", ".join([self.embedding, *extra]).replace("_", "-")


def run_row(run: Run, choice: Choice = "best") -> RunRow:
    """Return the row of one run at its best validation epoch or its last one.

    Where no validation mAP was logged, ``best`` falls back to the last epoch and ``chosen_on`` says so.
    """
    info, status = run.info, run.status
    lines = {int(line["epoch"]): line for line in run.metrics()}
    epoch, chosen_on = chosen_epoch(run, choice, lines)
    line = lines.get(epoch, {}) if epoch is not None else {}
    model = _section(info.config, "model")
    return RunRow(
        run_id=run.run_id,
        name=run.name,
        state=status.state,
        dataset=str(_section(info.config, "data").get("dataset", "?")),
        embedding=str(model.get("label_embedding", "?")),
        attention=str(model.get("attention", "?")),
        classifier=str(model.get("classifier", "?")),
        dim=model.get("embedding_dim"),
        seed=info.seed,
        num_logged=len(lines),
        num_epochs=status.num_epochs,
        epoch=epoch,
        map_percent={bucket: line.get(f"test/map_{bucket}", NAN) for bucket in BUCKETS},
        nc1=line.get("test.f/nc1_trace", NAN),
        angle_min=line.get("test.f/angle_min_class", NAN),
        group_key=_group_key(info.config, run.run_id),
        chosen_on=chosen_on,
        warnings=run.warnings,
    )


def run_rows(runs: Iterable[Run], choice: Choice = "best") -> list[RunRow]:
    """Return one row a run, in the order given."""
    return [run_row(run, choice) for run in runs]


def chosen_epoch(run: Run, choice: Choice, lines: Mapping[int, Any]) -> tuple[int | None, str]:
    """Return the epoch a choice means and how it was found."""
    if not lines:
        return None, "nothing logged"
    if choice == "best":
        best = run.best_epoch(SELECTION_METRIC)
        if best is not None:
            return best, "validation"
    return max(lines), "last epoch"


def nearest_array_epoch(run: Run, epoch: int | None) -> int | None:
    """Return the epoch with stored arrays that is nearest to ``epoch``, the later of two equal ones."""
    stored = run.array_epochs()
    if not stored:
        return None
    if epoch is None:
        return stored[-1]
    return min(stored, key=lambda other: (abs(other - epoch), -other))


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name, {})
    return section if isinstance(section, Mapping) else {}


# what is measured, stored or shown does not change what is trained
_NOT_TRAINING = (
    "seed",
    "arrays_every",
    "num_sample_pairs",
    "num_probes",
    "num_pictures",
    "checkpoint",
    "device",
    "num_threads",
)


def _group_key(config: Mapping[str, Any], run_id: str) -> str:
    if not config:
        return run_id
    rows = sorted(
        f"{section}.{name}={value}"
        for section, content in config.items()
        if isinstance(content, Mapping)
        for name, value in content.items()
        if not (section == "training" and name in _NOT_TRAINING)
    )
    return ";".join(rows)


def is_number(value: float) -> bool:
    """Return whether a value was logged and is finite."""
    return math.isfinite(value)
