"""What accompanies a class where it is found and not where it is missed, on which a network may lean."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma

import numpy as np

from mlcnc.analysis.images.decisions import Decisions, Scored
from mlcnc.store import Run

CHANCE = 0.05


@dataclass(frozen=True)
class Clue:
    """How often a class is found with another class in the image, and without it.

    Attributes:
        class_name, other: the class and its companion.
        found_with, num_with: test images with both, and how many of these are found.
        found_without, num_without: of those without the companion.
        chance: probability of a difference at least as unlikely, if company did not matter (Fisher's exact
            test, two-sided), times the number of companions that were tried; at most 1.
    """

    class_name: str
    other: str
    found_with: int
    num_with: int
    found_without: int
    num_without: int
    chance: float

    @property
    def supported(self) -> bool:
        """Whether chance is an unlikely explanation."""
        return self.chance <= CHANCE


def strongest_clue(run: Run, found: Scored, record: Decisions) -> Clue | None:
    """Return the companion whose presence goes most surely with being found or missed.

    Args:
        run: of which.
        found: its scores and labels.
        record: decisions on the class, from these scores.

    Returns:
        None where no other class is in some test images of the class and absent from others, or where all of
        these are found or all missed.
    """
    rows = np.flatnonzero(record.present)
    said = record.scores[rows] >= record.threshold
    if said.all() or not said.any():
        return None
    tried = []
    for other, name in enumerate(run.info.class_names):
        beside = found.present[rows, other]
        if name == record.class_name or beside.all() or not beside.any():
            continue
        counts = (int(said[beside].sum()), int(beside.sum()), int(said[~beside].sum()), int((~beside).sum()))
        tried.append((fisher_exact(*counts), name, counts))
    if not tried:
        return None
    chance, name, counts = min(tried, key=lambda item: item[0])
    return Clue(record.class_name, name, *counts, min(1.0, chance * len(tried)))


def fisher_exact(found_with: int, num_with: int, found_without: int, num_without: int) -> float:
    """Return the two-sided p of Fisher's exact test that two shares are equal.

    Args:
        found_with, num_with, found_without, num_without: each share as a count and its whole.

    Source: R. A. Fisher, The Logic of Inductive Inference, 1935; two-sided by the sum of all tables that are
        no more likely, as in ``scipy.stats.fisher_exact``, to which the tests compare it.
    """
    whole, found = num_with + num_without, found_with + found_without

    def log_choose(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    def likely(count: int) -> float:
        return exp(
            log_choose(num_with, count) + log_choose(num_without, found - count) - log_choose(whole, found)
        )

    own = likely(found_with)
    each = [likely(count) for count in range(max(0, found - num_without), min(found, num_with) + 1)]
    return min(1.0, sum(value for value in each if value <= own * (1 + 1e-7)))
