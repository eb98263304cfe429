"""What a report is about: runs, their rows, and those of them that are shown in detail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from app.figures.style import told_apart
from mlcnc.analysis.comparison.pair_errors import PairErrors
from mlcnc.analysis.images.report_choice import detailed_runs
from mlcnc.analysis.runs.rows import RunRow, run_rows
from mlcnc.store import Run

NOT_LOGGED = "not logged"
NONE = "-"
"""Of a setting that the method does not have."""


@dataclass(frozen=True)
class Reported:
    """The runs of a report with their rows, and those of them that are shown in detail."""

    runs: tuple[Run, ...]
    rows: tuple[RunRow, ...]
    detailed: tuple[tuple[Run, RunRow], ...]

    @cached_property
    def errors_of(self) -> PairErrors:
        """What gives the errors of test images of a pair, drawn once."""
        return PairErrors({run.run_id: run for run in self.runs})


def reported(runs: Sequence[Run]) -> Reported:
    """Return the runs with their rows at the best validation epoch.

    Raises:
        StoreError: a run cannot be read.
    """
    rows = told_apart(run_rows(runs))
    row_of = {run.run_id: row for run, row in zip(runs, rows, strict=True)}
    return Reported(tuple(runs), tuple(rows), tuple((run, row_of[run.run_id]) for run in detailed_runs(runs)))


def number(value: float, form: str = ".1f") -> str:
    """Return a value as text; what was not logged says so."""
    return format(value, form) if math.isfinite(value) else NOT_LOGGED
