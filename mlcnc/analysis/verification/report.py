"""What recomputing a run found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlcnc.metrics.catalogue import describe

EXACT = 1e-6
"""Absolute tolerance of all, and relative of what is recomputed from numbers that were stored in full."""


@dataclass
class VerificationReport:
    """How many values were recomputed, a sentence for each that differs, and what was not recomputed.

    Attributes:
        num_epochs, num_verified: epochs that were logged, and those whose arrays were stored too.
        unchecked: metrics that were logged and not recomputed in some verified epoch, by space, or by what
            stands before the name where they have none.
    """

    num_checks: int = 0
    num_epochs: int = 0
    num_verified: int = 0
    problems: list[str] = field(default_factory=list)
    unchecked: dict[str, list[str]] = field(default_factory=dict)
    _checked: set[str] = field(default_factory=set)

    def compare_line(
        self,
        epoch: int,
        line: Mapping[str, float],
        values: Mapping[str, float],
        slack: Mapping[str, float] | None = None,
        tolerance: float = EXACT,
    ) -> None:
        """Compare the metrics of one epoch that were both logged and recomputed.

        Args:
            epoch: from 0.
            line: as logged.
            values: as recomputed.
            slack: by metric, what rounding of the stored arrays may move it by.
            tolerance: relative, beside the slack.
        """
        for name in values.keys() & line.keys():
            self._checked.add(name)
            own = (slack or {}).get(name, 0.0)
            self.compare(f"epoch {epoch + 1}, {name}", line[name], values[name], own, tolerance)

    def begin_epoch(self) -> None:
        """Begin a verified epoch."""
        self.num_verified += 1
        self._checked = set()

    def leave_out(self, logged: Iterable[str]) -> None:
        """Note the metrics that were logged in an epoch and not recomputed."""
        for name in sorted(set(logged) - self._checked - {"epoch"}):
            info = describe(name)
            before, _, short = name.rpartition("/")
            place = self.unchecked.setdefault((info.space if info else "") or before or "the epoch", [])
            place.extend([] if short in place else [short])

    def compare(
        self, name: str, stored: float, computed: float, slack: float = 0.0, tolerance: float = EXACT
    ) -> None:
        """Count one value and note it where it differs beyond storage precision."""
        self.num_checks += 1
        allowed = EXACT + (slack if math.isfinite(slack) else 0.0)
        both_undefined = math.isnan(stored) and not math.isfinite(computed)  # a line holds no infinity
        if not both_undefined and not math.isclose(stored, computed, rel_tol=tolerance, abs_tol=allowed):
            self.problems.append(f"{name}: stored {stored:.6g}, recomputed {computed:.6g}")

    def between(self, name: str, stored: float, *bounds: tuple[float, float], metric: str = "") -> None:
        """Count one value, of a logged metric or of none, and note it where it is within none of the bounds."""
        self.num_checks += 1
        self._checked.add(metric)
        if any(
            (math.isnan(stored) and math.isnan(low)) or low - 1e-9 <= stored <= high + 1e-9
            for low, high in bounds
        ):
            return
        possible = " or ".join(f"{low:.6g} to {high:.6g}" for low, high in bounds)
        self.problems.append(f"{name}: stored {stored:.6g}, possible {possible}")
