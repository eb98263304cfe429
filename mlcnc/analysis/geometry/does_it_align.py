"""Does the alignment loss align: its share of the gradient beside what the features came to, a record a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlcnc.analysis.comparison.seeds import Spread, seed_groups, spread
from mlcnc.analysis.curves.loss_shares import LossShares, loss_shares
from mlcnc.analysis.runs.rows import RunRow
from mlcnc.data import dataset_facts
from mlcnc.errors import UnknownDatasetError
from mlcnc.etf import optimal_angle_degrees
from mlcnc.store import Run

SPACE = "f"
"""In which the alignment loss compares features with label embeddings."""


@dataclass(frozen=True)
class AlignmentCase:
    """What one run shows of its alignment loss, at its last measured epoch.

    Attributes:
        run_id: of which.
        shares: of the terms of its loss in the gradient, over epochs.
        share: last one of the alignment loss, 0 to 1.
        train, test: mean cosine of class features f with their own label embedding, images with the class.
    """

    run_id: str
    shares: LossShares
    share: float
    train: float
    test: float


@dataclass(frozen=True)
class AlignmentGroup:
    """Cases that differ in the seed alone.

    Attributes:
        dataset, recipe, family: of all of them.
        cases: the one that measured its gradient most often first.
        share: of the alignment loss in percent; train, test: cosines; each over the seeds.
    """

    dataset: str
    recipe: str
    family: str
    cases: tuple[AlignmentCase, ...]
    share: Spread
    train: Spread
    test: Spread


def alignment_groups(cases: Sequence[AlignmentCase], rows: Sequence[RunRow]) -> list[AlignmentGroup]:
    """Return the cases by recipe, those of a data set together, the smallest mean share first.

    Args:
        cases: of runs.
        rows: of the same runs at least.
    """
    by_id = {case.run_id: case for case in cases}
    found = []
    for group in seed_groups([row for row in rows if row.run_id in by_id]):
        own = sorted((by_id[row.run_id] for row in group.rows), key=lambda case: -len(case.shares.epochs))
        found.append(
            AlignmentGroup(
                group.rows[0].dataset,
                group.name,
                group.family,
                tuple(own),
                spread([100 * case.share for case in own]),
                spread([case.train for case in own]),
                spread([case.test for case in own]),
            )
        )
    datasets = [group.dataset for group in found]
    return sorted(found, key=lambda group: (datasets.index(group.dataset), group.share.mean))


def contrasting_cases(groups: Sequence[AlignmentGroup]) -> list[AlignmentCase]:
    """Return a case of each of the two groups whose shares differ most, else the one case there is.

    Both are of one data set and, where any two are, of one family, so that little but the share parts them.
    """
    pairs = [
        (first.family == second.family, second.share.mean - first.share.mean, first, second)
        for at, first in enumerate(groups)
        for second in groups[at + 1 :]
        if first.dataset == second.dataset
    ]
    if not pairs:
        return [group.cases[0] for group in groups[:1]]
    *_, first, second = max(pairs, key=lambda pair: pair[:2])
    return [first.cases[0], second.cases[0]]


def alignment_cases(runs: Sequence[Run]) -> list[AlignmentCase]:
    """Return the finished runs that measured shares and cosines, the smallest share of the alignment first.

    Raises:
        StoreError: a run cannot be read.
    """
    found = []
    for run in runs:
        shares = loss_shares(run) if run.status.state == "finished" else None
        if shares is None or "alignment" not in shares.shares:
            continue
        train, test = (_last(run, f"{split}.{SPACE}/alignment_positive") for split in ("train", "test"))
        if math.isfinite(train) and math.isfinite(test):
            share = float(shares.shares["alignment"][-1])
            found.append(AlignmentCase(run.run_id, shares, share, train, test))
    return sorted(found, key=lambda case: case.share)


def _last(run: Run, name: str) -> float:
    values = [line[name] for line in run.metrics([name]) if name in line]
    return float(values[-1]) if values else math.nan


def optimum_of_dataset(dataset: str) -> float | None:
    """Return the angle of an ETF of as many vectors as a data set has classes; None where that is not known."""
    try:
        number = len(dataset_facts(dataset).class_names)
    except UnknownDatasetError:
        return None
    return optimal_angle_degrees(number) if number >= 2 else None
