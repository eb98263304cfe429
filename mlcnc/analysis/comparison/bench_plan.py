"""The runs that a race consists of, and how long those take that are left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlcnc.analysis.comparison.bench import Entry, best_rate, tried_rates
from mlcnc.store import Run, RunStore


@dataclass(frozen=True)
class PlannedRun:
    """A run of a race.

    Attributes:
        entry: the method.
        rate: learning rate; None where it will be the best of those tried, which is not known yet.
        seed: of the training.
    """

    entry: Entry
    rate: float | None
    seed: int


def planned_runs(
    store: RunStore, dataset: str, entry: Entry, rates: Sequence[float], seeds: Sequence[int]
) -> list[PlannedRun]:
    """Return the runs of a method, those that are trained among them; rates beyond the best may still come.

    Args:
        store: of the runs.
        dataset: its name.
        entry: the method.
        rates: with which it begins, at the first seed.
        seeds: of the training.
    """
    first, *others = seeds
    scores, left = tried_rates(store, dataset, entry, rates, first)
    tried = scores if left is None else dict.fromkeys((*scores, *rates, left))
    best = best_rate(scores) if left is None else None
    return [
        *(PlannedRun(entry, rate, first) for rate in tried),
        *(PlannedRun(entry, best, seed) for seed in others),
    ]


def run_seconds(run: Run) -> float:
    """Return the seconds of a run's epochs and measurements, without its start; 0 where none was logged."""
    values = [line.get(name, 0.0) for line in run.metrics() for name in ("seconds_train", "seconds_measure")]
    return math.fsum(value for value in values if math.isfinite(value))


def seconds_left(left: Sequence[Entry], measured: Mapping[str, Sequence[float]]) -> float:
    """Return about how many seconds the runs take that are left.

    Args:
        left: the method of each of them.
        measured: seconds of runs that ended, one at least, by the key of their entry; of others those of
            their method, else the mean.

    Example:
        >>> erm = Entry("ERM", "erm")
        >>> seconds_left([erm, erm, Entry("MLC-NC", "mlc_nc")], {"erm": [20.0, 30.0]})
        75.0
    """
    means = {key: sum(values) / len(values) for key, values in measured.items() if values}
    usual = sum(means.values()) / len(means)
    return math.fsum(means.get(entry.key, means.get(entry.kind, usual)) for entry in left)
