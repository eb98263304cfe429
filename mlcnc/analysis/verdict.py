"""Is a run collapsed, partly, or not: one rule for variability, geometry and alignment."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from mlcnc.metrics.random_directions import RandomDirections

Label = Literal["collapsed", "partly", "not"]

COLLAPSED, PARTLY = 0.1, 0.5
"""Shares of the way from the optimum to the null, up to which a value is called collapsed or partly so."""

RULE = (
    "Each value is placed between its optimum, which is collapse, and its null, which no collapse gives: "
    "**collapsed** within a tenth of the way from the optimum to the null, **partly** within half of it, "
    "**not** beyond. Of NC1 the share of variance within classes is taken, NC1 / (1 + NC1), from 0 at collapse "
    "to 1; its null is that of as many images without the class where it was logged (what the class query "
    "alone makes of any image), else that of shuffled labels. The null of the Gram distance is that of as "
    "many random directions, that of the alignment a cosine of 0."
)


class Verdict(NamedTuple):
    """Where a value stands between its optimum and its null.

    Attributes:
        label: by :data:`RULE`.
        share: how far the value lies from the optimum, as a share of the null's distance.
        text: value, null and optimum in words.
    """

    label: Label
    share: float
    text: str


def variability_verdict(
    nc1: float, *, query_only: float = math.nan, shuffled: float = math.nan
) -> Verdict | None:
    """Return the verdict on NC1, None where it or both nulls are not finite.

    Args:
        nc1: trace ratio.
        query_only: of as many images without the class.
        shuffled: with labels shuffled; taken where the other is not there.
    """
    null, words = query_only, "as many images without the class"
    if not math.isfinite(null):
        null, words = shuffled, "labels shuffled"
    within, of_null = (value / (1.0 + value) for value in (nc1, null))
    text = (
        f"NC1 {nc1:.3g}: {within:.0%} of the variance lies within classes; {words}: {of_null:.0%}; "
        "at collapse 0"
    )
    return _verdict(within, of_null, 0.0, text)


def geometry_verdict(gram: float, null: RandomDirections, floor: float = 0.0) -> Verdict | None:
    """Return the verdict on the Gram distance of class means, or None where it is not defined.

    Args:
        gram: Gram distance to a simplex ETF.
        null: random directions, as many as there are classes, of the same space.
        floor: the smallest distance that this dimension allows.
    """
    random = null.gram.mean
    text = f"Gram distance {gram:.3g}; random directions: {random:.3g}; at collapse {floor:.3g}"
    return _verdict(gram, random, floor, text)


def alignment_verdict(cosine: float) -> Verdict | None:
    """Return the verdict on the mean cosine of class features with their label embedding, or None."""
    return _verdict(
        cosine, 0.0, 1.0, f"cosine with the label embedding {cosine:.3g}; unaligned: 0; at collapse 1"
    )


def _verdict(value: float, null: float, optimum: float, text: str) -> Verdict | None:
    if not (math.isfinite(value) and math.isfinite(null)) or null == optimum:
        return None
    share = (value - optimum) / (null - optimum)
    return Verdict("collapsed" if share <= COLLAPSED else "partly" if share <= PARTLY else "not", share, text)
