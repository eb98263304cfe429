"""Runs that differ in the seed only, taken together; and what their numbers support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlcnc.analysis.runs.recipe import method_place
from mlcnc.analysis.runs.rows import BUCKETS, RunRow, epochs_of, training_settings
from mlcnc.methods.settings import METHODS

EMBEDDING_ORDER = ("etf", "trainable", "glove")
"""Families of MLC-NC in the order of the paper; other methods follow."""

MIXED = "mixed"
"""Family of a group whose runs are of several."""


@dataclass(frozen=True)
class Spread:
    """A value over seeds: mean, extremes and number of runs; NaN and 0 where none logged it."""

    mean: float
    low: float
    high: float
    num_runs: int

    @property
    def text(self) -> str:
        """The value as a reader wants it, e.g. ``71.3 (70.1-72.0, n=3)``."""
        return self.written()

    def written(self, digits: int = 1, unit: str = "") -> str:
        """Return the value with so many digits after the point, the unit behind each number."""
        if self.num_runs == 0:
            return "not logged"
        mean, low, high = (f"{value:z.{digits}f}{unit}" for value in (self.mean, self.low, self.high))
        if self.num_runs == 1:
            return f"{mean} (n=1)"
        return f"{mean} ({low}-{high}, n={self.num_runs})"


@dataclass(frozen=True)
class SeedGroup:
    """Runs with the same settings but the seed.

    Attributes:
        label: name and data set.
        family: label embedding or method, which fixes the colour.
        is_plain: whether the recipe has nothing unusual for its method.
        rows: the runs; of those that repeat one another the first.
        map_percent: test mAP by bucket over the seeds.
        nc1, angle_min: over the seeds, in ``nc1_space``.
        nc1_space: of features, empty where the runs are of several or of none.
        nc1_tail_share: NC1 of tail classes over its label-shuffle baseline; 1 is chance.
        name: the recipe; where another group of the data set has the same one, with settings that differ; and
            with its weight decay, where that is not the one of the first recipe of its method.
        repeats: runs left out, each with the seed and all values of one of the rows.
    """

    label: str
    dataset: str
    family: str
    is_plain: bool
    recipe: str
    rows: tuple[RunRow, ...]
    map_percent: dict[str, Spread]
    nc1: Spread
    angle_min: Spread
    nc1_tail_share: Spread

    @property
    def finished(self) -> SeedGroup | None:
        """The same with its finished runs alone; None where none has finished."""
        rows = [row for row in self.rows if row.state == "finished"]
        return SeedGroup.of(rows, self.name, self.recipe, self.repeats) if rows else None

    @property
    def lengths(self) -> tuple[int, ...]:
        """For how many epochs its runs are planned, else logged, ascending."""
        return tuple(sorted({row.num_epochs or row.num_logged for row in self.rows}))

    @property
    def num_seeds(self) -> int:
        """Number of distinct seeds among the finished runs; finished runs that name no seed count each."""
        seeds = [row.seed for row in self.rows if row.state == "finished"]
        return len({seed for seed in seeds if seed is not None}) + seeds.count(None)

    name: str
    repeats: tuple[RunRow, ...] = ()
    nc1_space: str = ""

    @classmethod
    def of(cls, rows: Sequence[RunRow], name: str, recipe: str, repeats: tuple[RunRow, ...] = ()) -> SeedGroup:
        """Return the group of rows of one data set, at least one."""
        families, spaces = ({getattr(row, of) for row in rows} for of in ("family", "nc1_space"))
        space = spaces.pop() if len(spaces) == 1 else ""
        return cls(
            label=f"{name} · {rows[0].dataset}",
            dataset=rows[0].dataset,
            family=families.pop() if len(families) == 1 else MIXED,
            is_plain=all(row.is_plain for row in rows),
            recipe=recipe,
            rows=tuple(rows),
            map_percent={b: spread([row.map_percent[b] for row in rows]) for b in BUCKETS},
            # what was measured in several spaces has no mean
            nc1=spread([row.nc1 for row in rows] if space else []),
            angle_min=spread([row.angle_min for row in rows] if space else []),
            nc1_tail_share=spread([row.nc1_tail_share for row in rows] if space else []),
            name=name,
            repeats=repeats,
            nc1_space=space,
        )


def seed_groups(rows: Sequence[RunRow]) -> list[SeedGroup]:
    """Return the rows grouped by all settings but the seed.

    The data set with most runs comes first; within one, ETF, trainable, GloVe, other methods, then unusual
    recipes; of one recipe that with most seeds first.
    """
    by_key: dict[str, list[RunRow]] = {}
    for row in rows:
        by_key.setdefault(row.group_key, []).append(row)
    firsts = [members[0] for members in by_key.values()]
    groups = []
    for together in by_key.values():
        members, repeats = without_repeats(together)
        first = members[0]
        twins = [row for row in firsts if (row.recipe, row.dataset) == (first.recipe, first.dataset)]
        name = _name(first, [row for row in twins if row is not first])
        if "weight_decay=" not in name:
            name += _weight_decay(first, firsts)
        groups.append(SeedGroup.of(members, name, first.recipe, repeats))
    names = [row.dataset for row in rows]
    datasets = sorted(dict.fromkeys(names), key=lambda name: -names.count(name))
    return sorted(groups, key=lambda group: (datasets.index(group.dataset), *_place(group)))


def recipe_names(rows: Sequence[RunRow]) -> dict[str, str]:
    """Return what tells the recipes of these rows apart: the name of each group by its ``group_key``."""
    return {group.rows[0].group_key: group.name for group in seed_groups(rows)}


def by_dataset(groups: Sequence[SeedGroup]) -> list[list[SeedGroup]]:
    """Return the groups of each data set, in the order in which these first come."""
    names = dict.fromkeys(group.dataset for group in groups)
    return [[group for group in groups if group.dataset == name] for name in names]


def shown_names(groups: Sequence[SeedGroup]) -> list[str]:
    """Return what tells the groups apart on a page: their names, with the data set where there are several."""
    several = len({group.dataset for group in groups}) > 1
    return [group.label if several else group.name for group in groups]


def without_repeats(rows: Sequence[RunRow]) -> tuple[list[RunRow], tuple[RunRow, ...]]:
    """Return the rows, of those with one seed and the same values the first; and what was left out.

    The same seed trained again on the same machine gives the same numbers: no further evidence.
    """
    first_of: dict[object, RunRow] = {}
    repeats = []
    for row in rows:
        values = (*row.map_percent.values(), row.nc1, row.angle_min, *row.map_curve)
        known = any(np.isfinite(values)) and row.seed is not None
        # a value that is not a number is not equal to itself, and here it is to be
        key: object = (row.seed, row.num_logged, tuple(map(repr, values))) if known else row.run_id
        if first_of.setdefault(key, row) is not row:
            repeats.append(row)
    return list(first_of.values()), tuple(repeats)


def repeats_sentence(groups: Sequence[SeedGroup]) -> str:
    """Return which runs are left out as repeats; empty where none is."""
    names = [row.name for group in groups for row in group.repeats]
    if not names:
        return ""
    shown = _first_three(names)
    have, are = ("has", "is") if len(names) == 1 else ("have", "are")
    return f"{shown} {have} the seed and all values of another run and {are} not counted."


def _name(row: RunRow, twins: Sequence[RunRow]) -> str:
    """Return the recipe, with two settings in which a run differs from others of the same recipe, or more."""
    if not twins:
        return row.recipe
    own = row.group_key.split(";")
    shared = set(own).intersection(*(twin.group_key.split(";") for twin in twins))
    # its length tells more of a run than anything else; the method goes before the data
    order = ("training.epochs", "training.lr", "method.", "model.", "data.")
    differing = sorted(
        (line for line in own if line not in shared and "=" in line),
        key=lambda line: [not line.startswith(start) for start in order],
    )
    others = [set(twin.group_key.split(";")) for twin in twins]
    number = 2  # more where another run has the same two
    while number < len(differing) and any(other.issuperset(differing[:number]) for other in others):
        number += 1
    return f"{row.recipe} ({', '.join(map(_short, differing[:number])) or row.run_id})"


def _weight_decay(row: RunRow, firsts: Sequence[RunRow]) -> str:
    """Return the weight decay of a recipe, where it is not that of its method's first, plain one."""
    same = [other for other in firsts if (other.method, other.dataset) == (row.method, row.dataset)]
    usual = min(same, key=lambda other: (not other.is_plain, family_place(other.family), other.group_key))
    name = "training.weight_decay"
    own, its = (training_settings(of).get(name) for of in (row, usual))
    return "" if own is None or own == its else f", weight decay {own.removesuffix('.0')}"


