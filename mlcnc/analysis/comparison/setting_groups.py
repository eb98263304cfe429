"""Runs grouped by one setting, what else differs between such groups, and which two to look at."""

from __future__ import annotations

from collections.abc import Sequence

from mlcnc.analysis.comparison.seeds import SeedGroup
from mlcnc.analysis.runs.rows import RunRow, training_settings

_OF_THE_RUN = ("data.dataset", "training.seed")


def varying_settings(rows: Sequence[RunRow]) -> list[str]:
    """Return names of the settings that differ among runs of one data set, sorted; the seed is one of them.

    What is only measured, stored or shown does not count; of what only one method has, its runs.
    """
    found: set[str] = set()
    for members in _by_dataset(rows).values():
        trees = [training_settings(row) for row in members]
        for name in {name for tree in trees for name in tree}:
            having = [tree for tree in trees if name in tree] if name.startswith("method.") else trees
            if len({tree.get(name) for tree in having}) > 1:
                found.add(name)
        if len({row.seed for row in members}) > 1:
            found.add("training.seed")
    return sorted(found)


def setting_groups(rows: Sequence[RunRow], setting: str) -> list[SeedGroup]:
    """Return the runs grouped by data set and the value of one setting, in the order of first appearance.

    Args:
        rows: to group.
        setting: flattened name such as ``training.lr``.

    Returns:
        Groups whose spreads run over all their runs, so over other settings too; see ``confounders``.
    """
    short = setting.rpartition(".")[2]
    groups = []
    for members in _by_dataset(rows).values():
        by_value: dict[str, list[RunRow]] = {}
        for row in members:
            by_value.setdefault(_value(row, setting), []).append(row)
        for value, own in by_value.items():
            groups.append(SeedGroup.of(own, f"{short}={value}", f"{short}={value}"))
    return groups


def confounders(groups: Sequence[SeedGroup], setting: str) -> list[str]:
    """Return other settings in which runs of these groups differ, so that the groups may differ by them."""
    names = varying_settings([row for group in groups for row in group.rows])
    return [name for name in names if name not in (setting, *_OF_THE_RUN)]


def besides_the_method(first: SeedGroup, second: SeedGroup) -> dict[str, tuple[str, str]]:
    """Return the values of both recipes of the settings in which they differ, those of their method left out.

    Args:
        first, second: runs that differ in the seed only, each.

    Returns:
        By flattened name, sorted; settings that one of them did not store are not compared.
    """
    ours, theirs = (training_settings(group.rows[0]) for group in (first, second))
    shared = sorted(name for name in ours.keys() & theirs.keys() if not name.startswith("method."))
    return {name: (ours[name], theirs[name]) for name in shared if ours[name] != theirs[name]}


def _by_dataset(rows: Sequence[RunRow]) -> dict[str, list[RunRow]]:
    found: dict[str, list[RunRow]] = {}
    for row in rows:
        found.setdefault(row.dataset, []).append(row)
    return found


def _value(row: RunRow, setting: str) -> str:
    if setting == "training.seed":
        return "none" if row.seed is None else str(row.seed)
    return training_settings(row).get(setting, "not set")
