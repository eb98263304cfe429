"""What a paper says of two recipes, and whether runs of both support it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from mlcnc.analysis.comparison.paired import paired_interval, t_quantile

Label = Literal["reproduced", "not reproduced", "undecided", "not testable here"]
Shortfall = Literal["not reproduced", "smaller than published", "contradicted by one seed"]

RULE = (
    "Runs of the same seed are paired. Reproduced: the 95 % t interval of the mean difference lies above 0 in "
    "the direction of the claim. Not reproduced: it lies below 0, or, on the paper's own data set, ends below "
    "half of the published difference. Undecided: anything else; more seeds narrow the interval. Not testable "
    "here: a row or a quantity is missing, or a run diverged. The interval is over seeds, for the test images "
    "at hand; every claim is judged by itself, so that of twenty differences of nothing one may look decided. "
    "Learning rates are chosen on validation images at the first of the seeds."
)


@dataclass(frozen=True)
class Claim:
    """That one row lies above another, or above or below a number.

    Attributes:
        text: the claim, a sentence without a full stop.
        quantity: key of what is compared.
        first: key of the row it is about.
        second: key of the row it is compared with; None where it is compared with ``than``.
        than: a number.
        higher: whether the first is said to be the higher one.
        published: by how much, in the unit of the quantity and above 0; None where no number is published.
    """

    text: str
    quantity: str
    first: str
    second: str | None = None
    than: float = 0.0
    higher: bool = True
    published: float | None = None

    def differences(self, first: Sequence[float], second: Sequence[float] | None) -> list[float]:
        """Return how far each run of the first row supports the claim; below 0 it contradicts it.

        Args:
            first: values of the first row by seed.
            second: those of the second row, of the same seeds; None where there is no second row.

        Raises:
            ValueError: there are not as many of both.
        """
        sign = 1.0 if self.higher else -1.0
        others = [self.than] * len(first) if second is None else second
        return [sign * (one - other) for one, other in zip(first, others, strict=True)]


class Verdict(NamedTuple):
    """What runs say of a claim.

    Attributes:
        label: by :data:`RULE`.
        mean, low, high: mean difference in the direction of the claim and its 95 % interval, NaN without two
            runs.
        num_seeds: of pairs of runs.
        why: a sentence without a full stop.
    """

    label: Label
    mean: float
    low: float
    high: float
    num_seeds: int
    why: str


def verdict(
    claim: Claim, first: Sequence[float] | None, second: Sequence[float] | None, *, same_data: bool = False
) -> Verdict:
    """Return what the runs of two rows say of a claim, by :data:`RULE`.

    Args:
        claim: of the rows.
        first: values of its first row by seed; None where that row is missing.
        second: of its second row; not read where the claim has none.
        same_data: whether the published difference is of the same data set, so that its size counts.
    """
    rows = [first] if claim.second is None else [first, second]
    values = [value for row in rows for value in row or ()]
    if any(not row for row in rows) or not all(map(math.isfinite, values)):
        absent = any(not row for row in rows)
        which = "a row is missing or diverged" if absent else "the quantity is not defined in every run"
        return Verdict("not testable here", math.nan, math.nan, math.nan, 0, which)
    differences = claim.differences(first or (), None if claim.second is None else second)
    mean, low, high = paired_interval(differences)
    number = len(differences)
    if number < 2:
        return Verdict("undecided", mean, low, high, number, "one seed has no interval")
    if low > 0:
        smaller = claim.published is not None and high < claim.published / 2
        why = "the interval lies above 0"
        return Verdict(
            "reproduced",
            mean,
            low,
            high,
            number,
            f"{why}, and ends below half of the published difference" if smaller else why,
        )
    if high < 0:
        return Verdict("not reproduced", mean, low, high, number, "the interval lies below 0")
    if same_data and claim.published is not None and high < claim.published / 2:
        why = "the interval ends below half of the published difference"
        return Verdict("not reproduced", mean, low, high, number, why)
    return Verdict("undecided", mean, low, high, number, _what_would_decide(claim, differences))


def shortfall(claim: Mapping[str, Any]) -> Shortfall | None:
    """Return in which way the runs fall short of a claim, None where they do not.

    Args:
        claim: with its verdict, as results hold it.

    Returns:
        ``not reproduced`` is the verdict. Of other claims, ``smaller than published``: the published difference
        lies above the interval. ``contradicted by one seed``: there is no interval, and the value is below 0.

    Example:
        >>> shortfall({"verdict": "undecided", "mean": 0.7, "high": 11.5, "published": 35.0})
        'smaller than published'
        >>> shortfall({"verdict": "undecided", "mean": -0.7, "high": None, "published": None})
        'contradicted by one seed'
    """
    if claim["verdict"] == "not reproduced":
        return "not reproduced"
    if claim["mean"] is None:
        return None
    if claim["high"] is None:
        return "contradicted by one seed" if claim["mean"] < 0 else None
    above = claim["published"] is not None and claim["published"] > claim["high"]
    return "smaller than published" if above else None


def published_is_inside(claim: Mapping[str, Any]) -> bool | None:
    """Return whether the interval of a claim holds the published difference, whatever its verdict.

    An undecided claim holds 0, but its interval may still exclude the published difference.

    Args:
        claim: with its verdict, as results hold it.

    Returns:
        None where no difference is published or there is no interval.
    """
    published, low, high = (claim[name] for name in ("published", "low", "high"))
    return None if None in (published, low, high) else bool(low <= published <= high)


def published_words(claim: Mapping[str, Any]) -> str:
    """Return what the interval of a claim says of the published difference; empty where it says nothing.

    Example:
        >>> published_words({"low": -0.8, "high": 0.3, "published": 1.6})
        'below the published +1.6'
        >>> published_words({"low": -0.8, "high": 2.3, "published": 1.6})
        'compatible with the published +1.6'
    """
    inside = published_is_inside(claim)
    if inside is None:
        return ""
    side = "compatible with" if inside else "above" if claim["low"] > claim["published"] else "below"
    return f"{side} the published {claim['published']:+.4g}"


def seeds_to_tell(differences: Sequence[float], size: float, most: int = 1000) -> int | None:
    """Return how many seeds of this spread have an interval that is narrower than a difference on either side.

    Args:
        differences: (n,) of which the spread is taken, two at least.
        size: the difference, above 0.
        most: None is returned where more than so many would be needed.
    """
    spread = float(np.std(np.asarray(differences, dtype=float), ddof=1))
    for number in range(2, most + 1):
        if t_quantile(number - 1) * spread / math.sqrt(number) < size:
            return number
    return None


def _what_would_decide(claim: Claim, differences: Sequence[float]) -> str:
    why = "the interval holds 0"
    if claim.published is None:
        return why
    needed = seeds_to_tell(differences, claim.published / 2)
    if needed is None or needed <= len(differences):
        return why
    return f"{why}; with this spread {needed} seeds have even odds of telling half of the published difference"
