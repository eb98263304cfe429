"""What pairs of recipes say, in words: who leads, who is ahead of whom, and what is undecided."""

from __future__ import annotations

from collections.abc import Sequence

from mlcnc.analysis.comparison.pairs import QUANTITIES, ErrorsOf, Pair, cells, of_one_size, pairs
from mlcnc.analysis.comparison.seeds import SeedGroup, by_dataset, map_sentence
from mlcnc.analysis.runs.rows import BUCKETS

RULE = (
    "A difference of two recipes is the mean over the seeds that both have, paired by seed, with its 95 % t "
    "interval. For mAP the interval also holds the choice of test images, from drawing them anew where scores "
    "are stored. **Supported**: the interval excludes 0; ahead is higher mAP, angle and alignment, and lower "
    "NC1. **Undecided**: it holds 0, or there is one seed alone; more seeds narrow it. Each difference is "
    "judged by itself, so of twenty differences of nothing about one looks supported. NC1, smallest angle and "
    "alignment are of the last measured epoch also where mAP is of the best one. Finished runs of one data "
    "set, length, size of images and backbone are compared."
)


def leader_sentence(
    groups: Sequence[SeedGroup], image_errors_of: ErrorsOf, others: Sequence[SeedGroup] = ()
) -> str:
    """Return which recipe has the highest mean test mAP, and whether it is told apart from the next one.

    Args:
        groups: two or more recipes of one size, as :func:`of_one_size` gives them.
        image_errors_of: of the test images.
        others: recipes of another size, among which it is not looked for.

    Returns:
        Nothing where fewer than two of them have logged it.
    """
    known = [group for group in groups if group.map_percent["total"].num_runs]
    if len(known) < 2:
        return ""
    first, second = sorted(known, key=lambda group: -group.map_percent["total"].mean)[:2]
    cell = cells(first, second, image_errors_of(first, second))[BUCKETS.index("total")]
    ours, theirs = (f"{group.name} ({group.map_percent['total'].mean:.1f})" for group in (first, second))
    among = f"{len(known)} recipes {'of one size ' if others else ''}with finished runs here"
    start = f"Of the {among} on {first.dataset}, {ours} has the highest mean mAP"
    if cell.why:
        return f"{start}, before {theirs}; the two are not compared: {cell.why}."
    word = {1: "supported", -1: "contradicted by the seeds that both have", 0: "undecided"}[cell.ahead]
    return f"{start}; {cell.value} over {theirs} is {word} ({cell.interval})."


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
        rest.append(f"{_pairs(of_seeds)} by seeds alone, without the choice of test images")
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
    for own in by_dataset(groups):
        same, others = of_one_size(own)
        if len(same) > 1:
            said.append(pairs_sentence(pairs(same, image_errors_of), BUCKETS.index(bucket)))
            if others:
                said.append(f"Of another size, so in no pair: {_listed([group.name for group in others])}.")
            continue
        said.append(map_sentence(own, bucket))
        if len(own) == 1:
            said.append(f"On {own[0].dataset} there is one recipe here: no order to judge.")
        elif any(group.map_percent[bucket].num_runs for group in own):
            said.append(f"On {own[0].dataset} no two recipes of one size have finished: no order is judged.")
    return " ".join(said) or map_sentence(groups, bucket)


def epochs_sentence(found: Sequence[Pair]) -> str:
    """Return of which epochs the compared values are, from the runs of these pairs.

    Args:
        found: pairs, at least one.
    """
    groups = [group for pair in found for group in (pair.first, pair.second)]
    rows = [row for group in groups for row in group.rows]
    ends = _span([row.end_epoch + 1 for row in rows if row.end_epoch is not None])
    if not ends:
        return "No epoch of these runs was measured."
    if any(row.chosen_on == "asked for" for row in rows):
        return f"All values are at epoch {ends}."
    if all(row.chosen_on == "last epoch" for row in rows):
        return f"All values are at the last measured epoch of each run (epoch {ends})."
    best = _span([row.epoch + 1 for row in rows if row.epoch is not None])
    measured = _span([row.num_measured for row in rows])
    return (
        f"mAP is at each run's epoch best on validation (epoch {best}), of the {measured} at which it was "
        f"measured; NC1, smallest angle and alignment are at the last one measured (epoch {ends}), for "
        f"collapse is a property of the end of training. {unequal_choice_sentence(groups)}"
    ).rstrip()


def unequal_choice_sentence(groups: Sequence[SeedGroup]) -> str:
    """Return a warning where recipes of a data set chose their best epoch of unequally many.

    Args:
        groups: recipes, their runs at the best epoch on validation or another.
    """
    by_seed: dict[tuple[str, int | None], set[int]] = {}
    for group in groups:
        for row in group.rows:
            if row.chosen_on not in ("asked for", "last epoch"):
                by_seed.setdefault((group.dataset, row.seed), set()).add(row.num_measured)
    if all(len(numbers) == 1 for numbers in by_seed.values()):
        return ""
    return (
        "Who was measured more often had more epochs to choose the best of, which alone can put it ahead: "
        "values at the last epoch compare without that choice."
    )


def _span(values: Sequence[int]) -> str:
    ends = dict.fromkeys((min(values), max(values))) if values else ()
    return " to ".join(map(str, ends))


def _pairs(number: int) -> str:
    return "1 pair" if number == 1 else f"{number} pairs"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
