"""How far trainable label embeddings moved from where they began."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mlcnc.analysis.runs.rows import summary
from mlcnc.metrics.random_directions import random_directions
from mlcnc.store import Run

METRIC = "label_embedding/drift_cosine"


@dataclass(frozen=True)
class EmbeddingDrift:
    """One run with a trainable label embedding at its last epoch.

    Attributes:
        run_id: of the run.
        dim: of the embedding, or None where the config names none.
        cosine: of the embeddings with their start, mean over classes.
    """

    run_id: str
    dim: int | None
    cosine: float

    @property
    def random_spread(self) -> float | None:
        """About the standard deviation, in degrees, of the angles of random vectors around 90."""
        return None if self.dim is None else float(np.degrees(1 / np.sqrt(self.dim)))


def closest_of_random(num_classes: int, dim: int) -> float:
    """Return the angle of the closest pair of so many random vectors, in degrees, measured from the origin."""
    return random_directions(num_classes, dim, centred=False).smallest.mean


def embedding_drifts(runs: Iterable[Run]) -> tuple[EmbeddingDrift, ...]:
    """Return the drift of every run with a trainable label embedding that logged it."""
    found = []
    for run in runs:
        row = summary(run).row
        if row.embedding != "trainable":
            continue
        values = [line[METRIC] for line in run.metrics((METRIC,)) if METRIC in line]
        if values and np.isfinite(values[-1]):
            found.append(EmbeddingDrift(run.run_id, row.dim, values[-1]))
    return tuple(found)
