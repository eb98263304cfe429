"""Is a run collapsed, partly, or not: one rule for variability, geometry and alignment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from mlcnc.metrics.geometry import gram_distance_floor
from mlcnc.metrics.random_directions import RandomDirections, random_directions
from mlcnc.store import Run

Label = Literal["collapsed", "partly", "not", "given"]

COLLAPSED, PARTLY = 0.1, 0.5
"""Shares of the way from the optimum to the null, up to which a value is called collapsed or partly so."""

PLACES = (
    "Of the way from optimum to null: **collapsed** (or aligned) within a tenth, **partly** within half, "
    "**not** beyond."
)

RULES = {
    "variability": (
        "Value: share of variance within classes, NC1 / (1 + NC1); optimum 0.",
        "Null: as many images without the class; where that was not logged, shuffled labels.",
        PLACES,
    ),
    "geometry": (
        "Value: Gram distance of class means, or of trained vectors, to a simplex ETF; optimum 0, or what the "
        "dimension allows.",
        "Null: as many random directions. Vectors fixed before training are given, and not judged.",
        PLACES,
    ),
    "alignment": (
        "Value: cosine of class features with their own label embedding; optimum 1.",
        "Null: the greatest of that with other embeddings, that of images without the class, and 0.",
        PLACES,
    ),
}
"""What each quantity is judged by: its value and optimum, its null, and what the words mean."""

RULE = (
    " ".join(f"{name.capitalize()}. {' '.join(lines[:2])}" for name, lines in RULES.items()) + f" {PLACES} "
    "What reaches its optimum no nearer than its null is not collapsed, or not aligned, even at the optimum; "
    "two class means say nothing, as they always lie opposite each other."
)

_RANK = {"collapsed": 0, "partly": 1, "not": 2}

NO_DISTANCE = 1e-6
"""Between a null and an optimum that are the same."""


class Verdict(NamedTuple):
    """Where a value stands between its optimum and its null.

    Attributes:
        label: by :data:`RULE`; ``given`` of what no training made.
        share: how far the value lies from the optimum, as a share of the null's distance.
        text: value, null and optimum in words.
        state: what it is called at its optimum.
    """

    label: Label
    share: float
    text: str
    state: str = "collapsed"

    @property
    def words(self) -> str:
        """The label as it is said of a run, ``partly collapsed``."""
        if self.label == "given":
            return "given, not trained"
        return self.state if self.label == "collapsed" else f"{self.label} {self.state}"


class Verdicts(NamedTuple):
    """Of one space of a run at one epoch; None where it is not defined or not logged."""

    variability: Verdict | None
    geometry: Verdict | None
    alignment: Verdict | None


def run_verdicts(run: Run, *, split: str, space: str) -> Verdicts:
    """Return the verdicts on a run at the last epoch that measured the space.

    Args:
        run: of which.
        split, space: of the features.

    Raises:
        StoreError: the run cannot be read.
    """
    prefix = f"{split}.{space}"
    names = [f"{prefix}/{name}" for name in _READ]
    lines = [line for line in run.metrics(names) if any(name in line for name in names)]
    dim = next((each.dim for each in run.spaces if each.name == space), None)
    return verdicts_of(lines[-1] if lines else {}, prefix, dim)


def verdicts_of(metrics: Mapping[str, float], prefix: str, dim: int | None) -> Verdicts:
    """Return the verdicts on what was logged of one epoch.

    Args:
        metrics: by full name.
        prefix: split and space, ``test.f``.
        dim: of the space, None where it is not known.
    """
    nc1, query_only, shuffled, gram, number, cosine, others, without = (
        metrics.get(f"{prefix}/{name}", math.nan) for name in _READ
    )
    geometry = None
    if dim is not None and number >= 2:
        null = random_directions(int(number), dim)
        geometry = geometry_verdict(gram, null, gram_distance_floor(int(number), dim))
    return Verdicts(
        variability_verdict(nc1, query_only=query_only, shuffled=shuffled),
        geometry,
        alignment_verdict(cosine, others=others, without=without),
    )


def way_sentence(test: Verdicts, train: Verdicts, *, when: str, space: str) -> str:
    """Return how far from collapse a run is: the share of the way from null to optimum that it has come.

    Args:
        test, train: verdicts on the features of both splits.
        when: ``epoch 7``.
        space: of the features.

    Returns:
        One sentence that begins with the lesser of variability and geometry, for alignment is no part of
        collapse; empty where test features have neither.
    """
    ways = {
        name: f"{_way(of)} in {name}" + (f" (train {_way(own)})" if own else "")
        for name, of, own in zip(Verdicts._fields, test, train, strict=True)
        if of is not None
    }
    aligned = ways.pop("alignment", "")
    if not ways:
        return ""
    furthest = max((of for of in (test.variability, test.geometry) if of), key=lambda verdict: verdict.share)
    words = "collapsed" if furthest.label == "collapsed" else f"{furthest.label} collapsed"
    return (
        f"{words.capitalize()} at {when}: of the way from the null to the optimum, test features {space} have "
        f"come {' and '.join(ways.values())}" + (f"; {aligned}." if aligned else ".")
    )


def carry_over_sentence(train: Verdict | None, test: Verdict | None) -> str:
    """Return that an alignment of training images does not carry over to test images; empty where it does.

    Args:
        train, test: verdicts on the alignment of both splits, None where they are not known.
    """
    if train is None or train.label == "not" or test is None or _RANK[test.label] <= _RANK[train.label]:
        return ""
    return (
        f"Training features are {train.words}, but test features are {test.words}: what training reached "
        "holds for training images and does not carry over to test images."
    )


def _way(verdict: Verdict) -> str:
    # rounded down, so that 90 % is what the rule calls collapsed
    return f"{math.floor(100 * max(0.0, min(1.0, 1.0 - verdict.share)) + 1e-9)}%"


_READ = (
    "nc1_trace",
    "nc1_trace_query_only",
    "nc1_trace_shuffled",
    "nc2_gram",
    "num_classes",
    "alignment_positive",
    "alignment_positive_others",
    "alignment_negative",
)


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
        f"NC1 {_short(nc1)}: {within:.0%} of the variance lies within classes; {words}: {of_null:.0%}; "
        "at collapse 0"
    )
    if within >= 0.0 and abs(of_null) < NO_DISTANCE:  # the query alone collapses
        return Verdict("not", 1.0, text)
    return _verdict(within, of_null, 0.0, text)


def geometry_verdict(gram: float, null: RandomDirections, floor: float = 0.0) -> Verdict | None:
    """Return the verdict on the Gram distance of class means, or None where it is not defined.

    Args:
        gram: Gram distance to a simplex ETF.
        null: random directions, as many as there are classes, of the same space.
        floor: the smallest distance that this dimension allows.
    """
    random = null.gram.mean
    than = "further from an ETF than random directions," if gram > null.gram.high else "random directions:"
    text = f"Gram distance {gram:.3f}; {than} {random:.3f}; at collapse {floor:.3g}"
    return _verdict(gram, random, floor, text)


def given_verdict(gram: float) -> Verdict:
    """Return that vectors with this Gram distance were fixed before training: no result, good or bad."""
    return Verdict("given", 0.0, f"fixed before training, no result of it; Gram distance {gram:.3f}")


def alignment_verdict(cosine: float, *, others: float = math.nan, without: float = math.nan) -> Verdict | None:
    """Return the verdict on the mean cosine of class features with their own label embedding, or None.

    Args:
        cosine: of images with the class.
        others: of the same features, with the label embeddings of the other classes.
        without: of images without the class, with the label embedding of the class.
    """
    known = {"other embeddings": others, "images without the class": without}
    known = {words: value for words, value in known.items() if math.isfinite(value)}
    null = max(0.0, *known.values()) if known else 0.0
    beside = ", ".join(f"{words} {value:z.2f}" for words, value in known.items())
    text = (
        f"cosine with the own label embedding {cosine:z.2f}; null: {null:.2f}"
        f"{f' ({beside})' if beside else ''}; aligned: 1"
    )
    if math.isfinite(cosine) and 1.0 - null < NO_DISTANCE:  # all embeddings alike, or the query alone aligns
        return Verdict("not", 1.0, text, "aligned")
    found = _verdict(cosine, null, 1.0, text)
    return found and found._replace(state="aligned")


def _short(value: float) -> str:
    return (
        f"{value:,.0f}"
        if value >= 100
        else f"{value:.2g}"
        if value >= 0.001
        else "0"
        if value == 0
        else "under 0.001"
    )


def _verdict(value: float, null: float, optimum: float, text: str) -> Verdict | None:
    if not (math.isfinite(value) and math.isfinite(null)) or abs(null - optimum) < NO_DISTANCE:
        return None
    share = (value - optimum) / (null - optimum)
    return Verdict("collapsed" if share <= COLLAPSED else "partly" if share <= PARTLY else "not", share, text)
