"""Whether features collapse when trained longer: what each row reached, and a recorded run before that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import fsum, isfinite
from typing import Any

from mlcnc.evidence.experiments import COLLAPSED
from mlcnc.evidence.quantities import QUANTITIES
from mlcnc.evidence.rows import LONGER
from mlcnc.store import Run

SHOWN = ("nc1", "nc1_share", "angle_min", "alignment", "alignment_test")


def trained_epochs(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """Return how long the rows of a longer training are trained, as their names say it; None where not one."""
    found = {int(number) for row in rows for number in re.findall(r"(\d{1,6}) epochs", row["name"])}
    return found.pop() if len(found) == 1 else None


def before_longer(run: Run, epochs: int) -> dict[str, Any] | None:
    """Return a row of results: what a run of so many epochs had when a usual training ends.

    Args:
        run: of which.
        epochs: of the longer training.

    Returns:
        The first measured epoch from the usual end on; None where the run is another training or measured none.
    """
    if run.info.config.get("training", {}).get("epochs") != epochs:
        return None
    lines = run.metrics()
    usual = epochs // LONGER
    at = next((i for i, line in enumerate(lines) if i + 1 >= usual and "train.f/nc1_trace" in line), None)
    if at is None:
        return None
    values = {}
    for key in SHOWN:
        value = QUANTITIES[key].read(lines[: at + 1], run.info.config)
        told = value if isfinite(value) else None
        values[key] = {"mean": told, "lowest": told, "highest": told, "runs": [told]}
    weight = run.info.config.get("method", {}).get("alignment_weight")
    of = f", alpha {weight:g}" if isinstance(weight, int | float) else ""
    return {"name": f"{run.run_id}{of}, at epoch {at + 1}", "values": values}


def null_of_nc1(row: Mapping[str, Any]) -> float | None:
    """Return NC1 of as many images without the class, mean over seeds; None where it was not measured."""
    values, shares = (row["values"].get(name, {}).get("runs", ()) for name in ("nc1", "nc1_share"))
    if not values or len(values) != len(shares) or not all(values) or not all(shares):
        return None
    return fsum(value / share for value, share in zip(values, shares, strict=True)) / len(values)


def longer_answer(
    rows: Sequence[Mapping[str, Any]], earlier: Sequence[Mapping[str, Any]], etf: float | None
) -> str:
    """Return whether features collapse in a longer training, over all its rows; empty where none measured it.

    Args:
        rows: of results, at the end.
        earlier: rows of the same weight of alignment when a usual training ends, as their names say.
        etf: angle of the optimum.
    """
    shares = [row["values"].get("nc1_share", {}).get("mean") for row in rows]
    known = [share for share in shares if share is not None]
    said = []
    if known:
        drawn = sum(share < COLLAPSED for share in known)
        said.append(f"the features of a class draw together in {drawn} of {len(known)} rows")
    ends = [(row["name"], row["values"].get("angle_min", {}).get("mean")) for row in rows]
    courses = []
    for name, end in ends:
        if end is None:
            continue
        weight = re.search(r"alpha ([\d.]+)", name)
        starts = [
            start
            for row in earlier
            if weight
            and re.search(rf"alpha {re.escape(weight[1])},", row["name"])
            and (start := row["values"].get("angle_min", {}).get("mean")) is not None
        ]
        of = f" with {weight[0]}" if weight else f" in {name}"
        courses.append((f"from {starts[0]:.1f}° to {end:.1f}°" if starts else f"to {end:.1f}°") + of)
    if courses and etf is not None:
        said.append(f"the closest class means come {' and '.join(courses)}, where an ETF has {etf:.1f}°")
    if not said:
        return ""
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def collapse_answer(row: Mapping[str, Any], etf: float | None) -> str:
    """Return whether a row's features collapse, and how far apart its class means come to stand.

    Args:
        row: of results; one that lacks a quantity has no sentence on it.
        etf: angle of the optimum.
    """
    mean = {key: value["mean"] for key, value in row["values"].items()}
    null, said = null_of_nc1(row), []
    if null is not None:
        nc1, share = mean["nc1"], mean["nc1_share"]
        said.append(
            f"the features of a class {'draw together' if share < COLLAPSED else 'do not draw together'}, NC1 "
            f"is {nc1:.2g}, that is {100 * share:.2g} % of the {null:.2g} that as many images without it have"
        )
    if mean.get("angle_min") is not None and etf is not None:
        said.append(
            f"the two closest class means stand {mean['angle_min']:.1f}° apart, those of an ETF {etf:.1f}°"
        )
    return f"{row['name']}: {'; '.join(said)}." if said else ""
