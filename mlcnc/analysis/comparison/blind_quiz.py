"""Three runs without their names: who is who, and what their numbers support."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from mlcnc.analysis.comparison.paired import CONFIDENCE
from mlcnc.analysis.comparison.pairs import Cell, ErrorsOf, cells
from mlcnc.analysis.comparison.published import FULL_MODEL, published_rows
from mlcnc.analysis.comparison.seeds import EMBEDDING_ORDER, SeedGroup, Spread, spread
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.store import Run

Quantity = Literal["nc1", "angle_min", "map_tail", "map_total", "map_head", "map_medium"]
QUANTITIES: tuple[Quantity, ...] = ("nc1", "angle_min", "map_tail", "map_total")
"""What claims are made about."""

WORDS: dict[Quantity, str] = {
    "nc1": "NC1 (test f)",
    "angle_min": "smallest angle (test f, centring class)",
    "map_tail": "tail mAP",
    "map_total": "total mAP",
    "map_head": "head mAP",
    "map_medium": "medium mAP",
}
UNITS: dict[Quantity, str] = {"nc1": "", "angle_min": "°"}


@dataclass(frozen=True)
class Hand:
    """Three runs in the order of the quiz.

    Attributes:
        dataset: of all three.
        seed: of the order.
        rows: the runs shown as Run 1, 2 and 3.
        groups: for each, the runs of its settings, one a seed; itself among them.
        pairs: two places each, and the differences of the first from the second in every quantity.
    """

    dataset: str
    seed: int
    rows: tuple[RunRow, ...]
    groups: tuple[tuple[RunRow, ...], ...]
    pairs: tuple[tuple[int, int, tuple[Cell, ...]], ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """The label embedding of each run."""
        return tuple(row.family for row in self.rows)


@dataclass(frozen=True)
class Reading:
    """One quantity of the three runs, over their seeds, at the chosen epoch of each.

    Attributes:
        quantity: as asked for.
        values: of the runs shown.
        seeds: finite values of each run's settings, one a seed.
        spreads: over the seeds of each.
        smallest_gap, largest_gap: between the means of two runs; NaN with fewer than two logged.
        pairs: two places each, and the difference of the first from the second.
    """

    quantity: Quantity
    values: tuple[float, ...]
    seeds: tuple[tuple[float, ...], ...]
    spreads: tuple[Spread, ...]
    smallest_gap: float
    largest_gap: float
    pairs: tuple[tuple[int, int, Cell], ...]

    @property
    def widest_seeds(self) -> float:
        """Largest distance of two seeds of one run's settings; 0 where each has one."""
        return max((item.high - item.low for item in self.spreads if item.num_runs), default=0.0)

    def shown(self, index: int) -> str:
        """Return a run's value with the range of its seeds, e.g. ``63.9 % (63.1 to 65.4, n=3)``."""
        item, unit = self.spreads[index], UNITS.get(self.quantity, " %")
        digits = 2 if self.quantity == "nc1" else 1
        if item.num_runs == 0:
            return "not logged"
        if item.num_runs == 1:
            return f"{item.mean:.{digits}f}{unit} (n=1)"
        return (
            f"{item.mean:.{digits}f}{unit} ({item.low:.{digits}f} to {item.high:.{digits}f}, n={item.num_runs})"
        )


