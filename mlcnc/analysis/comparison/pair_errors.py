"""What the choice of test images adds to differences of recipes, drawn once a run; damaged files are noted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.comparison.intervals import stored_scores
from mlcnc.analysis.comparison.seeds import SeedGroup
from mlcnc.errors import RunFormatError
from mlcnc.metrics import bootstrap_draws
from mlcnc.store import Run

NUM_RESAMPLES = 200
"""Draws of test images; their standard deviation is known to one of 5 %."""


@dataclass(frozen=True)
class MapDraws:
    """Test mAP of one run on draws of its test images.

    Attributes:
        images: tells test labels apart; runs with the same have the same draws.
        groups: class indices of head, medium and tail, by name.
        map_percent: by ``map_<bucket>``, one value a draw.
    """

    images: str
    groups: dict[str, list[int]]
    map_percent: dict[str, NDArray[np.float64]]


def map_draws(run: Run, epoch: int, num_resamples: int = NUM_RESAMPLES) -> MapDraws | None:
    """Return test mAP on draws of test images, or None where the run stored no scores at that epoch.

    Args:
        run: any.
        epoch: with stored scores.
        num_resamples: draws of test images.

    Raises:
        RunFormatError: a file is damaged.
    """
    found = stored_scores(run, epoch, "test")
    if found is None:
        return None
    scores, targets = found
    groups = run.info.groups
    drawn = bootstrap_draws(scores, targets, groups, num_resamples=num_resamples)
    images = hashlib.sha256(repr(targets.shape).encode() + targets.tobytes()).hexdigest()
    return MapDraws(images, groups, drawn)


def image_errors(first: Sequence[MapDraws], second: Sequence[MapDraws]) -> dict[str, float]:
    """Return the standard error, by ``map_<bucket>`` in points, of two recipes' difference over test images.

    The standard deviation over draws. All runs are scored on the same draws, so what makes an image hard for
    both recipes cancels. Of fewer runs than there are seeds it is a little too large.

    Args:
        first, second: draws of each run of a recipe that has some.

    Returns:
        Nothing where a recipe has no draws or not all are of the same images and buckets.
    """
    if not first or not second:
        return {}
    one = first[0]
    if any((other.images, other.groups) != (one.images, one.groups) for other in (*first, *second)):
        return {}
    return {
        key: _error(*([item.map_percent[key] for item in side] for side in (first, second)))
        for key in one.map_percent
    }


def _error(ours: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]]) -> float:
    differences = np.mean(ours, axis=0) - np.mean(theirs, axis=0)
    known = differences[~np.isnan(differences)]
    return float(known.std(ddof=1)) if len(known) > 1 else math.nan


def scored_epoch(run: Run, map_percent: float) -> int | None:
    """Return the epoch with stored test scores whose test mAP is nearest to a value; None where none is stored.

    How much the choice of images moves a difference depends on how good a network is, not on when.

    Args:
        run: any.
        map_percent: total test mAP of the chosen epoch.

    Raises:
        RunFormatError: a file is damaged.
    """
    stored = run.array_epochs("test/scores")
    if not stored:
        return None
    lines = run.metrics(["test/map_total"])
    logged = {int(line["epoch"]): line.get("test/map_total", math.nan) for line in lines}
    far = {epoch: abs(logged.get(epoch, math.nan) - map_percent) for epoch in stored}
    return min(stored, key=lambda epoch: (far[epoch] if math.isfinite(far[epoch]) else math.inf, -epoch))


class PairErrors:
    """Gives the standard errors of test images of a pair of recipes; none where a file is damaged.

    Attributes:
        problems: what was wrong with files of the pairs that were asked for, each once.
    """

    def __init__(
        self,
        runs: Mapping[str, Run],
        remembered: Callable[..., Any] = lambda function, *arguments: function(*arguments),
    ) -> None:
        """Take all runs by id, and what calls a function of runs or remembers what it gave."""
        self.problems: dict[str, None] = {}
        self._runs = runs
        self._remembered = remembered
        self._known: dict[tuple[tuple[str, ...], ...], Mapping[str, float]] = {}

    def __call__(self, first: SeedGroup, second: SeedGroup) -> Mapping[str, float]:
        """Return the errors by ``map_<bucket>``."""
        key = tuple(tuple(row.run_id for row in group.rows) for group in (first, second))
        if key not in self._known:
            try:
                self._known[key] = image_errors(self._draws(first), self._draws(second))
            except RunFormatError as error:
                self.problems[str(error)] = None
                self._known[key] = {}
        return self._known[key]

    def _draws(self, group: SeedGroup) -> list[MapDraws]:
        found = []
        for row in group.rows:
            run = self._runs[row.run_id]
            epoch = self._remembered(scored_epoch, run, row.map_percent["total"]) if row.has_arrays else None
            drawn = None if epoch is None else self._remembered(map_draws, run, epoch)
            found += [] if drawn is None else [drawn]
        return found

    @property
    def sentences(self) -> list[str]:
        """What intervals leave out, a sentence for each damaged file."""
        return [f"Intervals leave out the choice of test images: {problem}." for problem in self.problems]
