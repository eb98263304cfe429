"""What random directions give of a metric, to be drawn beside its curve."""

from __future__ import annotations

from collections.abc import Iterable

from mlcnc.metrics.random_directions import Band, random_directions
from mlcnc.store import Run

__all__ = ["Band", "random_null", "shared_null"]

STATISTICS = {"angle_min": "smallest", "angle_mean": "mean", "angle_std": "spread"}


def random_null(run: Run, metric: str) -> Band | None:
    """Return mean and 95 % band of a metric over as many random directions as the run has class means.

    Args:
        run: of which.
        metric: full name; angles centred by ``class`` or uncentred, or the Gram distance.

    Returns:
        None of every other metric, and where number of classes or dimension are not known.

    Raises:
        StoreError: the run cannot be read.
    """
    prefix, _, name = metric.rpartition("/")
    statistic, _, centring = name.rpartition("_")
    if name != "nc2_gram" and (statistic not in STATISTICS or centring not in ("class", "none")):
        return None
    space = prefix.partition(".")[2]
    dim = next((each.dim for each in run.spaces if each.name == space), None)
    lines = [line for line in run.metrics((f"{prefix}/num_classes",)) if f"{prefix}/num_classes" in line]
    number = lines[-1][f"{prefix}/num_classes"] if lines else 0
    if dim is None or not number >= 2:
        return None
    if name == "nc2_gram":
        return random_directions(int(number), dim).gram
    found: Band = getattr(
        random_directions(int(number), dim, centred=centring == "class"), STATISTICS[statistic]
    )
    return found


def shared_null(runs: Iterable[Run], metric: str) -> Band | None:
    """Return :func:`random_null` of runs that all have the same one, else None."""
    found = {random_null(run, metric) for run in runs}
    return found.pop() if len(found) == 1 else None