@dataclass(frozen=True)
class Claim:
    """That one run is above another in one quantity, and whether seeds and test images support it.

    Attributes:
        reading: of the quantity.
        above, below: indices of the runs.
        cell: the difference of the two, paired by seed, as every page judges it.
        gap: that difference; where nothing can be paired, that of the means.
    """

    reading: Reading
    above: int
    below: int
    cell: Cell
    gap: float

    @property
    def supported(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        return self.cell.ahead != 0


def paper_total_map() -> dict[str, float]:
    """Return the published total mAP of MLC-NC on VOC-LT by kind of label embedding, in percent."""
    found = {"etf": ("Table 1", None), "trainable": ("Table 4", "trainable"), "glove": ("Table 4", "GloVe")}
    return {
        kind: next(
            row.values["total"]
            for row in published_rows()
            if (row.table, row.dataset, row.method) == (table, "VOC-LT", FULL_MODEL)
            and (start is None or row.variant.startswith(start))
        )
        for kind, (table, start) in found.items()
    }


def deal(
    runs: Sequence[tuple[Run, RunRow]],
    picked: Collection[str],
    seed: int,
    image_errors_of: ErrorsOf = lambda first, second: {},
) -> Hand | None:
    """Return one ETF, one trainable and one GloVe run that can be compared, in an order that hangs on the seed.

    Compared are finished runs of the same classes, as long, with the same settings besides label embedding
    and seed. Of several such sets one is taken whose shown runs were measured equally often, for the density of
    a curve would tell them apart; then the one with most seeds, then the longest training, then that with most
    picked runs, then the plain recipe. Only runs with stored arrays are shown: picked ones first, then the
    lowest seed.

    Args:
        runs: all readable ones.
        picked: ids of those the visitor looks at.
        seed: of the order.
        image_errors_of: of the test images; by default intervals hold the choice of seeds alone.

    Returns:
        None where no set has a run of each kind.
    """
    comparable: dict[tuple[object, ...], list[tuple[Run, RunRow]]] = {}
    for run, row in runs:
        if row.state == "finished":
            alike = (row.dataset, *run.info.class_names), row.num_epochs, _besides_embedding(row)
            comparable.setdefault(alike, []).append((run, row))
    found = [groups for members in comparable.values() if (groups := _one_group_a_kind(members, picked))]
    if not found:
        return None

    def worth(groups: tuple[tuple[RunRow, ...], ...]) -> tuple[int, ...]:
        shown, sizes = [group[0] for group in groups], [len(group) for group in groups]
        num_picked = sum(row.run_id in picked for row in shown)
        plain = sum(row.is_plain for row in shown)
        alike = len({row.num_measured for row in shown}) == 1
        return alike, min(sizes), sum(sizes), shown[0].num_epochs or 0, num_picked, plain

    best = max(found, key=worth)
    order = [int(index) for index in np.random.default_rng(seed).permutation(len(best))]
    groups = tuple(best[index] for index in order)
    # in one order whatever was dealt, in which other pages compare them too
    sides = [SeedGroup.of(sorted(group, key=_by_seed), group[0].recipe, group[0].recipe) for group in best]
    compared = tuple(
        (order.index(one), order.index(two), cells(first, second, image_errors_of(first, second)))
        for (one, first), (two, second) in combinations(enumerate(sides), 2)
    )
    return Hand(
        dataset=groups[0][0].dataset,
        seed=seed,
        rows=tuple(group[0] for group in groups),
        groups=tuple(tuple(sorted(group, key=_by_seed)) for group in groups),
        pairs=compared,
    )


def reading(hand: Hand, quantity: Quantity) -> Reading:
    """Return one quantity of the three runs over their seeds."""
    seeds = tuple(tuple(v for row in group if np.isfinite(v := _value(row, quantity))) for group in hand.groups)
    spreads = tuple(spread(values) for values in seeds)
    means = [item.mean for item in spreads if item.num_runs]
    gaps = [abs(one - other) for one, other in combinations(means, 2)]
    return Reading(
        quantity=quantity,
        values=tuple(_value(row, quantity) for row in hand.rows),
        seeds=seeds,
        spreads=spreads,
        smallest_gap=min(gaps, default=float("nan")),
        largest_gap=max(gaps, default=float("nan")),
        pairs=tuple(
            (one, two, cell)
            for one, two, found in hand.pairs
            for cell in found
            if cell.quantity.key == quantity
        ),
    )


def claims(hand: Hand) -> list[Claim]:
    """Return, for every quantity and pair of runs, which is above and whether that is supported."""
    return [claim for quantity in QUANTITIES for claim in _claims_of(reading(hand, quantity))]


def supported_claim(hand: Hand) -> Claim | None:
    """Return the claim whose least difference is largest for its size, or None without a supported one."""
    carried = [claim for claim in claims(hand) if claim.supported]
    return max(carried, key=_least_share, default=None)


def unsupported_claim(hand: Hand) -> Claim | None:
    """Return the undecided claim with the largest gap, tail mAP first; None without one."""
    for quantity in ("map_tail", "map_total", "nc1", "angle_min"):
        open_ones = [c for c in claims(hand) if c.reading.quantity == quantity and not c.supported]
        if open_ones:
            return max(open_ones, key=lambda claim: claim.gap)
    return None


def comparisons_sentence(hand: Hand) -> str:
    """Return how many comparisons are supported, and how many luck would support; empty without any."""
    tested = [claim for claim in claims(hand) if claim.cell.num_seeds > 1]
    if not tested:
        return ""
    supported = sum(claim.supported for claim in tested)
    of = ", ".join(WORDS[quantity] for quantity in QUANTITIES)
    return (
        f"Of {len(tested)} such comparisons on this page (pairs of runs in {of}) {supported} "
        f"{'is' if supported == 1 else 'are'} supported; if no run differed from another, luck alone would "
        f"support about {(1 - CONFIDENCE) * len(tested):.1f}."
    )


def claim_sentence(claim: Claim, names: Sequence[str]) -> str:
    """Return the claim in words, e.g. ``Run 2 has a higher tail mAP than Run 1.``"""
    return f"{names[claim.above]} has a higher {WORDS[claim.reading.quantity]} than {names[claim.below]}."


def claim_reason(claim: Claim, names: Sequence[str]) -> str:
    """Return the numbers behind a claim and what they allow."""
    numbers = " and ".join(f"{names[i]} at {claim.reading.shown(i)}" for i in (claim.above, claim.below))
    if claim.cell.num_seeds < 2:
        return f"{numbers}: undecided, {claim.cell.interval or claim.cell.why}, so there is no interval."
    over = "seeds and test images" if claim.cell.with_images else "seeds"
    verdict, holds = ("supported", "excludes") if claim.supported else ("undecided", "holds")
    return (
        f"{numbers}: {verdict}. Paired by seed they differ by {claim.cell.value}, and the 95 % interval over "
        f"{over}, {claim.cell.interval}, {holds} 0."
    )


def reading_sentence(found: Reading, names: Sequence[str]) -> str:
    """Return what one quantity says about the three runs: values, order, and what of it is supported."""
    return f"{values_sentence(found, names)} {support_sentence(found, names)}".rstrip()


def values_sentence(found: Reading, names: Sequence[str]) -> str:
    """Return the values of one quantity of the three runs, from high to low."""
    logged = [index for index in range(len(names)) if found.spreads[index].num_runs]
    title = WORDS[found.quantity]
    if len(logged) < 2:
        return f"The {title} was not logged by enough of these runs."
    logged.sort(key=lambda index: -found.spreads[index].mean)
    listed = ", ".join(f"{names[index]} at {found.shown(index)}" for index in logged)
    return f"The {title}, from high to low: {listed}."


def support_sentence(found: Reading, names: Sequence[str]) -> str:
    """Return which orders of two runs are supported in one quantity; empty where fewer than two logged it."""
    if sum(item.num_runs > 0 for item in found.spreads) < 2:
        return ""
    said = []
    for word, supported in (("Supported", True), ("Undecided", False)):
        orders = [
            f"{names[claim.above]} above {names[claim.below]} ({claim.cell.interval or claim.cell.why})"
            for claim in _claims_of(found)
            if claim.supported == supported
        ]
        if orders:
            said.append(f"{word}: {'; '.join(orders)}.")
    return " ".join(said)


def run_evidence(hand: Hand, index: int, names: Sequence[str]) -> str:
    """Return what told one run from the others, or that nothing did."""
    parted: dict[str, list[str]] = {}
    for claim in claims(hand):
        if claim.supported and index in (claim.above, claim.below):
            other = claim.below if claim.above == index else claim.above
            side = "above" if claim.above == index else "below"
            parted.setdefault(WORDS[claim.reading.quantity], []).append(f"{side} {names[other]}")
    if not parted:
        return "No difference from the others is supported here: a guess was all anybody could do."
    listed = "; ".join(f"its {title} lies {' and '.join(sides)}" for title, sides in parted.items())
    return f"Supported, paired by seed: {listed}."


def _besides_embedding(row: RunRow) -> tuple[str, ...]:
    of_embedding = ("method.label_embedding=", "method.glove_path=")
    return tuple(line for line in row.group_key.split(";") if not line.startswith(of_embedding))


def _one_group_a_kind(
    members: Sequence[tuple[Run, RunRow]], picked: Collection[str]
) -> tuple[tuple[RunRow, ...], ...]:
    """Return by kind one run a seed, the shown one first, of the settings with most; () if a kind lacks."""
    groups = []
    for kind in EMBEDDING_ORDER:
        by_key: dict[str, dict[object, RunRow]] = {}
        drawable = {row.run_id for run, row in members if row.family == kind and run.array_epochs()}
        rows = [row for _, row in members if row.family == kind]
        rows.sort(key=lambda row: (row.run_id not in drawable, row.run_id not in picked, *_by_seed(row)))
        for row in rows:
            # a copy of a run, or a second run of its seed, is no further draw
            by_key.setdefault(row.group_key, {}).setdefault(_draw(row), row)
        seeds = [tuple(group.values()) for group in by_key.values()]
        if shown := [group for group in seeds if group[0].run_id in drawable]:
            groups.append(max(shown, key=len))
    if len(groups) < len(EMBEDDING_ORDER):
        return ()
    # differences are of the seeds that two share, so what is dealt are those that all share
    shared = set.intersection(*({_draw(row) for row in group} for group in groups))
    alike = [tuple(row for row in group if _draw(row) in shared) for group in groups]
    can_be_dealt = all(
        group and group[0].run_id == whole[0].run_id for group, whole in zip(alike, groups, strict=True)
    )
    return tuple(alike if can_be_dealt else groups)


def _by_seed(row: RunRow) -> tuple[int, str]:
    return row.seed or 0, row.run_id


def _draw(row: RunRow) -> object:
    if row.seed is not None:
        return row.seed
    # as text, where a value that was not logged equals itself
    return repr((sorted(row.map_percent.items()), row.nc1, row.angle_min, row.map_curve))


def _value(row: RunRow, quantity: Quantity) -> float:
    # collapse is a property of the end of training, as in the cells that judge it
    if quantity in ("nc1", "angle_min"):
        return row.at_end.get(quantity, math.nan)
    return row.map_percent[quantity.removeprefix("map_")]


def _claims_of(found: Reading) -> Iterator[Claim]:
    for one, two, cell in found.pairs:
        means = [found.spreads[index].mean for index in (one, two)]
        gap = means[0] - means[1] if cell.why else cell.mean
        if not np.isfinite(gap):
            continue
        if gap >= 0:
            yield Claim(found, one, two, cell, gap)
        else:
            turned = replace(cell, mean=-cell.mean, low=-cell.high, high=-cell.low, ahead=-cell.ahead)
            yield Claim(found, two, one, turned, -gap)


def _least_share(claim: Claim) -> float:
    return claim.cell.low / max(abs(claim.reading.spreads[claim.above].mean), 1e-12)
