"""What a run stored at every epoch, for charts that move through training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from mlcnc.errors import RunFormatError
from mlcnc.store import Run


class OfEpoch(Protocol):
    """A record of one epoch, counted from 0."""

    @property
    def epoch(self) -> int: ...


R = TypeVar("R", bound=OfEpoch)


@dataclass(frozen=True)
class History(Generic[R]):
    """Records of one run over its stored epochs.

    Attributes:
        run_id: of the run.
        records: by rising epoch; epochs that did not store what it takes are left out.
        problems: one sentence for each epoch whose file is missing or damaged.
        has_arrays: whether the run stored arrays at any epoch.
    """

    run_id: str
    records: tuple[R, ...]
    problems: tuple[str, ...]
    has_arrays: bool

    @property
    def epochs(self) -> list[int]:
        """Epochs with a record, from 0."""
        return [record.epoch for record in self.records]

    def nearest(self, epoch: int) -> R:
        """Return the record nearest to an epoch, the later of two equally near ones.

        Raises:
            ValueError: there is no record.
        """
        return min(self.records, key=lambda record: (abs(record.epoch - epoch), -record.epoch))


def history_of(run: Run, record_of: Callable[[int], R | None]) -> History[R]:
    """Return the records of every stored epoch; a damaged epoch is a problem, not an end.

    Args:
        run: of which.
        record_of: from an epoch to its record, or None where it stored too little.
    """
    records: list[R] = []
    problems: list[str] = []
    stored = run.array_epochs()
    for epoch in stored:
        try:
            record = record_of(epoch)
        except RunFormatError as error:
            problems.append(str(error))
            continue
        if record is not None:
            records.append(record)
    return History(run.run_id, tuple(records), tuple(problems), bool(stored))


def shown_epochs(histories: Sequence[History[Any]], limit: int) -> tuple[list[int], int]:
    """Return the epochs a chart of these runs moves through, and how many there would be without a limit.

    Every epoch that any of the runs stored is one; of more than ``limit``, evenly spread ones, the first and
    the last among them.
    """
    every = sorted({epoch for history in histories for epoch in history.epochs})
    if len(every) <= limit:
        return every, len(every)
    places = np.unique(np.linspace(0, len(every) - 1, max(2, limit)).round().astype(int))
    return [every[place] for place in places], len(every)
