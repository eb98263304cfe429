"""The settings in which runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlcnc.store import Run

ABSENT = "not set"


def setting_table(runs: Sequence[Run], *, only_differences: bool = True) -> dict[str, tuple[str, ...]]:
    """Return settings by flattened name, with one value a run in the order given.

    Args:
        runs: to compare.
        only_differences: leave out what is equal in all of them.

    Returns:
        Names sorted; a run that lacks a setting has ``not set``. Empty without runs.
    """
    flat = [dict(_flattened(run.info.config)) for run in runs]
    names = sorted({name for tree in flat for name in tree})
    rows = {name: tuple(tree.get(name, ABSENT) for tree in flat) for name in names}
    return {name: values for name, values in rows.items() if not only_differences or len(set(values)) > 1}


def _flattened(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
