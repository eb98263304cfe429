"""The race of methods on one bench: which runs it takes, and the table of what they reached."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mlcnc.analysis.comparison.intervals import stored_scores
from mlcnc.analysis.comparison.seeds import Spread, spread
from mlcnc.analysis.runs.rows import BUCKETS, NOT_TRAINING, SELECTION_METRIC
from mlcnc.analysis.runs.settings import flattened
from mlcnc.config import ExperimentConfig, at_rate, override
from mlcnc.errors import ConfigError, nearest
from mlcnc.methods.settings import LOSSES, METHODS
from mlcnc.metrics import Interval, bootstrap_mean_differences
from mlcnc.store import Run, RunStore


class Variant(NamedTuple):
    """What is raced beside a method.

    Attributes:
        title: what is unusual of it.
        meaning: a sentence without a full stop that explains it.
        changes: nested settings.
    """

    title: str
    meaning: str
    changes: dict[str, Any]


VARIANTS: dict[str, Variant] = {
    **{
        f"mlc_nc+{loss}": Variant(
            f"{LOSSES[loss].title} loss",
            f"MLC-NC with the {LOSSES[loss].title} loss in place of its two-way loss",
            {"method": {"classification": {"kind": loss}}},
        )
        for loss in ("asl", "db_focal", "mfm")
    },
    "mlc_nc+alpha50": Variant(
        "alpha 50, dropout 0.3",
        "MLC-NC with the weight of alignment and the dropout of attention that were the best on the validation "
        "images of voc07-lt, in place of 0.5 and 0.1",
        {"method": {"alignment_weight": 50.0, "dropout": 0.3}},
    ),
    "erm+block": Variant(
        "last block trained",
        "ERM that trains the last block of the backbone too, as methods of two branches do; where the backbone "
        "is frozen",
        {"model": {"trained_blocks": 1}, "training": {"backbone_lr_factor": 0.1}},
    ),
}
"""What is raced beside every method, by key."""

REFERENCES = ("ERM", "MLC-NC")
"""Entries from which the differences of all others are taken."""


@dataclass(frozen=True)
class Entry:
    """A method of the race.

    Attributes:
        name: as the table has it.
        key: kind of the method, with what is unusual of it.
        changes: nested settings that are not those of the bench and the method's own defaults.
    """

    name: str
    key: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Of the method."""
        return self.key.partition("+")[0]

    def config(self, bench: ExperimentConfig, rate: float, seed: int) -> ExperimentConfig:
        """Return the settings of one of its runs.

        Args:
            bench: what all methods share; the product of learning rate and weight decay, its own or that of
                the entry, by which AdamW shrinks the weights at every update, is kept at every rate.
            rate: learning rate.
            seed: of the training.
        """
        config = at_rate(override(bench, self.changes), rate)
        return override(config, {"training": {"seed": seed}})

    def run_id(self, dataset: str, rate: float, seed: int) -> str:
        """Return the name of one of its runs.

        Example:
            >>> Entry("MLC-NC, ASL loss", "mlc_nc+asl").run_id("voc07-lt", 0.004, 1)
            'voc07-lt-mlc-nc-asl-lr0p004-s1'
        """
        name = f"{dataset}-{self.key}".replace("_", "-").replace("+", "-")
        return f"{name}-lr{rate:g}-s{seed}".replace(".", "p").replace("+", "")


def entries(names: Sequence[str] = (), *, frozen: bool = True) -> list[Entry]:
    """Return the methods of the race in the order of tables: every method, then the variants.

    Args:
        names: keys of entries, e.g. ``erm`` or ``mlc_nc+asl``; none takes all that fit the bench.
        frozen: whether the backbone of the bench is; if not, all of its blocks are trained anyway.

    Raises:
        ConfigError: there is no such entry.
    """
    every = [Entry(settings.title, kind) for kind, settings in METHODS.items()]
    for key, variant in VARIANTS.items():
        if frozen or "model" not in variant.changes:
            title = f"{METHODS[key.partition('+')[0]].title}, {variant.title}"
            every.append(Entry(title, key, variant.changes))
    known = {entry.key: entry for entry in every}
    if wrong := [name for name in names if name not in known]:
        raise ConfigError(
            f"--methods must be of {', '.join(known)}, got {wrong[0]!r}{nearest(wrong[0], known)}"
        )
    return [entry for key, entry in known.items() if not names or key in names]


