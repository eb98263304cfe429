"""Angles of a run at every epoch that stored them, for a chart that moves through training."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry.angles import AngleRecord, Centring, class_mean_angles
from mlcnc.analysis.geometry.vector_angles import gram_angles
from mlcnc.analysis.runs.history import History, history_of
from mlcnc.store import Run

Subject = Literal["class means", "label embedding", "classifier"]
SUBJECTS: tuple[Subject, ...] = ("class means", "label embedding", "classifier")
BIN_DEGREES = 3


AngleHistory = History[AngleRecord]


def angle_history(run: Run, *, subject: Subject, split: str, space: str, centring: Centring) -> AngleHistory:
    """Return the angles at every stored epoch.

    Args:
        run: of which.
        subject: between what; ``split``, ``space`` and ``centring`` matter to class means only.
        split: ``train`` or ``test``.
        space: ``f`` or ``mu``.
        centring: of class means.
    """

    def record_of(epoch: int) -> AngleRecord | None:
        if subject == "class means":
            return class_mean_angles(run, epoch, split=split, space=space, centring=centring)
        return gram_angles(run, epoch, subject)

    return history_of(run, record_of)


def angle_counts(record: AngleRecord) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many pairs of classes have angles in each bin of three degrees.

    Returns:
        Lower edges 0, 3, ..., 177 and counts, both (60,); 180 degrees belong to the last bin, undefined
        angles to none.
    """
    values = record.angles[np.triu_indices(len(record.angles), k=1)]
    edges = np.arange(0, 180 + BIN_DEGREES, BIN_DEGREES)
    # an angle of exactly 90 may come out a hair below it
    counts, _ = np.histogram(values[np.isfinite(values)].round(6), bins=edges)
    return edges[:-1], counts.astype(np.int64)


def angle_of_pair(record: AngleRecord, first: str, second: str) -> float:
    """Return the angle between two classes by name, degrees; NaN where one is not of the record."""
    if first not in record.class_names or second not in record.class_names:
        return float("nan")
    return float(record.angles[record.class_names.index(first), record.class_names.index(second)])
