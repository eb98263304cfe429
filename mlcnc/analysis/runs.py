"""One row a run: what it is, how it stands, and its results at a chosen epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlcnc.store import Run, RunStatus

Choice = Literal["best", "last"] | int
"""The best epoch on validation, the last one, or an epoch counted from 0."""

BUCKETS = ("total", "head", "medium", "tail")
SELECTION_METRIC = "validation/map_total"
NAN = float("nan")
_METRICS = (
    SELECTION_METRIC,
    *(f"test/map_{bucket}" for bucket in BUCKETS),
    "test.f/nc1_trace",
    "test.f/nc1_trace_shuffled",
    "test.f/nc1_tail",
    "test.f/nc1_tail_shuffled",
    "test.f/angle_min_class",
)


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
        chosen_on: how ``epoch`` was chosen: ``validation``, ``last epoch`` or ``asked for``; where there is
            none, ``nothing logged`` or, of the epoch asked for, ``not logged``.
        warnings: about what could not be read.
        nc1_shuffled: the NC1 of the same features with labels shuffled, beside which ``nc1`` is read.
        nc1_tail, nc1_tail_shuffled: the same over tail classes.
        map_curve: total test mAP in percent at every logged epoch that has one.
        has_arrays: whether arrays of at least one epoch are stored.
        tags, notes: given by people.
        settings: flattened ``section.name=value``, as text filters search them.
        failure: what a failed run said.
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
    nc1_shuffled: float = NAN
    nc1_tail: float = NAN
    nc1_tail_shuffled: float = NAN
    map_curve: tuple[float, ...] = ()
    has_arrays: bool = False
    tags: tuple[str, ...] = ()
    notes: str = ""
    settings: tuple[str, ...] = ()
    failure: str = ""

    @property
    def recipe(self) -> str:
        """What a reader tells runs apart by: embedding, and classifier or attention where unusual."""
        extra = [self.classifier] if self.classifier not in ("fixed", "?") else []
        extra += [self.attention] if self.attention not in ("multihead", "?") else []
        return ", ".join([self.embedding, *extra]).replace("_", "-")

    @property
    def nc1_tail_share(self) -> float:
        """NC1 of tail classes over the same with shuffled labels: 1 is chance, 0 collapse."""
        return self.nc1_tail / self.nc1_tail_shuffled if self.nc1_tail_shuffled > 0 else NAN


@dataclass(frozen=True)
class RunSummary:
    """What the rows of a run are made of at any epoch, small enough to keep for every run.

    Attributes:
        row: with everything that does not depend on the epoch; its state is not to be used.
        epochs: the logged ones, in order.
        values: by metric, one value an epoch, NaN where not logged.
    """

    row: RunRow
    epochs: tuple[int, ...]
    values: Mapping[str, tuple[float, ...]]


def summary(run: Run) -> RunSummary:
    """Return what the table needs of a run; reads the whole of metrics.jsonl once."""
    info, notes = run.info, run.notes()
    lines = run.metrics(_METRICS)
    values = {name: tuple(line.get(name, NAN) for line in lines) for name in _METRICS}
    model = _section(info.config, "model")
    tags = notes.get("tags")
    row = RunRow(
        run_id=run.run_id,
        name=str(notes.get("name") or info.name),
        state="?",
        dataset=str(_section(info.config, "data").get("dataset", "?")),
        embedding=str(model.get("label_embedding", "?")),
        attention=str(model.get("attention", "?")),
        classifier=str(model.get("classifier", "?")),
        dim=model.get("embedding_dim"),
        seed=info.seed,
        num_logged=len(lines),
        num_epochs=None,
        epoch=None,
        map_percent=dict.fromkeys(BUCKETS, NAN),
        nc1=NAN,
        angle_min=NAN,
        group_key=_group_key(info.config, run.run_id),
        chosen_on="nothing logged",
        map_curve=tuple(value for value in values["test/map_total"] if math.isfinite(value)),
        has_arrays=bool(run.array_epochs()),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        notes=str(notes.get("notes") or ""),
        settings=tuple(_flattened(info.config)),
    )
    return RunSummary(row, tuple(int(line["epoch"]) for line in lines), values)


def row_at(of: RunSummary, choice: Choice, status: RunStatus, warnings: tuple[str, ...] = ()) -> RunRow:
    """Return the row of a run at its best validation epoch, its last one, or the epoch asked for.

    Where no validation mAP was logged, ``best`` falls back to the last epoch and ``chosen_on`` says so.
    Where the epoch asked for was not logged, values are NaN and ``epoch`` is None.
    """
    place, chosen_on = _chosen(of, choice)

    def at(name: str) -> float:
        return NAN if place is None else of.values[name][place]

    return replace(
        of.row,
        state=status.state,
        num_epochs=status.num_epochs,
        epoch=None if place is None else of.epochs[place],
        map_percent={bucket: at(f"test/map_{bucket}") for bucket in BUCKETS},
        nc1=at("test.f/nc1_trace"),
        nc1_shuffled=at("test.f/nc1_trace_shuffled"),
        nc1_tail=at("test.f/nc1_tail"),
        nc1_tail_shuffled=at("test.f/nc1_tail_shuffled"),
        angle_min=at("test.f/angle_min_class"),
        chosen_on=chosen_on,
        warnings=warnings,
        failure=f"{status.error.type}: {status.error.message}" if status.error else "",
    )


def run_row(run: Run, choice: Choice = "best") -> RunRow:
    """Return the row of one run, with warnings; see ``row_at``."""
    return row_at(summary(run), choice, run.status, run.warnings)


def run_rows(runs: Iterable[Run], choice: Choice = "best") -> list[RunRow]:
    """Return one row a run, in the order given."""
    return [run_row(run, choice) for run in runs]


def run_warnings(run: Run) -> tuple[str, ...]:
    """Return sentences about what of a run could not be read; opens every file of arrays."""
    return run.warnings


def thinned(values: Sequence[float], limit: int) -> list[float]:
    """Return at most ``limit`` of the values, evenly spread, the first and the last among them.

    Example:
        >>> thinned([0.0, 1.0, 2.0, 3.0, 4.0], 3)
        [0.0, 2.0, 4.0]
    """
    if len(values) <= limit:
        return list(values)
    return [values[round(i * (len(values) - 1) / (limit - 1))] for i in range(limit)]


def _chosen(of: RunSummary, choice: Choice) -> tuple[int | None, str]:
    if not of.epochs:
        return None, "nothing logged"
    if isinstance(choice, int):
        return (of.epochs.index(choice), "asked for") if choice in of.epochs else (None, "not logged")
    if choice == "best":
        best, found = -math.inf, None
        for place, value in enumerate(of.values[SELECTION_METRIC]):
            if value > best:
                best, found = value, place
        if found is not None:
            return found, "validation"
    return len(of.epochs) - 1, "last epoch"


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


def training_settings(row: RunRow) -> dict[str, str]:
    """Return the settings of a run that change what is trained, by flattened name, without the seed."""
    left_out = tuple(f"training.{name}=" for name in _NOT_TRAINING)
    pairs = [line.partition("=") for line in row.settings if not line.startswith(left_out)]
    return {name: value for name, _, value in pairs}


def _flattened(config: Mapping[str, Any]) -> list[str]:
    return [
        f"{section}.{name}={value}"
        for section, content in config.items()
        if isinstance(content, Mapping)
        for name, value in content.items()
    ]


def _group_key(config: Mapping[str, Any], run_id: str) -> str:
    if not config:
        return run_id
    left_out = tuple(f"training.{name}=" for name in _NOT_TRAINING)
    return ";".join(sorted(line for line in _flattened(config) if not line.startswith(left_out)))


def is_number(value: float) -> bool:
    """Return whether a value was logged and is finite."""
    return math.isfinite(value)
