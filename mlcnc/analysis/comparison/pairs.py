"""Which recipe is ahead of which other, in what, and do seeds and test images support it?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from mlcnc.analysis.comparison.intervals import stored_scores
from mlcnc.analysis.comparison.paired import CONFIDENCE, paired_interval, t_quantile
from mlcnc.analysis.comparison.seeds import SeedGroup, finished_groups, map_sentence
from mlcnc.analysis.runs.rows import BUCKETS, RunRow
from mlcnc.metrics import bootstrap_mean_differences
from mlcnc.store import Run

RULE = (
    "Each cell is the mean of the first recipe minus the second over the seeds that both have, paired by seed, "
    "with its 95 % t interval. For mAP the interval also holds the choice of test images, from drawing them "
    "anew where scores are stored. **Supported**: the interval excludes 0; the colour says which recipe is "
    "ahead: higher mAP, angle and alignment, lower NC1. **Undecided**: it holds 0, or there is one seed alone; "
    "more seeds narrow it. Each cell is judged by itself, so of twenty differences of nothing about one looks "
    "supported. Finished runs of one data set, length, size of images and backbone are compared, at the chosen "
    "moment of each."
)

NUM_RESAMPLES = 200
"""Draws of test images, from which a standard error follows to within 5 %."""

ErrorsOf = Callable[[SeedGroup, SeedGroup], Mapping[str, float]]
"""Standard errors by ``map_<bucket>`` of a pair of recipes, see :func:`image_errors`."""

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


QUANTITIES = (
    *(
        Quantity(f"map_{bucket}", "mAP" if bucket == "total" else f"mAP {bucket}", 1, True, _of_bucket(bucket))
        for bucket in BUCKETS
    ),
    Quantity("nc1", "NC1", 2, False, lambda row: row.nc1, True),
    Quantity("angle_min", "smallest angle (°)", 1, True, lambda row: row.angle_min, True),
    Quantity("alignment", "alignment", 3, True, lambda row: row.alignment, True),
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
    """

    quantity: Quantity
    mean: float
    low: float
    high: float
    num_seeds: int
    with_images: bool = False
    ahead: int = 0
    why: str = ""

    @property
    def value(self) -> str:
        """The difference with its sign."""
        return self.why or _signed(self.mean, self.quantity.digits)

    @property
    def interval(self) -> str:
        """Interval and number of seeds in words."""
        if self.num_seeds < 2:
            return "" if self.why else "one seed"
        low, high = (_signed(end, self.quantity.digits) for end in (self.low, self.high))
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


def image_errors(
    first: tuple[tuple[Run, int], ...], second: tuple[tuple[Run, int], ...], num_resamples: int = NUM_RESAMPLES
) -> dict[str, float]:
    """Return the standard error, by ``map_<bucket>`` in points, of two recipes' difference over test images.

    All runs are scored on the same draws, so what makes an image hard for both recipes cancels. Of fewer runs
    than there are seeds it is a little too large.

    Args:
        first, second: run and epoch with stored scores each; empty where no run has any.
        num_resamples: draws of test images.

    Returns:
        Nothing where scores are missing or are not of the same images.

    Raises:
        RunFormatError: a file is damaged.
    """
    if not first or not second:
        return {}
    found = [[stored_scores(run, epoch, "test") for run, epoch in side] for side in (first, second)]
    ours, theirs = ([item for item in side if item is not None] for side in found)
    info = first[0][0].info
    if not ours or not theirs or any(run.info.groups != info.groups for run, _ in (*first, *second)):
        return {}
    targets = ours[0][1]
    if not all(np.array_equal(targets, other) for _, other in (*ours, *theirs)):
        return {}
    scores = {"first": [item for item, _ in ours], "second": [item for item, _ in theirs]}
    differences = bootstrap_mean_differences(
        scores, "second", targets, info.groups, num_resamples=num_resamples
    )
    width = 2.0 * t_quantile(math.inf, CONFIDENCE)
    return {key: (item.high - item.low) / width for key, item in differences["first"].items()}


