"""One row a run: what it is, how it stands, and its results at a chosen epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from mlcnc.analysis.runs.recipe import ANOTHER_LOOP, unusual_settings
from mlcnc.analysis.runs.settings import flattened
from mlcnc.errors import counted
from mlcnc.methods.settings import method_title
from mlcnc.store import Run, RunStatus

Choice = Literal["best", "last"] | int
"""The best epoch on validation, the last one, or an epoch counted from 0."""

BUCKETS = ("total", "head", "medium", "tail")
SELECTION_METRIC = "validation/map_total"
NAN = float("nan")
FIRST_SPACE = "f"
"""The space of features that values are of wherever a run has it."""

_OF_TEST = tuple(f"test/map_{bucket}" for bucket in BUCKETS)
_OF_SPACE = ("nc1_trace", "nc1_trace_shuffled", "nc1_tail", "nc1_tail_shuffled", "angle_min_class")


@dataclass(frozen=True)
class RunRow:
    """A run as the table shows it.

    Attributes:
        run_id, name, state: of the run; state is ``lost`` where nobody runs it any more.
        dataset: from its config, ``?`` where it names none.
        method: kind of the method, ``?`` in a run of another loop.
        embedding, attention, classifier: settings of the method, empty where it has none of the kind.
        dim: of the label embedding.
        unusual: settings of the method besides the embedding that differ from its defaults, in short.
        seed: of the training, or None.
        num_logged, num_epochs: epochs so far and planned.
        epoch: the epoch the values are of, from 0, or None without any.
        map_percent: test mAP by bucket, NaN where not logged.
        nc1: test NC1 trace ratio in ``nc1_space``.
        angle_min: smallest class-mean centred angle of test class means in ``nc1_space``, degrees.
        nc1_space: f where the run measures it, else the first of its spaces with an NC1; empty without one.
        group_key: settings without seed and name; runs with equal keys differ in the seed only.
        chosen_on: how ``epoch`` was chosen: ``validation``, ``last epoch`` (of those that were measured) or
            ``asked for``; where there is none, ``nothing logged`` or, of the epoch asked for, ``not measured``.
        warnings: about what could not be read.
        nc1_shuffled: the NC1 of the same features with labels shuffled, beside which ``nc1`` is read.
        nc1_tail, nc1_tail_shuffled: the same over tail classes.
        alignment: mean cosine of training features in ``nc1_space`` with the label embedding of their class.
        map_curve: total test mAP in percent at every logged epoch that has one.
        has_arrays: whether arrays of at least one epoch are stored.
        has_pictures: whether it was to store pictures of images.
        tags, notes: given by people.
        settings: flattened ``section.name=value``, as text filters search them.
        failure: what a failed run said.
        created_at: UTC, ISO 8601.
        turn: place among the runs of its colour that are shown together; a page sets it.
        at_end: ``nc1``, ``angle_min`` and ``alignment`` at the last measured epoch, or at the one asked for:
            collapse is a property of the end of training, whatever moment mAP is of.
        end_epoch: the epoch of ``at_end``, from 0.
        num_measured: epochs at which something of the test images is known.
    """

    run_id: str
    name: str
    state: str
    dataset: str
    method: str
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
    alignment: float = NAN
    nc1_tail: float = NAN
    nc1_tail_shuffled: float = NAN
    map_curve: tuple[float, ...] = ()
    has_arrays: bool = False
    has_pictures: bool = False
    tags: tuple[str, ...] = ()
    notes: str = ""
    settings: tuple[str, ...] = ()
    failure: str = ""
    created_at: str = ""
    unusual: tuple[str, ...] = ()
    nc1_space: str = ""
    turn: int = 0
    at_end: Mapping[str, float] = field(default_factory=dict)
    end_epoch: int | None = None
    num_measured: int = 0

    @property
    def method_title(self) -> str:
        """What a person calls the method."""
        return ANOTHER_LOOP if self.method == "?" else method_title(self.method)

    @property
    def family(self) -> str:
        """What fixes the colour: the label embedding of an MLC-NC run, else the kind of the method."""
        return self.embedding if self.method == "mlc_nc" and self.embedding else self.method

    @property
    def recipe(self) -> str:
        """What a reader tells recipes apart by: the method, its label embedding, then what of it is unusual."""
        return ", ".join([f"{self.method_title} {self.embedding}".rstrip(), *self.unusual])

    @property
    def is_plain(self) -> bool:
        """Whether nothing in the recipe is unusual for its method."""
        return not self.unusual

    @property
    def is_of_file(self) -> bool:
        """Whether it holds what ``mlcnc analyze`` measured of a file, and no training."""
        return any(line.startswith("features.") for line in self.settings)

    @property
    def nc1_tail_share(self) -> float:
        """NC1 of tail classes over the same with shuffled labels: 1 is chance, 0 collapse."""
        return self.nc1_tail / self.nc1_tail_shuffled if self.nc1_tail_shuffled > 0 else NAN


def epochs_of(done: int, total: int | None) -> str:
    """Return how many epochs of how many; only how many where the whole is not known.

    Example:
        >>> epochs_of(3, 40), epochs_of(1, None)
        ('3 of 40 epochs', '1 epoch')
    """
    return f"{done} of {total} epochs" if total else counted(done, "epoch")


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

    @cached_property
    def measured(self) -> tuple[int, ...]:
        """Places of the epochs at which something of the test images is known; all where nothing ever is."""
        tested = [values for name, values in self.values.items() if name.startswith("test")]
        places = tuple(range(len(self.epochs)))
        return tuple(place for place in places if any(math.isfinite(of[place]) for of in tested)) or places


def summary(run: Run) -> RunSummary:
    """Return what the table needs of a run; reads the whole of metrics.jsonl once."""
    info, notes = run.info, run.notes()
    spaces = sorted((space.name for space in run.spaces), key=lambda name: name != FIRST_SPACE)
    names = (SELECTION_METRIC, *_OF_TEST, *(f"test.{space}/{name}" for space in spaces for name in _OF_SPACE))
    names += tuple(f"train.{space}/alignment_positive" for space in spaces)
    lines = run.metrics(names)
    values = {name: tuple(line.get(name, NAN) for line in lines) for name in names}
    logged = {name for line in lines for name in line}
    settings = _section(info.config, "method") if info.method else {}
    tags = notes.get("tags")

    def of_method(name: str) -> str:
        return str(settings.get(name) or "")

    row = RunRow(
        run_id=run.run_id,
        name=str(notes.get("name") or info.name),
        state="?",
        dataset=str(_section(info.config, "data").get("dataset", "unnamed data")),
        method=info.method or "?",
        embedding=of_method("label_embedding"),
        attention=of_method("attention"),
        classifier=of_method("classifier"),
        dim=settings.get("embedding_dim"),
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
        has_pictures=bool(_section(info.config, "training").get("num_pictures")),
        created_at=info.created_at,
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        notes=str(notes.get("notes") or ""),
        settings=tuple(_settings(info.config)),
        unusual=unusual_settings(info.method, settings),
        nc1_space=next((space for space in spaces if f"test.{space}/nc1_trace" in logged), ""),
    )
    return RunSummary(row, tuple(int(line["epoch"]) for line in lines), values)


def row_at(of: RunSummary, choice: Choice, status: RunStatus, warnings: tuple[str, ...] = ()) -> RunRow:
    """Return the row of a run at its best validation epoch, its last one, or the epoch asked for.

    Where no validation mAP was logged, ``best`` falls back to the last epoch that was measured, and
    ``chosen_on`` says so. Where the epoch asked for was not measured, values are NaN and ``epoch`` is None.
    """
    place, chosen_on = _chosen(of, choice)
    end = place if isinstance(choice, int) else _chosen(of, "last")[0]
    space = of.row.nc1_space
    collapse = {
        "nc1": f"test.{space}/nc1_trace",
        "angle_min": f"test.{space}/angle_min_class",
        "alignment": f"train.{space}/alignment_positive",
    }

    def at(name: str, place: int | None = place) -> float:
        return NAN if place is None or name not in of.values else of.values[name][place]

    return replace(
        of.row,
        state=status.state,
        num_epochs=status.num_epochs,
        epoch=None if place is None else of.epochs[place],
        map_percent={bucket: at(f"test/map_{bucket}") for bucket in BUCKETS},
        nc1=at(collapse["nc1"]),
        nc1_shuffled=at(f"test.{space}/nc1_trace_shuffled"),
        alignment=at(collapse["alignment"]),
        nc1_tail=at(f"test.{space}/nc1_tail"),
        nc1_tail_shuffled=at(f"test.{space}/nc1_tail_shuffled"),
        angle_min=at(collapse["angle_min"]),
        at_end={name: at(metric, end) for name, metric in collapse.items()},
        end_epoch=None if end is None else of.epochs[end],
        num_measured=len(of.measured),
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
    measured = of.measured
    if isinstance(choice, int):
        place = of.epochs.index(choice) if choice in of.epochs else None
        return (place, "asked for") if place in measured else (None, "not measured")
    if choice == "best":
        best, found = -math.inf, None
        for place, value in enumerate(of.values[SELECTION_METRIC]):
            if value > best:
                best, found = value, place
        if found is not None:
            return found, "validation"
    return measured[-1], "last epoch"


def nearest_array_epoch(run: Run, epoch: int | None, *names: str) -> int | None:
    """Return the epoch with stored arrays, those of these names, nearest to ``epoch``; of two the later one.

    Raises:
        RunFormatError: names are given and a file is damaged.
    """
    stored = run.array_epochs(*names)
    if not stored:
        return None
    if epoch is None:
        return stored[-1]
    return min(stored, key=lambda other: (abs(other - epoch), -other))


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name, {})
    return section if isinstance(section, Mapping) else {}


# what is measured, stored or shown, or only how fast, does not change what is trained
NOT_TRAINING = frozenset(
    f"training.{name}"
    for name in (
        "seed",
        "measure_every",
        "num_measured_train",
        "arrays_every",
        "class_arrays",
        "measure_untrained",
        "num_sample_pairs",
        "num_probes",
        "num_pictures",
        "checkpoint",
        "device",
        "compile",
        "num_threads",
    )
) | {"data.num_workers", "data.root", "model.cache_maps"}


def training_settings(row: RunRow) -> dict[str, str]:
    """Return the settings of a run that change what is trained, by flattened name, without the seed."""
    pairs = [line.partition("=") for line in row.settings]
    return {name: value for name, _, value in pairs if name not in NOT_TRAINING}


def _settings(config: Mapping[str, Any]) -> list[str]:
    sections = {name: content for name, content in config.items() if isinstance(content, Mapping)}
    return [f"{name}={value}" for name, value in flattened(sections)]


def _group_key(config: Mapping[str, Any], run_id: str) -> str:
    if not config:
        return run_id
    return ";".join(sorted(line for line in _settings(config) if line.partition("=")[0] not in NOT_TRAINING))


def telling_metrics(rows: Iterable[RunRow]) -> list[str]:
    """Return the metrics that tell most of these runs: mAP, then NC1 and smallest angle in each run's space.

    Example:
        >>> telling_metrics([])
        ['test/map_total', 'test/map_tail']
    """
    spaces = sorted({row.nc1_space for row in rows} - {""}, key=lambda name: (name != FIRST_SPACE, name))
    names = [f"test.{space}/{name}" for name in ("nc1_trace", "angle_min_class") for space in spaces]
    return ["test/map_total", "test/map_tail", *names]


def is_number(value: float) -> bool:
    """Return whether a value was logged and is finite."""
    return math.isfinite(value)
