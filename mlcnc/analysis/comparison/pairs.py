"""Which recipe is ahead of which other, in what, and do seeds and test images support it?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from mlcnc.analysis.comparison.paired import paired_interval
from mlcnc.analysis.comparison.seeds import SeedGroup, finished_groups
from mlcnc.analysis.runs.rows import BUCKETS, RunRow

ErrorsOf = Callable[[SeedGroup, SeedGroup], Mapping[str, float]]
"""Standard errors by ``map_<bucket>`` of a pair of recipes, see :class:`PairErrors`."""

OTHER_FEATURES = "other features"
"""Why a quantity of features is not compared: it is of another space in either recipe."""

_SIZE = ("data.image_size", "model.backbone", "model.stage")


class Quantity(NamedTuple):
    """What is compared.

    Attributes:
        key: short, for tables to take away.
        title: of its column.
        digits: after the point.
        higher: whether more is ahead.
        of: its value in a row of a run, NaN where not logged.
        in_space: whether it is of features, which recipes must share.
    """

    key: str
    title: str
    digits: int
    higher: bool
    of: Callable[[RunRow], float]
    in_space: bool = False


def _of_bucket(bucket: str) -> Callable[[RunRow], float]:
    return lambda row: row.map_percent[bucket]


def _at_end(name: str) -> Callable[[RunRow], float]:
    return lambda row: row.at_end.get(name, math.nan)


QUANTITIES = (
    *(
        Quantity(f"map_{bucket}", "mAP" if bucket == "total" else f"mAP {bucket}", 1, True, _of_bucket(bucket))
        for bucket in BUCKETS
    ),
    Quantity("nc1", "NC1", 2, False, _at_end("nc1"), True),
    Quantity("angle_min", "smallest angle (°)", 1, True, _at_end("angle_min"), True),
    Quantity("alignment", "alignment", 3, True, _at_end("alignment"), True),
)


@dataclass(frozen=True)
class Cell:
    """The difference of two recipes in one quantity.

    Attributes:
        quantity: which.
        mean, low, high: first minus second and its 95 % interval; NaN where there is none.
        num_seeds: that both recipes have, with a value each.
        with_images: whether the interval holds the choice of test images.
        ahead: 1 where the first is supported to be ahead, -1 the second, 0 where it is undecided.
        why: there is nothing to show, in words; else empty.
        epochs: that the values of either recipe are of, from 0, one a seed that both have.
    """

    quantity: Quantity
    mean: float
    low: float
    high: float
    num_seeds: int
    with_images: bool = False
    ahead: int = 0
    why: str = ""
    epochs: tuple[tuple[int | None, ...], tuple[int | None, ...]] = ((), ())

    @property
    def digits(self) -> int:
        """After the point: as many as a supported interval needs to be seen to exclude 0."""
        digits = self.quantity.digits
        while self.ahead and digits < 9 and 0.0 in (round(self.low, digits), round(self.high, digits)):
            digits += 1
        return digits

    @property
    def value(self) -> str:
        """The difference with its sign."""
        return self.why or _signed(self.mean, self.digits)

    @property
    def interval(self) -> str:
        """Interval and number of seeds in words."""
        if self.num_seeds < 2:
            return "" if self.why else "one seed"
        low, high = (_signed(end, self.digits) for end in (self.low, self.high))
        return f"{low} to {high}, n={self.num_seeds}"


@dataclass(frozen=True)
class Pair:
    """Two recipes and their differences, one a quantity."""

    first: SeedGroup
    second: SeedGroup
    cells: tuple[Cell, ...]


def of_one_size(groups: Sequence[SeedGroup]) -> tuple[list[SeedGroup], list[SeedGroup]]:
    """Return finished groups of the size that most recipes have, then finished ones of another size.

    A size is the data set, the number of epochs, the size of images and the backbone. Of equally many recipes
    those with more runs are taken, then the longer ones.

    Args:
        groups: of any runs; those without a finished run are in neither list.
    """
    by_size: dict[tuple[object, ...], list[SeedGroup]] = {}
    for group in finished_groups(groups):
        by_size.setdefault(_size(group), []).append(group)
    if not by_size:
        return [], []

    def weight(members: Sequence[SeedGroup]) -> tuple[int, int, int]:
        return len(members), sum(len(group.rows) for group in members), max(max(g.lengths) for g in members)

    most = max(by_size.values(), key=weight)
    return most, [group for members in by_size.values() if members is not most for group in members]


def pairs(
    groups: Sequence[SeedGroup],
    image_errors_of: ErrorsOf,
    against: SeedGroup | None = None,
) -> list[Pair]:
    """Return every pair of recipes of one size, or each recipe minus one of them.

    Args:
        groups: as :func:`of_one_size` gives them.
        image_errors_of: of the test images.
        against: the second recipe of all pairs.
    """
    every = (
        list(combinations(groups, 2)) if against is None else [(g, against) for g in groups if g is not against]
    )
    return [Pair(one, two, cells(one, two, image_errors_of(one, two))) for one, two in every]


def cells(first: SeedGroup, second: SeedGroup, errors: Mapping[str, float]) -> tuple[Cell, ...]:
    """Return the differences of two recipes in every quantity, paired by seed.

    Args:
        first, second: finished runs of one size each.
        errors: standard errors of the test images by key of a quantity; absent ones are left out of intervals.
    """
    sides = [
        {row.seed: row for row in reversed(group.rows) if row.seed is not None} for group in (first, second)
    ]
    shared = [(row, sides[1][seed]) for seed, row in sides[0].items() if seed in sides[1]]
    return tuple(_cell(quantity, shared, errors.get(quantity.key, math.nan)) for quantity in QUANTITIES)


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign, of which what rounds to nothing has none."""
    text = f"{value:+.{digits}f}"
    return (text if float(text) else text[1:]).replace("-", "\u2212")


def _size(group: SeedGroup) -> tuple[object, ...]:
    lines = dict(line.partition("=")[::2] for line in group.rows[0].settings)
    return (group.dataset, group.lengths, *(lines.get(name) for name in _SIZE))


def _cell(quantity: Quantity, shared: Sequence[tuple[RunRow, RunRow]], error: float) -> Cell:
    nan = math.nan
    if not shared:
        return Cell(quantity, nan, nan, nan, 0, why="no seed in common")
    if quantity.in_space and any(not one.nc1_space or one.nc1_space != two.nc1_space for one, two in shared):
        logged = any(np.isfinite(quantity.of(row)) for pair in shared for row in pair)
        return Cell(quantity, nan, nan, nan, 0, why=OTHER_FEATURES if logged else "not logged")
    known = [pair for pair in shared if all(math.isfinite(quantity.of(row)) for row in pair)]
    differences = [quantity.of(one) - quantity.of(two) for one, two in known]
    if not differences:
        return Cell(quantity, nan, nan, nan, 0, why="not logged by both")
    with_images = math.isfinite(error)
    mean, low, high = paired_interval(differences, image_error=error if with_images else 0.0)
    sign = 1 if low > 0 else -1 if high < 0 else 0
    ahead = sign if quantity.higher else -sign
    ours, theirs = (
        tuple(row.end_epoch if quantity.in_space else row.epoch for row in side)
        for side in zip(*known, strict=True)
    )
    return Cell(quantity, mean, low, high, len(differences), with_images, ahead, epochs=(ours, theirs))
