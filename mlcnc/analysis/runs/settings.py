"""The settings in which runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlcnc.methods.settings import method_title
from mlcnc.store import Run

ABSENT = "not set"
KIND = "method.kind"
Difference = Literal["between", "within", "equal"]

_NAMES = {
    KIND: "method",
    "data.dataset": "data set",
    "data.seed": "seed of the scenes",
    "training.measure_every": "epochs between measurements",
    "training.arrays_every": "epochs between stored arrays",
    "training.num_measured_train": "number of measured training images",
    "training.class_arrays": "class means stored at every measurement",
}
_WORDS = {"num": "number of", "lr": "learning rate", "dim": "dimension", "ema": "moving average"}


@dataclass(frozen=True)
class SettingRow:
    """One setting of several groups of runs.

    Attributes:
        name: flattened, such as ``method.label_embedding``.
        values: one text a group; several values of one group are joined by commas.
        difference: ``between`` where the groups differ, ``within`` where only the runs of a
            group do, else ``equal``.
    """

    name: str
    values: tuple[str, ...]
    difference: Difference


def setting_rows(groups: Sequence[Sequence[Run]]) -> list[SettingRow]:
    """Return every setting of the groups: what differs between them first, then within, then what is equal.

    Groups differ in a setting where they do not hold the same set of values.

    Args:
        groups: of runs; a run that lacks a setting has ``not set``.
    """
    flat = [[dict(flattened(run.info.config)) for run in group] for group in groups]
    names = sorted({name for trees in flat for tree in trees for name in tree})
    rows = []
    for name in names:
        held = [tuple(dict.fromkeys(tree.get(name, ABSENT) for tree in trees)) for trees in flat]
        difference: Difference = "equal"
        if len({frozenset(values) for values in held}) > 1:
            difference = "between"
        elif any(len(values) > 1 for values in held):
            difference = "within"
        rows.append(SettingRow(name, tuple(", ".join(values) for values in held), difference))
    order = ("between", "within", "equal")
    return sorted(rows, key=lambda row: order.index(row.difference))


def plain_setting(name: str) -> str:
    """Return a setting in words; what stands apart in brackets or a column is its flattened name.

    Example:
        >>> [plain_setting(name) for name in ("training.lr", "method.classification.kind", "data.num_workers")]
        ['learning rate', 'classification', 'number of workers']
    """
    if name in _NAMES:
        return _NAMES[name]
    _, *inner = name.split(".")
    parts = inner[:-1] if inner[-1:] == ["kind"] else inner
    return ": ".join(" ".join(_WORDS.get(word, word) for word in part.split("_")) for part in parts) or name


def settings_sentence(rows: Sequence[SettingRow], num_groups: int) -> str:
    """Return in which settings the groups differ, in words."""
    if num_groups < 2:
        return "Pick runs of two recipes to see what they differ in."
    between = [row.name for row in rows if row.difference == "between"]
    kinds = next((row.values for row in rows if row.name == KIND and row.difference == "between"), ())
    # a setting that another method does not have is a choice only where those that have it differ
    lacking = [row for row in rows if kinds and row.name.startswith("method.") and ABSENT in row.values]
    alike = [row.name for row in lacking if len({*row.values} - {ABSENT}) == 1]
    between = [plain_setting(name) for name in between if not kinds or name not in (*alike, KIND)]
    within = [plain_setting(row.name) for row in rows if row.difference == "within"]
    if kinds:
        titles = ", ".join(dict.fromkeys(method_title(kind) for kind in kinds))
        start = (
            f"What is compared are methods ({titles}), with {len(lacking)} settings that not all of them have"
        )
        start += f"; it also differs in {', '.join(between)}" if between else ""
    elif not between:
        start = "What is compared has the same settings"
    elif len(between) == 1:
        start = f"What is compared differs in {between[0]} alone"
    else:
        start = f"What is compared differs in {len(between)} settings: {', '.join(between)}"
        start += "; an effect cannot be put down to one of them"
    return f"{start}. Runs taken together differ in {', '.join(within)}." if within else f"{start}."


def setting_table(runs: Sequence[Run], *, only_differences: bool = True) -> dict[str, tuple[str, ...]]:
    """Return settings by flattened name, with one value a run in the order given.

    Args:
        runs: to compare.
        only_differences: leave out what is equal in all of them.

    Returns:
        Names sorted; a run that lacks a setting has ``not set``. Empty without runs.
    """
    flat = [dict(flattened(run.info.config)) for run in runs]
    names = sorted({name for tree in flat for name in tree})
    rows = {name: tuple(tree.get(name, ABSENT) for tree in flat) for name in names}
    return {name: values for name, values in rows.items() if not only_differences or len(set(values)) > 1}


def flattened(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and text of every single setting; names of nested ones are joined by dots.

    Example:
        >>> list(flattened({"method": {"kind": "erm", "classification": {"kind": "bce"}}}))
        [('method.kind', 'erm'), ('method.classification.kind', 'bce')]
    """
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