def require_settings(run: Run, config: ExperimentConfig) -> None:
    """Check that a stored run was trained with these settings, as far as they change what is trained.

    Raises:
        ConfigError: it was not; the message names a setting.
    """
    wanted, stored = (_that_train(tree) for tree in (config.model_dump(mode="json"), run.info.config))
    for name, value in wanted.items():
        if stored.get(name, value) != value:
            raise ConfigError(
                f"{run.run_id} was trained with {name} {stored[name]}, not {value}; delete it, or take another "
                "folder (--runs)"
            )


def _that_train(config: Mapping[str, Any]) -> dict[str, str]:
    # the size is settled by the backbone when a run begins
    other = {*NOT_TRAINING, "name", "data.image_size", "method.glove_path"} - {"training.seed"}
    return {name: value for name, value in flattened(config) if name not in other}


def ended(run: Run) -> bool:
    """Return whether nothing is left to train of a run: it finished, or its loss became infinite."""
    return run.status.state == "finished" or diverged(run)


def diverged(run: Run) -> bool:
    """Return whether a run ended because a loss was not finite."""
    error = run.status.error
    return run.status.state == "failed" and error is not None and error.type == "NonFiniteLossError"


def validation_map(run: Run) -> float:
    """Return the validation mAP in percent at the last epoch of a run, NaN where it diverged."""
    return math.nan if diverged(run) else last_values(run).get(SELECTION_METRIC, math.nan)


def last_values(run: Run) -> dict[str, float]:
    """Return what was logged at the last epoch of a run; empty before the first."""
    lines = run.metrics()
    return dict(lines[-1]) if lines else {}


def best_rate(scores: Mapping[float, float]) -> float:
    """Return the learning rate of the highest validation mAP, of equal ones the lowest rate.

    Args:
        scores: validation mAP at the last epoch by rate; NaN is the worst.

    Example:
        >>> best_rate({0.001: 40.0, 0.004: 41.5})
        0.004
    """
    return min(scores, key=lambda rate: (-scores[rate] if math.isfinite(scores[rate]) else math.inf, rate))


def next_rate(scores: Mapping[float, float]) -> float | None:
    """Return the rate to try next: beyond the best one, where that is the lowest or highest tried; else None.

    Rates go on by the factor between those tried, from 1e-6 to 10; a single one was chosen by somebody.

    Args:
        scores: validation mAP by rate.

    Example:
        >>> next_rate({0.004: 40.0, 0.016: 41.5})
        0.064
        >>> next_rate({0.004: 40.0, 0.016: 41.5, 0.064: 30.0}) is None
        True
    """
    tried = sorted(scores)
    if len(tried) < 2:
        return None
    best = best_rate(scores)
    beyond = {tried[0]: tried[0] * tried[0] / tried[1], tried[-1]: tried[-1] * tried[-1] / tried[-2]}
    rate = float(f"{beyond[best]:.4g}") if best in beyond else math.nan
    return rate if 1e-6 <= rate <= 10 else None


def tried_rates(
    store: RunStore, dataset: str, entry: Entry, rates: Sequence[float], seed: int
) -> tuple[dict[float, float], float | None]:
    """Return the validation mAP of every rate tried of a method, and the rate that is to be tried next, if any.

    Args:
        store: of the runs.
        dataset: its name.
        entry: the method.
        rates: with which every method begins.
        seed: with which rates are tried.
    """
    scores: dict[float, float] = {}
    known = set(store.run_ids())
    while (rate := next((each for each in rates if each not in scores), next_rate(scores))) is not None:
        if (run_id := entry.run_id(dataset, rate, seed)) not in known or not ended(run := store.open(run_id)):
            return scores, rate
        scores[rate] = validation_map(run)
    return dict(sorted(scores.items())), None


