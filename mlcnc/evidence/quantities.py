"""What experiments report of a run, each taken from its logged lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mlcnc.metrics.random_directions import random_directions

Lines = Sequence[Mapping[str, float]]
Reading = Callable[[Lines, Mapping[str, Any]], float]


class Quantity(NamedTuple):
    """A number of a run.

    Attributes:
        title: with the unit in brackets, if it has one.
        digits: after the point.
        read: from the logged lines of a run, oldest first, and its settings to the number; NaN where it was
            not logged.
        optimum: what it is at collapse; None where that is not one number.
    """

    title: str
    digits: int
    read: Reading
    optimum: float | None = None


def last(name: str) -> Reading:
    """Return what reads a logged value at the last epoch."""
    return lambda lines, _: _last(lines, name)


def _last(lines: Lines, name: str) -> float:
    return lines[-1].get(name, math.nan) if lines else math.nan


def _share(name: str, null: str) -> Reading:
    def read(lines: Lines, _: Mapping[str, Any]) -> float:
        of = _last(lines, null)
        return _last(lines, name) / of if of > 0 else math.nan

    return read


def _nc2_share(lines: Lines, config: Mapping[str, Any]) -> float:
    num_classes, dim = _last(lines, "train.f/num_classes"), config["method"].get("embedding_dim")
    if dim is None or not num_classes > 1:
        return math.nan
    return _last(lines, "train.f/nc2_gram") / random_directions(int(num_classes), int(dim)).gram.mean


def _movement(name: str) -> Reading:
    """Return what reads by which share of its last value a logged one moved over the last quarter of epochs."""

    def read(lines: Lines, _: Mapping[str, Any]) -> float:
        if not lines:
            return math.nan
        final = lines[-1]["epoch"]
        late = [line[name] for line in lines if name in line and line["epoch"] >= 0.75 * final]
        if len(late) < 3 or late[-1] == 0:
            return math.nan
        return (max(late) - min(late)) / abs(late[-1])

    return read


MAP = ("map_total", "map_head", "map_medium", "map_tail")
MAP_AND_G = (*MAP, "g_map")
CENTRINGS = ("none", "class", "sample", "all")
ANGLES = tuple(f"angle_{which}_{centring}" for which in ("mean", "min") for centring in CENTRINGS)
COLLAPSE = (
    "alignment",
    "alignment_test",
    "nc1",
    "nc1_share",
    "nc1_moves",
    "nc2",
    "nc2_share",
    "nc3",
    "angle_min",
)
BUCKETS = ("total", "head", "medium", "tail")

QUANTITIES: dict[str, Quantity] = {
    **{f"map_{name}": Quantity(f"{name} mAP (%)", 2, last(f"test/map_{name}")) for name in BUCKETS},
    "g_map": Quantity("G-mAP (%)", 2, last("test/g_map")),
    "alignment": Quantity("alignment, train f (cosine)", 3, last("train.f/alignment_positive"), 1.0),
    "alignment_test": Quantity("alignment, test f (cosine)", 3, last("test.f/alignment_positive"), 1.0),
    "nc1": Quantity("NC1, train f", 3, last("train.f/nc1_trace"), 0.0),
    "nc1_share": Quantity(
        "NC1 over that of as many images without the class, train f",
        3,
        _share("train.f/nc1_trace", "train.f/nc1_trace_query_only"),
        0.0,
    ),
    "nc1_moves": Quantity("movement of NC1 over the last quarter (share)", 3, _movement("train.f/nc1_trace")),
    "alignment_moves": Quantity(
        "movement of the alignment over the last quarter (share)", 3, _movement("train.f/alignment_positive")
    ),
    "nc2": Quantity("Gram distance, train f", 3, last("train.f/nc2_gram"), 0.0),
    "nc2_share": Quantity("Gram distance over that of random directions, train f", 3, _nc2_share, 0.0),
    "nc3": Quantity(
        "cosine of class means and label embedding, train f", 3, last("train.f/nc3_label_embedding_none"), 1.0
    ),
    "angle_min": Quantity("smallest centred angle, test f (degrees)", 1, last("test.f/angle_min_class")),
    **{
        f"angle_{which}_{centring}": Quantity(
            f"{which} angle, centring {centring}, test f (degrees)",
            1,
            last(f"test.f/angle_{which}_{centring}"),
        )
        for which in ("mean", "min")
        for centring in CENTRINGS
    },
}
"""By key."""
