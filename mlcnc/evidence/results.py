"""What the runs of an experiment reached: a tree of plain values, as JSON and as a table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlcnc.analysis.comparison.bench import Entry, best_rate, last_values, tried_rates
from mlcnc.analysis.comparison.bench_plan import run_seconds
from mlcnc.errors import RunFormatError
from mlcnc.evidence.claims import RULE, verdict
from mlcnc.evidence.experiments import EXPERIMENTS, Row, rates_of
from mlcnc.evidence.quantities import QUANTITIES
from mlcnc.store import Run, RunStore

FOLDER = "results"
"""Of a runs folder, in which results lie."""

VERSION = 1
CSV_COLUMNS = (
    "experiment", "dataset", "kind", "name", "against", "quantity", "mean", "low", "high", "n", "published",
    "verdict", "rate", "seconds_a_run", "run_ids",
)  # fmt: skip


def results(
    store: RunStore,
    experiment: str,
    dataset: str,
    seeds: Sequence[int],
    *,
    rates: Sequence[float] = (),
    command: str = "",
) -> dict[str, Any]:
    """Return the results of an experiment from the runs that a folder holds.

    Every value is that of the last epoch. The learning rate of a row is that of the highest validation mAP at
    the first seed, of those that :func:`tried_rates` names; nothing is chosen on test images.

    Args:
        store: of the runs.
        experiment: key of one.
        dataset: its name.
        seeds: of the training.
        rates: that every row begins with; empty takes those of :func:`rates_of`.
        command: that made it.

    Returns:
        A tree of plain values: ``rows`` (a row that is not trained with all seeds has no ``runs``), ``claims``,
        ``rule``, ``cost`` in seconds. Numbers that are not finite are None.

    Raises:
        RunFormatError: a file of a run is damaged.
    """
    chosen = EXPERIMENTS[experiment]
    rows = chosen.rows(dataset)
    trained = [_row(store, chosen.quantities, dataset, row, rates, seeds) for row in rows]
    values = {tree["key"]: tree["values"] for tree in trained}
    claims = []
    for claim in chosen.claims(rows):
        first, second = (
            None if key is None else values[key].get(claim.quantity, {}).get("runs")
            for key in (claim.first, claim.second)
        )
        found = verdict(claim, _numbers(first), _numbers(second))
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
        "dataset": dataset,
        "seeds": list(seeds),
        "command": command,
        "quantities": {key: QUANTITIES[key].title for key in chosen.quantities},
        "rows": trained,
        "claims": claims,
        "rule": RULE,
        "cost": {
            "runs": sum(len(tree["run_ids"]) for tree in trained),
            "seconds": round(math.fsum(tree["seconds"] for tree in trained), 1),
        },
    }


def _row(
    store: RunStore,
    quantities: Sequence[str],
    dataset: str,
    row: Row,
    rates: Sequence[float],
    seeds: Sequence[int],
) -> dict[str, Any]:
    entry = row.entry
    tree: dict[str, Any] = {
        "key": entry.key,
        "name": entry.name,
        "note": row.note,
        "published": row.published.values if row.published else None,
        "published_on": row.published.dataset if row.published else None,
        "rate": None,
        "validation": {},
        "run_ids": [],
        "seconds": 0.0,
        "values": {},
    }
    scores, left = tried_rates(store, dataset, entry, rates or rates_of(dataset, entry), seeds[0])
    tree["validation"] = {f"{rate:g}": _plain(score) for rate, score in scores.items()}
    if left is not None:
        return tree
    rate = best_rate(scores)
    runs = _runs(store, dataset, entry, rate, seeds)
    if len(runs) < len(seeds):
        return tree
    others = [_runs(store, dataset, entry, other, seeds[:1]) for other in scores if other != rate]
    read = [(run.metrics(), run.info.config) for run in runs]
    tree["rate"] = rate
    tree["run_ids"] = [run.run_id for run in runs]
    tree["seconds"] = round(math.fsum(run_seconds(run) for each in (runs, *others) for run in each), 1)
    for key in quantities:
        found = [QUANTITIES[key].read(lines, config) for lines, config in read]
        tree["values"][key] = {
            "mean": _plain(math.fsum(found) / len(found)),
            "low": _plain(min(found)),
            "high": _plain(max(found)),
            "runs": [_plain(value) for value in found],
        }
    return tree


def _runs(store: RunStore, dataset: str, entry: Entry, rate: float, seeds: Sequence[int]) -> list[Run]:
    known = set(store.run_ids())
    ids = [entry.run_id(dataset, rate, seed) for seed in seeds]
    runs = [store.open(run_id) for run_id in ids if run_id in known]
    return [run for run in runs if run.status.state == "finished" and last_values(run)]


def _numbers(values: Sequence[float | None] | None) -> list[float] | None:
    return None if values is None else [math.nan if value is None else value for value in values]


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


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
                **{name: value[name] for name in ("mean", "low", "high")},
                "published": "" if published is None else published, "rate": row["rate"],
                "seconds_a_run": round(row["seconds"] / max(1, len(row["run_ids"])), 1),
                "run_ids": " ".join(row["run_ids"]),
            })  # fmt: skip
    for claim in tree["claims"]:
        writer.writerow({
            **base, "kind": "claim", "name": claim["text"],
            "against": claim["than"] if claim["second"] is None else claim["second"],
            **{name: claim[name] for name in ("quantity", "mean", "low", "high", "n", "published", "verdict")},
        })  # fmt: skip
    return stream.getvalue()


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
    return tree
