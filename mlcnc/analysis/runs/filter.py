"""Which rows of the table a reader asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlcnc.analysis.runs.rows import RunRow


@dataclass(frozen=True)
class RunFilter:
    """What rows must fulfil; an empty filter keeps all.

    Attributes:
        text: words that must all be found, whatever their case: in name, id, tags, notes, data set, method,
            recipe or settings given as words; a word with ``=`` in the flattened settings, as
            ``training.lr=0.1``.
        states: of which the run has one; empty keeps all.
        dataset: of the run; None keeps all.
        min_map: least total test mAP in percent at the epoch of the row; rows without one are left out.
    """

    text: str = ""
    states: Collection[str] = ()
    dataset: str | None = None
    min_map: float | None = None


def matching(rows: Sequence[RunRow], wanted: RunFilter) -> list[RunRow]:
    """Return the rows that fulfil every part of the filter, in the order given."""
    words = wanted.text.casefold().split()
    return [
        row
        for row in rows
        if (not wanted.states or row.state in wanted.states)
        and (wanted.dataset is None or row.dataset == wanted.dataset)
        and (wanted.min_map is None or row.map_percent["total"] >= wanted.min_map)
        and (not words or _has_words(row, words))
    ]


def newest_first(rows: Sequence[RunRow]) -> list[RunRow]:
    """Return the rows by the time at which their runs were begun; of one time in the order given."""
    return sorted(rows, key=lambda row: row.created_at, reverse=True)


def _has_words(row: RunRow, words: Sequence[str]) -> bool:
    assigned = [line.casefold() for line in row.settings]
    # names of settings hold words like "embedding", which would match every run
    values = [line.partition("=")[2] for line in assigned]
    known = [
        row.name,
        row.run_id,
        row.notes,
        row.dataset,
        row.method,
        row.method_title,
        row.recipe,
        row.attention,
        row.classifier,
        *row.tags,
    ]
    text = "\n".join([*known, *(value for value in values if not _is_plain(value))]).casefold()
    return all(word in text or ("=" in word and any(word in line for line in assigned)) for word in words)


def _is_plain(value: str) -> bool:
    """Return whether a setting is a number, a switch or nothing, which say little without their name."""
    try:
        float(value)
    except ValueError:
        return value in ("true", "false", "none", "auto", "")
    return True


def main_dataset(rows: Sequence[RunRow]) -> str | None:
    """Return the data set of most runs, the first of equals; None without runs."""
    names = [row.dataset for row in rows]
    return max(names, key=names.count) if names else None
