"""What recorded results say of the alignment loss: cosines and accuracy over its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAPER_WEIGHT = 0.5
HARDLY, WELL = 0.25, 0.6
"""Cosines below which features hardly align, and from which they do."""


@dataclass(frozen=True)
class WeightCourse:
    """Means over seeds of one label embedding, over the weights at which all three were measured.

    Attributes:
        series: name of the label embedding.
        weights: of the alignment loss, rising.
        train, test: cosine of class features with their label embedding.
        map_total: test mAP in percent.
    """

    series: str
    weights: tuple[float, ...]
    train: tuple[float, ...]
    test: tuple[float, ...]
    map_total: tuple[float, ...]


def weight_courses(tree: Mapping[str, Any]) -> list[WeightCourse]:
    """Return a course for each label embedding of a study over the weight, in its order.

    Args:
        tree: results, of which rows that were not trained have no values.
    """
    points: dict[str, list[tuple[float, ...]]] = {}
    for row in tree["rows"]:
        means = [
            row["values"].get(name, {}).get("mean") for name in ("alignment", "alignment_test", "map_total")
        ]
        weight = _number(row.get("at"))
        if weight is not None and None not in means:
            points.setdefault(str(row["series"]), []).append((weight, *means))
    columns = {series: tuple(zip(*sorted(found), strict=True)) for series, found in points.items()}
    return [WeightCourse(series, *values) for series, values in columns.items()]


def alignment_answer(courses: Sequence[WeightCourse]) -> str:
    """Return whether alignment aligns: at the weight of the paper, else the least, and at the largest one.

    Args:
        courses: at least one, of which the first is told.
    """
    course = courses[0]
    last = len(course.weights) - 1
    shown = sorted({course.weights.index(PAPER_WEIGHT) if PAPER_WEIGHT in course.weights else 0, last})
    said = [
        f"weight {course.weights[at]:g}: {_how(course.train[at])}, cosine {course.train[at]:.2f} on training "
        f"and {course.test[at]:.2f} on test images"
        for at in shown
    ]
    return f"{course.series}, {'; '.join(said)}."


def _how(cosine: float) -> str:
    return "hardly" if cosine < HARDLY else "half way" if cosine < WELL else "yes"


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
