"""What the runs of an experiment reached: a tree of plain values, as JSON and as a table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlcnc.analysis.comparison.bench import Entry, best_rate, diverged, ended, tried_rates
from mlcnc.analysis.comparison.bench_plan import run_seconds
from mlcnc.analysis.comparison.published import published_dataset
from mlcnc.errors import RunFormatError
from mlcnc.evidence.claims import RULE, verdict
from mlcnc.evidence.experiments import EXPERIMENTS, Experiment
from mlcnc.evidence.quantities import BUCKETS, QUANTITIES
from mlcnc.evidence.rows import Row, rates_of
from mlcnc.store import Run, RunStore

FOLDER = "_results"
"""Of a runs folder, in which results lie; no run can have this name."""

VERSION = 1
CSV_COLUMNS = (
    "experiment", "dataset", "kind", "name", "against", "quantity", "mean", "lowest", "highest", "interval_low",
    "interval_high", "n", "published", "verdict", "rate", "seconds_a_run", "run_ids",
)  # fmt: skip


def results(
    store: RunStore,
    experiment: str,
    dataset: str,
    seeds: Sequence[int],
    *,
    rates: Sequence[float] = (),
    command: str = "",
    race: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the results of an experiment from the runs that a folder holds, or from the table of a race.

    Every value is that of the last epoch, to nine significant digits. The learning rate of a row is that of the
    highest validation mAP at the first seed, of those that :func:`tried_rates` names; nothing is chosen on test
    images.

    Args:
        store: of the runs.
        experiment: key of one.
        dataset: its name.
        seeds: of the training.
        rates: that every row begins with; empty takes those of :func:`rates_of`.
        command: that made it.
        race: what ``mlcnc bench`` wrote, of the same data set and seeds, whose runs need not be there any more.

    Returns:
        A tree of plain values: ``rows`` (a row that is not trained with all seeds has no ``runs``), ``claims``,
        ``rule``, ``cost`` in seconds. Numbers that are not finite are None.

    Raises:
        RunFormatError: a file of a run is damaged.
    """
    chosen = EXPERIMENTS[experiment]
    rows = chosen.rows(dataset)
    raced = {} if race is None else {method["key"]: method for method in race["methods"]}
    trained = [
        _row(store, chosen, dataset, row, rates or rates_of(dataset, row.entry, raced=chosen.raced), seeds)
        if race is None
        else _row_of_race(row, raced.get(row.entry.key))
        for row in rows
    ]
    values = {tree["key"]: tree["values"] for tree in trained}
    claims = []
    for claim in chosen.claims(rows):
        first, second = (
            None if key is None else values[key].get(claim.quantity, {}).get("runs")
            for key in (claim.first, claim.second)
        )
        same_data = published_dataset(dataset) is not None
        found = verdict(claim, _numbers(first), _numbers(second), same_data=same_data)
        claims.append({
            "text": claim.text,
            "quantity": claim.quantity,
            "first": claim.first,
            "second": claim.second,
            "than": claim.than if claim.second is None else None,
            "published": claim.published,
            "mean": _plain(found.mean),
            "low": _plain(found.low),
            "high": _plain(found.high),
            "n": found.num_seeds,
            "verdict": found.label,
            "why": found.why,
        })  # fmt: skip
    return {
        "version": VERSION,
        "experiment": experiment,
        "title": chosen.title,
        "question": chosen.question,
        "over": chosen.over,
        "dataset": dataset,
        "seeds": list(seeds),
        "command": command,
        "quantities": {key: QUANTITIES[key].title for key in chosen.quantities},
        "rows": trained,
        "claims": claims,
        "rule": RULE,
        "cost": {
            "runs": sum(tree["num_runs"] for tree in trained),
            "seconds": round(math.fsum(tree["seconds"] for tree in trained), 1),
            "of": "training and measuring" if race is None else "training, every epoch at its quickest",
        },
    }


def _row(
    store: RunStore,
    experiment: Experiment,
    dataset: str,
    row: Row,
    rates: Sequence[float],
    seeds: Sequence[int],
) -> dict[str, Any]:
    entry, tree = row.entry, _empty(row)
    scores, left = tried_rates(store, dataset, entry, rates, seeds[0])
    tree["validation"] = {f"{rate:g}": _plain(score) for rate, score in scores.items()}
    if left is not None:
        return tree
    rate = best_rate(scores)
    runs = _ended(store, dataset, entry, rate, seeds)
    others = [
        run for other in scores if other != rate for run in _ended(store, dataset, entry, other, seeds[:1])
    ]
    tree["num_runs"] = len(runs) + len(others)
    tree["seconds"] = round(math.fsum(run_seconds(run) for run in (*runs, *others)), 1)
    tree["diverged"] = [run.info.seed for run in runs if diverged(run)]
    if len(runs) < len(seeds) or tree["diverged"]:
        return tree
    read = [(run.metrics(), run.info.config) for run in runs]
    tree["rate"] = rate
    tree["run_ids"] = [run.run_id for run in runs]
    for key in experiment.quantities:
        tree["values"][key] = _spread([_told(QUANTITIES[key].read(lines, config)) for lines, config in read])
    return tree


def _told(value: float) -> float:
    """Return a value to nine digits: the last of sixteen hang on the processor and on where arrays lie."""
    return float(f"{value:.9g}")


