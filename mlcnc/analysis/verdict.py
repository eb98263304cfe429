"""Is a run collapsed, partly, or not: one rule for variability, geometry and alignment."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from mlcnc.metrics.random_directions import random_directions

Label = Literal["collapsed", "partly", "not"]

COLLAPSED, PARTLY = 0.1, 0.5
"""Shares of the way from the optimum to the null, up to which a value is called collapsed or partly so."""

RULE = (
    "Each value is placed between its optimum, which is collapse, and its null, which no collapse gives: "
    "**collapsed** within a tenth of the way from the optimum to the null, **partly** within half of it, "
    "**not** beyond. The null of NC1 is that of as many images without the class where it was logged (what the "
    "class query alone makes of any image), else that of shuffled labels; of the Gram distance that of as many "
    "random directions; of the alignment a cosine of 0."
)


class Verdict(NamedTuple):
    """Where a value stands between its optimum and its null.

    Attributes:
        label: by :data:`RULE`.
        name: of the value.
        value, null, optimum: of it.
        null_words: what the null is.
    """

    label: Label
    name: str
    value: float
    null: float
    optimum: float
    null_words: str

    @property
    def share(self) -> float:
        """How far the value lies from the optimum, as a share of the null's distance."""
        return (self.value - self.optimum) / (self.null - self.optimum)


def _verdict(name: str, value: float, null: float, optimum: float, null_words: str) -> Verdict | None:
    if not all(map(math.isfinite, (value, null, optimum))) or null == optimum:
        return None
    share = (value - optimum) / (null - optimum)
    label: Label = "collapsed" if share <= COLLAPSED else "partly" if share <= PARTLY else "not"
    return Verdict(label, name, value, null, optimum, null_words)


def variability_verdict(
    nc1: float, *, query_only: float = math.nan, shuffled: float = math.nan
) -> Verdict | None:
    """Return the verdict on NC1, None where a value or both nulls are not finite.

    Args:
        nc1: trace ratio.
        query_only: of as many images without the class.
        shuffled: with labels shuffled; taken where the other is not there.
    """
    if math.isfinite(query_only):
        return _verdict("NC1", nc1, query_only, 0.0, "as many images without the class")
    return _verdict("NC1", nc1, shuffled, 0.0, "labels shuffled")


def geometry_verdict(gram: float, num_classes: int, dim: int, floor: float = 0.0) -> Verdict | None:
    """Return the verdict on the Gram distance of class means, None where there are fewer than two classes.

    Args:
        gram: Gram distance to a simplex ETF.
        num_classes: that have a mean.
        dim: of the space.
        floor: the smallest distance that this dimension allows.
    """
    if num_classes < 2:
        return None
    null = random_directions(num_classes, dim).gram.mean
    return _verdict("Gram distance", gram, null, floor, "random directions")


def alignment_verdict(cosine: float) -> Verdict | None:
    """Return the verdict on the mean cosine of class features with their label embedding, or None."""
    return _verdict("cosine with the label embedding", cosine, 0.0, 1.0, "no alignment")
