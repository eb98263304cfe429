"""Angles of a run at every epoch that stored them, for a chart that moves through training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.geometry import AngleRecord, Centring, class_mean_angles, gram_angles
from mlcnc.errors import RunFormatError
from mlcnc.store import Run

Subject = Literal["class means", "label embedding", "classifier"]
SUBJECTS: tuple[Subject, ...] = ("class means", "label embedding", "classifier")
BIN_DEGREES = 3


@dataclass(frozen=True)
class AngleHistory:
    """Angles of one run over its stored epochs.

    Attributes:
        run_id: of the run.
        records: by rising epoch; epochs that did not store what it takes are left out.
        problems: one sentence for each epoch whose file is missing or damaged.
        has_arrays: whether the run stored arrays at any epoch.
    """

    run_id: str
    records: tuple[AngleRecord, ...]
    problems: tuple[str, ...]
    has_arrays: bool

    @property
    def epochs(self) -> list[int]:
        """Epochs with a record, from 0."""
        return [record.epoch for record in self.records]

    def nearest(self, epoch: int) -> AngleRecord:
        """Return the record nearest to an epoch, the later of two equally near ones.

        Raises:
            ValueError: there is no record.
        """
        return min(self.records, key=lambda record: (abs(record.epoch - epoch), -record.epoch))


def angle_history(run: Run, *, subject: Subject, split: str, space: str, centring: Centring) -> AngleHistory:
    """Return the angles at every stored epoch.

    Args:
        run: of which.
        subject: between what; ``split``, ``space`` and ``centring`` matter to class means only.
        split: ``train`` or ``test``.
        space: ``f`` or ``mu``.
        centring: of class means.
    """
    records: list[AngleRecord] = []
    problems: list[str] = []
    for epoch in run.array_epochs():
        try:
            if subject == "class means":
                record = class_mean_angles(run, epoch, split=split, space=space, centring=centring)
            else:
                record = gram_angles(run, epoch, subject)
        except RunFormatError as error:
            problems.append(str(error))
            continue
        if record is not None:
            records.append(record)
    return AngleHistory(run.run_id, tuple(records), tuple(problems), bool(run.array_epochs()))


def shown_epochs(histories: Sequence[AngleHistory], limit: int) -> tuple[list[int], int]:
    """Return the epochs a chart of these runs moves through, and how many there would be without a limit.

    Every epoch that any of the runs stored is one; of more than ``limit``, evenly spread ones, the first and
    the last among them.
    """
    every = sorted({epoch for history in histories for epoch in history.epochs})
    if len(every) <= limit:
        return every, len(every)
    places = np.unique(np.linspace(0, len(every) - 1, max(2, limit)).round().astype(int))
    return [every[place] for place in places], len(every)


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
