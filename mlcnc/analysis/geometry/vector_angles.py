"""Angles between label embeddings or classifier vectors, of which the Gram matrix tells all."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mlcnc.analysis.geometry.angles import AngleRecord, angle_record
from mlcnc.analysis.verdict import geometry_verdict, given_verdict
from mlcnc.metrics.geometry import distance_of_gram, gram_distance_floor
from mlcnc.metrics.random_directions import random_directions
from mlcnc.store import ArrayFile, Run

_ETF = (
    "It is a simplex ETF fixed before training: its equal angles hold by construction, no training made them."
)
_GIVEN = {
    ("classifier", "fixed"): _ETF,
    ("classifier", "block_aligned"): _ETF,
    ("label embedding", "etf"): _ETF,
    (
        "label embedding",
        "glove",
    ): "These are word vectors fixed before training: no training made their angles.",
}
"""By subject and setting, that vectors were given."""


def gram_angles(run: Run, epoch: int, subject: Literal["label embedding", "classifier"]) -> AngleRecord | None:
    """Return the (uncentred) angles between label embeddings or classifier vectors, or None.

    Raises:
        RunFormatError: the file of the epoch is missing or damaged.
    """
    arrays = run.arrays(epoch)
    name = f"{subject.replace(' ', '_')}/gram"
    if name not in arrays:
        return None
    gram = arrays.get(name).astype(np.float64)
    norms = np.sqrt(np.diag(gram))
    cosines = gram / np.where(norms > 0, norms, np.nan)[:, None] / np.where(norms > 0, norms, np.nan)[None, :]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    np.fill_diagonal(angles, np.where(norms > 0, 0.0, np.nan))
    # the Gram matrix is enough: the vectors themselves need not be stored
    distance = distance_of_gram(gram)
    given = _GIVEN.get((subject, run.info.config.get("method", {}).get(subject.replace(" ", "_"))), "")
    number, dim = int((norms > 0).sum()), _dim_of_vectors(run, arrays, subject)
    floor, null, verdict = 0.0, None, given_verdict(distance) if given else None
    if dim is not None and number >= 2:
        floor = gram_distance_floor(number, dim)
        null = random_directions(number, dim, centred=False, gram_centred=False)
        verdict = verdict or geometry_verdict(distance, null, floor)
    return angle_record(
        run,
        epoch,
        f"{subject} vectors, uncentred",
        angles,
        gram=distance,
        floor=floor,
        null=null,
        verdict=verdict,
        dim=dim,
        given=given,
    )


def _dim_of_vectors(run: Run, arrays: ArrayFile, subject: str) -> int | None:
    """Return the dimension of vectors of which the Gram matrix alone may be stored.

    A label embedding has that of the features of a class, a classifier that of the features of an image.
    """
    name = f"{subject.replace(' ', '_')}/weight"
    if name in arrays:
        return int(arrays.get(name).shape[1])
    kind = "class" if subject == "label embedding" else "image"
    dims = [space.dim for space in run.spaces if space.kind == kind and space.name in ("f", "z", "concat")]
    return dims[0] if len(dims) == 1 else None
