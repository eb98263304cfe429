"""What the choice of test images adds to differences of recipes, drawn once a pair; damaged files are noted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlcnc.analysis.comparison.intervals import stored_scores
from mlcnc.analysis.comparison.paired import CONFIDENCE, t_quantile
from mlcnc.analysis.comparison.seeds import SeedGroup
from mlcnc.errors import RunFormatError
from mlcnc.metrics import bootstrap_mean_differences
from mlcnc.store import Run

NUM_RESAMPLES = 200
"""Draws of test images, from which a standard error follows to within 5 %."""


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
                self._known[key] = self._remembered(image_errors, self._scored(first), self._scored(second))
            except RunFormatError as error:
                self.problems[str(error)] = None
                self._known[key] = {}
        return self._known[key]

    def _scored(self, group: SeedGroup) -> tuple[tuple[Run, int], ...]:
        runs = [(self._runs[row.run_id], row.map_percent["total"]) for row in group.rows if row.has_arrays]
        found = [(run, self._remembered(scored_epoch, run, value)) for run, value in runs]
        return tuple((run, epoch) for run, epoch in found if epoch is not None)

    @property
    def sentences(self) -> list[str]:
        """What intervals leave out, a sentence for each damaged file."""
        return [f"Intervals leave out the choice of test images: {problem}." for problem in self.problems]