def _short(setting: str) -> str:
    name, _, value = setting.partition("=")
    return f"{name.rpartition('.')[2]}={'default' if value == 'None' else value}"


def _place(group: SeedGroup) -> tuple[bool, int, int]:
    return not group.is_plain, family_place(group.family), -group.num_seeds


def family_place(family: str) -> int:
    """Return where a family comes in lists: ETF, trainable, GloVe, the other methods in order, strangers."""
    if family in EMBEDDING_ORDER:
        return EMBEDDING_ORDER.index(family)
    place = method_place(family)
    return len(EMBEDDING_ORDER) + (len(METHODS) if place is None else place)


def spread(values: Sequence[float]) -> Spread:
    """Return mean, extremes and count of the finite values."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if len(finite) == 0:
        return Spread(float("nan"), float("nan"), float("nan"), 0)
    return Spread(float(finite.mean()), float(finite.min()), float(finite.max()), len(finite))


def map_sentence(groups: Sequence[SeedGroup], bucket: str = "total") -> str:
    """Return the test mAP of each group in one bucket, in no order; of finished runs where there are."""
    usable = [group for group in groups if group.map_percent[bucket].num_runs]
    if not usable:
        return _without_map([row for group in groups for row in group.rows], bucket)
    said = [f"{group.label} {_map_text(group, bucket)}" for group in usable]
    return f"Test mAP, {bucket}: {', '.join(said)}."


def _map_text(group: SeedGroup, bucket: str) -> str:
    finished = group.finished
    if finished is not None:
        return finished.map_percent[bucket].text
    longest = max(group.rows, key=lambda row: row.num_logged)
    reached = epochs_of(longest.num_logged, longest.num_epochs)
    return f"{group.map_percent[bucket].text}, unfinished after {reached}"


def _without_map(rows: Sequence[RunRow], bucket: str) -> str:
    """Return which runs have no test mAP, and why."""
    if not rows:
        return f"No run has a {bucket} mAP on test images yet."
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.is_of_file:
            reason = "the file that was analysed holds no scores (N, C)"
        elif row.num_logged == 0:
            reason = "no epoch is logged yet"
        elif row.state == "running":
            reason = "no epoch was measured on test images yet"
        else:
            reason = "none was logged"
        by_reason.setdefault(reason, []).append(row.name)
    parts = [f"{_first_three(names)}: {reason}" for reason, names in by_reason.items()]
    return f"No {bucket} mAP on test images of {'; '.join(parts)}."


def _first_three(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def finished_groups(groups: Sequence[SeedGroup]) -> list[SeedGroup]:
    """Return the groups with their finished runs alone, without those that have none."""
    return [found for group in groups if (found := group.finished) is not None]
