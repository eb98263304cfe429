"""The paper's published results, and the rows of this project that may stand beside them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mlcnc.analysis.comparison.seeds import SeedGroup

SOURCE = (
    "Tao et al., MLC-NC: Long-Tailed Multi-Label Image Classification Through the Lens of Neural Collapse, "
    "AAAI 2025, Tables 1 to 4 and Figures 3 and 4 (values of Figure 4 from the authors' plotting script)"
)
PARTS = (
    "EGFL: features guided by label embeddings, with the alignment loss (Eq. 3 to 6); FPC: projection of "
    "features, with the calibration loss (Eq. 7 to 9); BEC: the fixed ETF classifier on concatenated features "
    "(Eq. 10)"
)
"""What the paper's Table 3 calls the parts of MLC-NC."""

VALUES = ("total", "head", "medium", "tail", "g_map")
FULL_MODEL = "MLC-NC"
_PUBLISHED_NAMES = {"voc-lt": "VOC-LT", "coco-lt": "COCO-LT", "vg200": "VG200"}
_VARIANT_OF = {"trainable": "trainable embedding", "glove": "GloVe embedding"}


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table.

    Attributes:
        table: ``Table 1`` and so on.
        dataset: as the paper writes it.
        method, variant: variant is a group of methods in Table 1, parts or settings of the method elsewhere.
        values: in percent by ``total``, ``head``, ``medium``, ``tail`` and ``g_map``, or an angle in degrees.
    """

    table: str
    dataset: str
    method: str
    variant: str
    values: dict[str, float]


@dataclass(frozen=True)
class ResultRow:
    """A published row or a recipe of this project, as one line of a table of one data set.

    Attributes:
        origin: ``published, VOC-LT`` or ``this project, pictogram-lt``.
        dataset: that it may be compared within.
        source: ``Table 1`` or the number of runs.
        method, variant: as published; a recipe of this project has no variant.
        values: in percent; missing ones are left out.
        beside: the published row of the same setting, in words; empty where there is none.
        run_ids: of a recipe of this project, in words.
    """

    origin: str
    dataset: str
    source: str
    method: str
    variant: str
    values: dict[str, float]
    beside: str
    run_ids: str = ""


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Return all published rows, in the order of the paper."""
    text = files("mlcnc.analysis.comparison").joinpath("published_results.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found: dict[tuple[str, str, str, str], dict[str, float]] = {}
    for line in csv.DictReader(lines):
        key = (line["table"], line["dataset"], line["method"], line["variant"])
        found.setdefault(key, {})[line["metric"]] = float(line["value"])
    return tuple(PublishedRow(*key, values) for key, values in found.items())


def published_dataset(dataset: str) -> str | None:
    """Return the paper's name of a data set of this project, None for all that the paper does not use.

    Example:
        >>> published_dataset("voc-lt"), published_dataset("pictogram-lt")
        ('VOC-LT', None)
    """
    return _PUBLISHED_NAMES.get(dataset)


def matching_row(group: SeedGroup) -> PublishedRow | None:
    """Return the published row of the same data set, method and label embedding, None where there is none.

    Only recipes that change nothing but the embedding are matched, and only on data sets of the paper.
    """
    name = published_dataset(group.dataset)
    titles = {row.method_title for row in group.rows}
    if name is None or not group.is_plain or len(titles) > 1:
        return None
    (title,) = titles
    for row in published_rows():
        if row.dataset != name or row.method != title:
            continue
        if row.table in ("Table 1", "Table 2") and (title != FULL_MODEL or group.family == "etf"):
            return row
        if row.table == "Table 4" and row.variant == _VARIANT_OF.get(group.family):
            return row
    return None


def result_tables(groups: Sequence[SeedGroup], tables: Sequence[str]) -> dict[str, list[ResultRow]]:
    """Return rows by data set, never two data sets in one table: published ones first, then this project's.

    Args:
        groups: recipes of this project.
        tables: published tables to show, such as ``Table 1``.
    """
    found: dict[str, list[ResultRow]] = {}
    for row in published_rows():
        values = {name: row.values[name] for name in VALUES if name in row.values}
        if row.table in tables and values:
            found.setdefault(row.dataset, []).append(
                ResultRow(
                    f"published, {row.dataset}", row.dataset, row.table, row.method, row.variant, values, ""
                )
            )
    for group in groups:
        matched = matching_row(group)
        name = published_dataset(group.dataset) or group.dataset
        runs = len(group.rows)
        found.setdefault(name, []).append(
            ResultRow(
                f"this project, {group.dataset}",
                name,
                f"{runs} run" if runs == 1 else f"mean of {runs} runs",
                group.name,
                "",
                {bucket: value.mean for bucket, value in group.map_percent.items() if value.num_runs},
                f"{matched.table}, {matched.variant or matched.method}" if matched else "",
                ", ".join(row.run_id for row in group.rows),
            )
        )
    return found


def published_sentence(groups: Sequence[SeedGroup]) -> str:
    """Return which runs may be held against a published number, and which may not."""
    if not groups:
        return "No run is picked."
    names = list(dict.fromkeys(group.dataset for group in groups))
    same = [name for name in names if published_dataset(name)]
    other = [name for name in names if not published_dataset(name)]
    parts = []
    if same:
        parts.append(f"Runs on {_listed(same)} use a data set of the paper and stand in its table.")
    if other:
        parts.append(
            f"Runs on {_listed(other)} use other images than the paper, so their numbers stand in a table of "
            "their own: they can be compared with each other, never with VOC-LT, COCO-LT or VG200."
        )
    return " ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
