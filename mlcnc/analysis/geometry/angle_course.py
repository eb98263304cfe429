"""How the angles of a run go over all epochs that measured them, and what to hold them against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlcnc.analysis.curves.curve import Curve, curve
from mlcnc.analysis.curves.nulls import Band
from mlcnc.analysis.geometry.angle_history import AngleHistory, Subject
from mlcnc.analysis.geometry.angles import AngleRecord, Centring
from mlcnc.metrics.random_directions import random_directions
from mlcnc.store import Run

Quantity = Literal["smallest angle", "Gram distance"]
QUANTITIES: tuple[Quantity, ...] = ("smallest angle", "Gram distance")


@dataclass(frozen=True)
class AngleCourse:
    """One number of the angles of a run over epochs, with its optimum and its null.

    Attributes:
        quantity: which number.
        curve: of the run; epoch 0 is the untrained network, where it was measured.
        optimum: of a simplex ETF, or the least that the dimension allows; NaN where there is none.
        null: as many random directions; None where it is not known.
    """

    quantity: Quantity
    curve: Curve
    optimum: float
    null: Band | None


def angle_course(
    run: Run,
    history: AngleHistory,
    *,
    quantity: Quantity,
    subject: Subject,
    split: str,
    space: str,
    centring: Centring,
) -> AngleCourse:
    """Return the number at every epoch that logged it; at the stored epochs where none did.

    Args:
        run: of which.
        history: its angles at the stored epochs, at least one.
        quantity: the smallest angle in degrees, or the Gram distance to a simplex ETF.
        subject, split, space, centring: of the history; the Gram distance of class means is centred by class.
    """
    name = f"angle_min_{centring}" if quantity == "smallest angle" else "nc2_gram"
    found = curve(run, f"{split}.{space}/{name}") if subject == "class means" else None
    if found is None or not len(found.epochs):
        found = Curve(
            run.run_id,
            np.array([record.epoch + 1 for record in history.records], dtype=np.int64),
            np.array([_number(record, quantity) for record in history.records]),
        )
    last = history.records[-1]
    optimum = last.optimum if quantity == "smallest angle" else last.gram_floor
    return AngleCourse(quantity, found, optimum, _null(last, quantity))


def _number(record: AngleRecord, quantity: Quantity) -> float:
    return record.summary.minimum if quantity == "smallest angle" else record.gram


def _null(record: AngleRecord, quantity: Quantity) -> Band | None:
    if record.null is not None:
        return record.null.smallest if quantity == "smallest angle" else record.null.gram
    number = record.summary.num_classes
    # other centrings have no null of angles; the Gram distance is centred by class whatever the angles are
    if quantity == "smallest angle" or record.dim is None or number < 2:
        return None
    return random_directions(number, record.dim).gram