def pairs_sentence(found: Sequence[Pair], place: int = 0) -> str:
    """Return in one sentence which pairs differ in a quantity, by default in total mAP, and how many do not.

    Args:
        found: pairs of one size.
        place: of the quantity among :data:`QUANTITIES`.
    """
    title = QUANTITIES[place].title
    behind: dict[str, list[str]] = {}
    for pair in found:
        sign = pair.cells[place].ahead
        if sign:
            names = (pair.first.name, pair.second.name)[::sign]
            behind.setdefault(names[0], []).append(names[1])
    if not found:
        return ""
    cells = [pair.cells[place] for pair in found]
    compared = [cell for cell in cells if not cell.why]
    undecided = sum(cell.ahead == 0 for cell in compared)
    rest = [f"{_pairs(undecided)} undecided" if undecided else "every pair is decided"] if compared else []
    of_seeds = sum(cell.ahead != 0 and not cell.with_images and title.startswith("mAP") for cell in compared)
    if of_seeds:
        rest.append(f"{_pairs(of_seeds)} by seeds alone, for scores of test images are not stored")
    for why in dict.fromkeys(cell.why for cell in cells if cell.why):
        rest.append(f"{_pairs(sum(cell.why == why for cell in cells))} not compared: {why}")
    start = f"On {found[0].first.dataset}, in {title}"
    if not behind:
        return f"{start} no difference is supported: {', '.join(rest)}."
    ahead: dict[tuple[str, ...], list[str]] = {}
    for name, others in sorted(behind.items(), key=lambda item: -len(item[1])):
        ahead.setdefault(tuple(others), []).append(name)
    said = "; ".join(
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} ahead of {_listed(others)}"
        for others, names in ahead.items()
    )
    return f"{start}, {said}; {', '.join(rest)}."


def recipes_sentence(groups: Sequence[SeedGroup], image_errors_of: ErrorsOf, bucket: str = "total") -> str:
    """Return what pairs of recipes support in one bucket, for every data set; where none is a pair, their mAP.

    Args:
        groups: runs taken together by recipe.
        image_errors_of: of the test images.
        bucket: of classes.
    """
    said = []
    for dataset in dict.fromkeys(group.dataset for group in groups):
        own = [group for group in groups if group.dataset == dataset]
        same, others = of_one_size(own)
        if len(same) > 1:
            said.append(pairs_sentence(pairs(same, image_errors_of), BUCKETS.index(bucket)))
            if others:
                said.append(f"Of another size, so in no pair: {_listed([group.name for group in others])}.")
            continue
        said.append(map_sentence(own, bucket))
        if any(group.map_percent[bucket].num_runs for group in own):
            said.append("No two recipes of one size have finished, so no order is judged.")
    return " ".join(said) or map_sentence(groups, bucket)


def scored_runs(group: SeedGroup, runs: Mapping[str, Run]) -> tuple[tuple[Run, int], ...]:
    """Return the runs of a recipe that stored test scores, and at which epoch: of mAP as at the chosen one.

    How much the choice of images moves a difference depends on how good a network is, not on when.

    Args:
        group: the recipe.
        runs: by id.

    Raises:
        RunFormatError: a file is damaged.
    """
    found = []
    for row in group.rows:
        run = runs[row.run_id]
        stored = run.array_epochs("test/scores") if row.has_arrays else ()
        if stored:
            lines = run.metrics(["test/map_total"])
            logged = {int(line["epoch"]): line.get("test/map_total", math.nan) for line in lines}
            far = {epoch: abs(logged.get(epoch, math.nan) - row.map_percent["total"]) for epoch in stored}
            found.append((run, min(stored, key=lambda epoch: (math.isnan(far[epoch]), far[epoch], -epoch))))
    return tuple(found)


def _signed(value: float, digits: int) -> str:
    """Return a number with its sign, of which what rounds to nothing has none."""
    text = f"{value:+.{digits}f}"
    return (text if float(text) else text[1:]).replace("-", "\u2212")


def _pairs(number: int) -> str:
    return "1 pair" if number == 1 else f"{number} pairs"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _size(group: SeedGroup) -> tuple[object, ...]:
    lines = dict(line.partition("=")[::2] for line in group.rows[0].settings)
    return (group.dataset, group.lengths, *(lines.get(name) for name in _SIZE))


def _cell(quantity: Quantity, shared: Sequence[tuple[RunRow, RunRow]], error: float) -> Cell:
    nan = math.nan
    if not shared:
        return Cell(quantity, nan, nan, nan, 0, why="no seed in common")
    if quantity.in_space and any(not one.nc1_space or one.nc1_space != two.nc1_space for one, two in shared):
        logged = any(np.isfinite(quantity.of(row)) for pair in shared for row in pair)
        return Cell(quantity, nan, nan, nan, 0, why="other features" if logged else "not logged")
    both = [(quantity.of(one), quantity.of(two)) for one, two in shared]
    differences = [one - two for one, two in both if math.isfinite(one) and math.isfinite(two)]
    if not differences:
        return Cell(quantity, nan, nan, nan, 0, why="not logged by both")
    with_images = math.isfinite(error)
    mean, low, high = paired_interval(differences, image_error=error if with_images else 0.0)
    sign = 1 if low > 0 else -1 if high < 0 else 0
    ahead = sign if quantity.higher else -sign
    return Cell(quantity, mean, low, high, len(differences), with_images, ahead)