def table(
    store: RunStore,
    dataset: str,
    race: Sequence[Entry],
    rates: Sequence[float],
    seeds: Sequence[int],
    *,
    num_resamples: int = 1000,
) -> dict[str, Any]:
    """Return what the finished runs of a race reached, as the tree that is kept as JSON.

    Every value is that of the last epoch. The learning rate of a method is the one with the highest validation
    mAP at the first seed, of those that :func:`tried_rates` names; the other seeds are trained with it alone.

    Args:
        store: of the runs.
        dataset: its name.
        race: the methods; one of which not all runs have finished is left out.
        rates: learning rates with which every method begins.
        seeds: of the training.
        num_resamples: draws of test images for the intervals.

    Returns:
        ``methods``, one tree each: name, key, rate, ``validation`` by rate (None where it diverged), ``runs``
        (seed and test mAP in percent by bucket), ``minus`` by reference and bucket (value, low, high: the
        difference of mean mAPs, 95 % by resampling test images, paired), ``seconds`` of a run's epochs, each
        the quickest of all runs, and ``memory_mb``, the least peak: other work only adds to both. What is
        undefined is None.

    Raises:
        RunFormatError: a file is damaged.
    """
    done: list[dict[str, Any]] = []
    scores: dict[str, list[Any]] = {}
    means: dict[str, dict[str, float]] = {}
    targets, groups = None, None
    for entry in race:
        validation, left = tried_rates(store, dataset, entry, rates, seeds[0])
        if left is not None:
            continue
        rate = best_rate(validation)
        runs = [_finished(store, entry.run_id(dataset, rate, seed)) for seed in seeds]
        finished = [run for run in runs if run is not None]
        if len(finished) < len(seeds):
            continue
        values = [last_values(run) for run in finished]
        others = [
            _finished(store, entry.run_id(dataset, other, seeds[0])) for other in validation if other != rate
        ]
        timed = [*finished, *(run for run in others if run is not None)]
        peaks = [last_values(run).get("peak_memory_mb", math.nan) for run in timed]
        done.append({
            "name": entry.name,
            "key": entry.key,
            "rate": rate,
            "validation": {f"{other:g}": _rounded(value) for other, value in validation.items()},
            "runs": [
                {"seed": seed} | {bucket: _rounded(value[f"test/map_{bucket}"]) for bucket in BUCKETS}
                for seed, value in zip(seeds, values, strict=True)
            ],
            "minus": {},
            "seconds": _rounded(_quickest_seconds(timed)),
            "memory_mb": _rounded(np.nanmin(peaks)),
        })  # fmt: skip
        found = [
            stored_scores(run, int(value["epoch"]), "test") for run, value in zip(finished, values, strict=True)
        ]
        stored = [pair for pair in found if pair is not None]
        if len(stored) == len(found):
            scores[entry.name] = [pair[0] for pair in stored]
            means[entry.name] = {
                f"map_{bucket}": float(np.mean([value[f"test/map_{bucket}"] for value in values]))
                for bucket in BUCKETS
            }
            targets, groups = stored[0][1], finished[0].info.groups
    for reference in REFERENCES:
        if reference not in scores or targets is None or groups is None:
            continue
        differences = bootstrap_mean_differences(
            scores, reference, targets, groups, num_resamples=num_resamples
        )
        for tree in done:
            if tree["name"] in differences:
                tree["minus"][reference] = {
                    name.removeprefix("map_"): _centred_on(
                        means[tree["name"]][name] - means[reference][name], found
                    )
                    for name, found in differences[tree["name"]].items()
                }
    return {"dataset": dataset, "rates": list(rates), "seeds": list(seeds), "methods": done}


def legend(keys: Iterable[str]) -> list[str]:
    """Return a sentence for each key of a variant, which says what it is; none for the methods themselves."""
    return [f"{VARIANTS[key].title}: {VARIANTS[key].meaning}." for key in keys if key in VARIANTS]


def spreads(method: Mapping[str, Any]) -> dict[str, Spread]:
    """Return the test mAP of a method of the table over its seeds, by bucket."""
    nan = math.nan
    return {
        bucket: spread([nan if run[bucket] is None else run[bucket] for run in method["runs"]])
        for bucket in BUCKETS
    }


def _centred_on(value: float, interval: Interval) -> list[float | None]:
    """Return value, low and high of an interval from stored scores, moved by what their rounding added."""
    moved = value - interval.value
    return [_rounded(x) for x in (value, interval.low + moved, interval.high + moved)]


def _finished(store: RunStore, run_id: str) -> Run | None:
    if run_id not in store.run_ids():
        return None
    run = store.open(run_id)
    return run if run.status.state == "finished" else None


def _quickest_seconds(runs: Sequence[Run]) -> float:
    """Return the seconds of training of a run, each epoch at its quickest."""
    by_epoch = [[line.get("seconds_train", math.nan) for line in run.metrics()] for run in runs]
    return float(np.nansum(np.nanmin(np.array(by_epoch), axis=0)))


def _rounded(value: float) -> float | None:
    return round(float(value), 2) if math.isfinite(value) else None
