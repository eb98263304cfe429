"""The mean angle of class means under every centring: which one does Figure 3 of the paper show?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.errors import RunFormatError
from mlcnc.etf import optimal_cosine
from mlcnc.metrics import CENTRINGS, angle_summary
from mlcnc.metrics.geometry import Centring, angles_of, pairwise_cosines
from mlcnc.metrics.summary import centred_or_none
from mlcnc.store import Run


@dataclass(frozen=True)
class Centred:
    """Angles between class means of one run under each centring, degrees.

    Attributes:
        run_id, epoch: of which; the last epoch with arrays, from 0.
        mean, minimum, std: by centring; NaN where the run did not store what it takes.
    """

    run_id: str
    epoch: int
    mean: dict[Centring, float]
    minimum: dict[Centring, float]
    std: dict[Centring, float]


def centred_angles(run: Run, split: str, space: str) -> Centred:
    """Return the angles of the last epoch with arrays under every centring.

    Raises:
        RunFormatError: the run stored no class statistics.
    """
    epochs = run.array_epochs()
    statistics = stored_statistics(run.arrays(epochs[-1]), f"{split}.{space}") if epochs else None
    if statistics is None:
        raise RunFormatError(f"run {run.run_id} stored no class statistics of {split} {space}")
    found = {}
    for centring in CENTRINGS:
        centred = centred_or_none(statistics, centring)
        if centred is not None:
            found[centring] = angle_summary(angles_of(pairwise_cosines(centred)))
    nan = float("nan")
    return Centred(
        run_id=run.run_id,
        epoch=epochs[-1],
        mean={c: found[c].mean if c in found else nan for c in CENTRINGS},
        minimum={c: found[c].minimum if c in found else nan for c in CENTRINGS},
        std={c: found[c].std if c in found else nan for c in CENTRINGS},
    )


def shared_direction(mean_angle_degrees: float, num_classes: int) -> float:
    """Return the length b of a shared direction, added to an ETF of unit vectors, that gives this angle.

    Returns:
        0 at the ETF's own angle, NaN beyond it.

    Source: ours: cos = (b^2 + t) / (b^2 + 1), t = -1/(C-1).

    Example:
        >>> round(shared_direction(78.0, 20), 2), round(shared_direction(43.0, 20), 2)
        (0.57, 1.71)
    """
    cosine, optimum = math.cos(math.radians(mean_angle_degrees)), optimal_cosine(num_classes)
    squared = (cosine - optimum) / (1.0 - cosine) if cosine < 1 else math.inf
    return math.sqrt(squared) if squared >= 0 else float("nan")
