"""What the numbers of several runs say in a few sentences, and what their seeds leave open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlcnc.analysis.comparison.seeds import SeedGroup, Spread, finished_groups, lengths_words
from mlcnc.analysis.runs.rows import BUCKETS, FIRST_SPACE, RunRow, is_number

MIN_SEEDS = 3


@dataclass(frozen=True)
class Leader:
    """Who leads in one quantity among recipes on one data set.

    Attributes:
        quantity: what is compared, in words.
        first: the recipe with the best mean.
        second: the next one, or None where no other logged it.
        value: its spread over seeds.
        is_decided: whether both have three finished seeds or more of one length, and every seed of the first
            is better than every one of the second.
        has_seeds: whether both have three finished seeds or more.
        is_one_length: whether both were trained for the same number of epochs.
    """

    quantity: str
    first: SeedGroup
    second: SeedGroup | None
    value: Spread
    is_decided: bool
    has_seeds: bool
    is_one_length: bool = True


def main_dataset(rows: Sequence[RunRow]) -> str | None:
    """Return the data set of most runs, the first of equals; None without runs."""
    names = [row.dataset for row in rows]
    return max(names, key=names.count) if names else None


def best_runs(rows: Sequence[RunRow], dataset: str | None) -> dict[str, RunRow | None]:
    """Return by bucket the finished run of a data set with the highest test mAP, None where none logged it."""
    found: dict[str, RunRow | None] = {}
    finished = [row for row in rows if row.dataset == dataset and row.state == "finished"]
    for bucket in BUCKETS:
        usable = [row for row in finished if is_number(row.map_percent[bucket])]
        found[bucket] = max(usable, key=lambda row: row.map_percent[bucket], default=None)
    return found


def state_counts(rows: Sequence[RunRow]) -> dict[str, int]:
    """Return how many runs are in each state, the most frequent first."""
    states = [row.state for row in rows]
    return {state: states.count(state) for state in sorted(set(states), key=lambda s: (-states.count(s), s))}


def leaders(groups: Sequence[SeedGroup]) -> list[Leader]:
    """Return the leader of finished runs in mAP by bucket, smallest angle and tail NC1.

    What nobody logged is left out.

    Args:
        groups: recipes of one data set; more make the comparison meaningless.

    Raises:
        ValueError: they are of several data sets.
    """
    if len({group.dataset for group in groups}) > 1:
        raise ValueError("groups must be of one data set, for values on two of them cannot be compared")

    def percent_in(bucket: str) -> Callable[[SeedGroup], Spread]:
        return lambda group: group.map_percent[bucket]

    groups = finished_groups(groups)
    found = [_lead(groups, f"{bucket} mAP", percent_in(bucket)) for bucket in BUCKETS]
    alike = in_one_space(groups)
    found.append(_lead(alike, "smallest angle", lambda group: group.angle_min))
    found.append(_lead(alike, "tail NC1", lambda group: group.nc1_tail_share, lowest=True))
    return [leader for leader in found if leader is not None]


def in_one_space(groups: Sequence[SeedGroup]) -> list[SeedGroup]:
    """Return the groups whose geometry can be compared: those in f, else in the first space that one has.

    One feature for every class of an image is another thing than one for all of them.
    """
    spaces = [group.nc1_space for group in groups if group.nc1_space]
    space = FIRST_SPACE if FIRST_SPACE in spaces else next(iter(spaces), "")
    return [group for group in groups if space and group.nc1_space == space]


def geometry_sentence(groups: Sequence[SeedGroup]) -> str:
    """Return whose closest class means are furthest apart, and whose tail NC1 is lowest, in one space.

    Of finished runs; of a single recipe without a superlative. Empty where none of the data set logged either.
    """
    by_name = {leader.quantity: leader for leader in leaders(groups)}
    groups = finished_groups(groups)
    parts = []
    if (angle := by_name.get("smallest angle")) is not None:
        most = "furthest apart, " if angle.second is not None else ""
        parts.append(
            f"{angle.first.name} keeps its two closest class means {most}{angle.value.written(1, '°')}"
            f"{'' if most else ' apart'}"
        )
    if (tail := by_name.get("tail NC1")) is not None:
        who = "it" if angle is not None and angle.first.name == tail.first.name else tail.first.name
        parts.append(
            f"{who} has {'a' if tail.second is None else 'the lowest'} tail NC1"
            f"{' of' if tail.second is None else ','} {tail.value.written(3)} of its label-shuffle baseline "
            "(1 is chance)"
        )
    if not parts:
        return ""
    alike = in_one_space(groups)
    others: dict[str, list[str]] = {}
    for group in groups:
        if group.nc1_space not in ("", alike[0].nc1_space):
            others.setdefault(group.nc1_space, []).append(group.name)
    beside = ", ".join(f"{space} of {_few(names)}" for space, names in others.items())
    return f"In test features {alike[0].nc1_space}, centred by class means, {', and '.join(parts)}." + (
        f" Not compared with other features: {beside}." if others else ""
    )


def _few(names: Sequence[str]) -> str:
    """Return names in words; of more than three the first two and the number of the others."""
    *most, last = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} others"]
    return " and ".join([", ".join(most), last] if most else [last])


def undecided_sentence(groups: Sequence[SeedGroup]) -> str:
    """Return which of the orders the seeds do not decide, and why; empty where there is no order at all."""
    compared = [leader for leader in leaders(groups) if leader.second is not None]
    if not compared:
        return ""
    alike = [leader for leader in compared if leader.is_one_length]
    unlike = [leader.quantity for leader in compared if not leader.is_one_length]
    few = [leader.quantity for leader in alike if not leader.has_seeds]
    overlap = [leader.quantity for leader in alike if leader.has_seeds and not leader.is_decided]
    reasons = []
    if unlike:
        reasons.append(
            f"{_listed(unlike)} (the first two recipes were trained for different numbers of epochs)"
        )
    if overlap:
        reasons.append(f"{_listed(overlap)} (seeds of the first two recipes overlap)")
    if few:
        reasons.append(f"{_listed(few)} (fewer than three seeds of one of the first two)")
    if not reasons:
        return "Every seed of the leader is ahead of every seed of the next recipe in each of these."
    return f"Undecided: who leads in {', and in '.join(reasons)}."


def _lead(
    groups: Sequence[SeedGroup], quantity: str, value: Callable[[SeedGroup], Spread], *, lowest: bool = False
) -> Leader | None:
    sign = 1 if lowest else -1
    ranked = sorted((g for g in groups if value(g).num_runs), key=lambda group: sign * value(group).mean)
    if not ranked:
        return None
    first = value(ranked[0])
    if len(ranked) == 1:
        return Leader(quantity, ranked[0], None, first, False, _num_seeds(ranked[0], first) >= MIN_SEEDS)
    second = value(ranked[1])
    has_seeds = min(_num_seeds(ranked[0], first), _num_seeds(ranked[1], second)) >= MIN_SEEDS
    apart = first.high < second.low if lowest else first.low > second.high
    is_one_length = not lengths_words(ranked[:2])
    return Leader(
        quantity, ranked[0], ranked[1], first, has_seeds and apart and is_one_length, has_seeds, is_one_length
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _num_seeds(group: SeedGroup, value: Spread) -> int:
    # copies of one seed and runs that are not finished are no further evidence
    return min(value.num_runs, group.num_seeds)
