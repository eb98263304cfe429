"""What the choice of test images adds to differences of recipes, drawn once a pair; damaged files are noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlcnc.analysis.comparison.pairs import image_errors, scored_runs
from mlcnc.analysis.comparison.seeds import SeedGroup
from mlcnc.errors import RunFormatError
from mlcnc.store import Run


class PairErrors:
    """Gives the standard errors of test images of a pair of recipes; none where a file is damaged.

    Attributes:
        problems: what was wrong with files of the pairs that were asked for, each once.
    """

    def __init__(
        self, runs: Mapping[str, Run], errors_of: Callable[..., Mapping[str, float]] = image_errors
    ) -> None:
        """Take all runs by id, and what draws the images: :func:`image_errors` or one that remembers."""
        self.problems: dict[str, None] = {}
        self._runs = runs
        self._errors_of = errors_of
        self._known: dict[tuple[tuple[str, ...], ...], Mapping[str, float]] = {}

    def __call__(self, first: SeedGroup, second: SeedGroup) -> Mapping[str, float]:
        """Return the errors by ``map_<bucket>``."""
        key = tuple(tuple(row.run_id for row in group.rows) for group in (first, second))
        if key not in self._known:
            try:
                sides = (scored_runs(group, self._runs) for group in (first, second))
                self._known[key] = self._errors_of(*sides)
            except RunFormatError as error:
                self.problems[str(error)] = None
                self._known[key] = {}
        return self._known[key]

    @property
    def sentences(self) -> list[str]:
        """What intervals leave out, a sentence for each damaged file."""
        return [f"Intervals leave out the choice of test images: {problem}." for problem in self.problems]