def _row_of_race(row: Row, raced: Mapping[str, Any] | None) -> dict[str, Any]:
    tree = _empty(row)
    if raced is None:
        return tree
    runs = raced["runs"]
    values = {f"map_{bucket}": [run[bucket] for run in runs] for bucket in BUCKETS}
    tree["values"] = {key: _spread(found) for key, found in values.items() if None not in found}
    tried = len(raced["validation"]) - 1
    return tree | {
        "rate": raced["rate"],
        "validation": dict(raced["validation"]),
        "num_runs": len(runs) + tried,
        "seconds": round(raced["seconds"] * (len(runs) + tried), 1),
    }


def _empty(row: Row) -> dict[str, Any]:
    return {
        "key": row.entry.key,
        "name": row.entry.name,
        "note": row.note,
        "at": row.at,
        "series": row.series,
        "published": row.published.values if row.published else None,
        "published_on": row.published.dataset if row.published else None,
        "rate": None,
        "validation": {},
        "diverged": [],
        "run_ids": [],
        "num_runs": 0,
        "seconds": 0.0,
        "values": {},
    }


def _spread(found: Sequence[float]) -> dict[str, Any]:
    """Return mean, lowest and highest, None where a value is not finite."""
    whole = all(map(math.isfinite, found))
    mean, lowest, highest = (math.fsum(found) / len(found), min(found), max(found)) if whole else [math.nan] * 3
    ends = {"mean": _plain(mean), "lowest": _plain(lowest), "highest": _plain(highest)}
    return {**ends, "runs": [_plain(value) for value in found]}


def _ended(store: RunStore, dataset: str, entry: Entry, rate: float, seeds: Sequence[int]) -> list[Run]:
    known = set(store.run_ids())
    ids = [entry.run_id(dataset, rate, seed) for seed in seeds]
    return [run for run_id in ids if run_id in known and ended(run := store.open(run_id))]


def _numbers(values: Sequence[float | None] | None) -> list[float] | None:
    return None if values is None else [math.nan if value is None else value for value in values]


def _plain(value: float) -> float | None:
    return _told(value) if math.isfinite(value) else None


def as_csv(tree: Mapping[str, Any]) -> str:
    """Return results as CSV: a line for each row and quantity, then one for each claim."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    base = {"experiment": tree["experiment"], "dataset": tree["dataset"]}
    for row in tree["rows"]:
        for key, value in row["values"].items():
            published = (row["published"] or {}).get(key.removeprefix("map_"))
            writer.writerow({
                **base, "kind": "row", "name": row["name"], "quantity": key, "n": len(value["runs"]),
                **{name: value[name] for name in ("mean", "lowest", "highest")},
                "published": "" if published is None else published, "rate": row["rate"],
                "seconds_a_run": round(row["seconds"] / max(1, row["num_runs"]), 1),
                "run_ids": " ".join(row["run_ids"]),
            })  # fmt: skip
    for claim in tree["claims"]:
        writer.writerow({
            **base, "kind": "claim", "name": claim["text"],
            "against": claim["than"] if claim["second"] is None else claim["second"],
            "interval_low": claim["low"], "interval_high": claim["high"],
            **{name: claim[name] for name in ("quantity", "mean", "n", "published", "verdict")},
        })  # fmt: skip
    return stream.getvalue()


def spread_text(value: Mapping[str, Any] | None, quantity: str) -> str:
    """Return a value of a row as a reader wants it: the mean, and of several seeds lowest and highest."""
    if value is None or value["mean"] is None:
        return "-"
    mean, lowest, highest = (
        f"{value[name]:.{QUANTITIES[quantity].digits}f}" for name in ("mean", "lowest", "highest")
    )
    return mean if len(value["runs"]) == 1 else f"{mean} ({lowest} to {highest})"


def read_results(root: str | Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the results in a runs folder, in the order of the experiments, and what is wrong with others.

    Args:
        root: the runs folder.
    """
    found, problems = [], []
    for path in sorted((Path(root) / FOLDER).glob("*.json")):
        try:
            found.append(_checked(path))
        except (OSError, ValueError, RunFormatError) as error:
            problems.append(
                f"{path.name} in {path.parent} cannot be read: {error}; make it again with mlcnc reproduce"
            )
    order = list(EXPERIMENTS)
    return sorted(found, key=lambda tree: (order.index(tree["experiment"]), tree["dataset"])), problems


def _checked(path: Path) -> dict[str, Any]:
    tree = json.loads(path.read_text(encoding="utf-8"))
    if (
        not isinstance(tree, dict)
        or tree.get("version") != VERSION
        or tree.get("experiment") not in EXPERIMENTS
    ):
        raise RunFormatError("it is not a results file of this version")
    shape = {"dataset": str, "title": str, "question": str, "command": str, "rule": str, "seeds": list,
             "quantities": dict, "rows": list, "claims": list, "cost": dict}  # fmt: skip
    for name, kind in shape.items():
        if not isinstance(tree.get(name), kind):
            raise RunFormatError(f"it lacks {name}, or has another kind of it")
    row, claim = (
        {"name", "note", "published", "published_on", "rate", "values", "run_ids", "diverged"},
        {"text", "quantity", "verdict", "mean", "low", "high", "n", "published", "why"},
    )
    for name, keys in (("rows", row), ("claims", claim)):
        if any(not isinstance(each, dict) or not keys <= set(each) for each in tree[name]):
            raise RunFormatError(f"one of its {name} is not whole")
    if not {each["quantity"] for each in tree["claims"]} | set(tree["quantities"]) <= set(QUANTITIES):
        raise RunFormatError("it names a quantity that is not known")
    return tree


def fullness(tree: Mapping[str, Any]) -> int:
    """Return how many runs stand behind the values of results, of which fuller ones are worth more."""
    return sum(max((len(value["runs"]) for value in row["values"].values()), default=0) for row in tree["rows"])
