"""The settings of an experiment as a form shows them, and what a form changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from mlcnc.config import PRESETS, ExperimentConfig, leaf_fields, preset

Kind = Literal["choice", "switch", "whole", "number", "text"]

COMMON = (
    ("name",),
    ("data", "dataset"),
    ("model", "label_embedding"),
    ("training", "epochs"),
    ("training", "seed"),
    ("training", "arrays_every"),
)
"""What most people change; the rest stands behind its section's name."""


@dataclass(frozen=True)
class FormField:
    """One setting.

    Attributes:
        path: e.g. ``("training", "lr")``.
        kind: of control.
        help: one sentence.
        choices: of a ``choice``, else empty.
        lowest, highest: bounds of a number, None where there is none.
        is_above_lowest, is_below_highest: whether the bound itself is no value.
        is_optional: whether None is a value.
        max_length: of a text, or None.
    """

    path: tuple[str, ...]
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    lowest: float | None = None
    highest: float | None = None
    is_above_lowest: bool = False
    is_below_highest: bool = False
    is_optional: bool = False
    max_length: int | None = None

    @property
    def name(self) -> str:
        """As the command line names it, e.g. ``training.lr``."""
        return ".".join(self.path)

    @property
    def range_words(self) -> str:
        """Which numbers it takes, e.g. ``at least 1, at most 10000``; empty where it takes all."""
        least = "above" if self.is_above_lowest else "at least"
        most = "below" if self.is_below_highest else "at most"
        bounds = ((least, self.lowest), (most, self.highest))
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)

    @property
    def section(self) -> str:
        """The part of the config it belongs to, empty for the top level."""
        return self.path[0] if len(self.path) > 1 else ""


def form_fields(left_out: tuple[tuple[str, ...], ...] = ()) -> list[FormField]:
    """Return one field for every setting, the common ones first, the others in the config's order."""
    fields = {path: _field(path, info) for path, info in leaf_fields() if path not in left_out}
    common = [fields[path] for path in COMMON if path in fields]
    return common + [field for path, field in fields.items() if path not in COMMON]


def value_at(config: ExperimentConfig, path: tuple[str, ...]) -> Any:
    """Return the value of one setting."""
    value: Any = config
    for part in path:
        value = getattr(value, part)
    return value


def nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return values by path as the nested mapping that ``config.override`` takes.

    Example:
        >>> nested({("training", "lr"): 0.1, ("name",): "mine"})
        {'training': {'lr': 0.1}, 'name': 'mine'}
    """
    tree: dict[str, Any] = {}
    for (*sections, leaf), value in flat.items():
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    return tree


def changed_settings(base: ExperimentConfig, wanted: ExperimentConfig) -> dict[str, Any]:
    """Return the nested changes that make ``wanted`` out of ``base``; empty where they are equal."""
    pairs = ((path, value_at(wanted, path)) for path, _ in leaf_fields())
    return nested({path: value for path, value in pairs if value != value_at(base, path)})


def known_datasets() -> list[str]:
    """Return the data sets that presets use, in order."""
    return list(dict.fromkeys(preset(name).data.dataset for name in PRESETS))


def _field(path: tuple[str, ...], info: FieldInfo) -> FormField:
    annotation, is_optional = _without_none(info.annotation)
    bounds = {
        name: getattr(part, name)
        for part in info.metadata
        for name in ("ge", "gt", "le", "lt", "max_length")
        if getattr(part, name, None) is not None
    }
    literal = get_origin(annotation) is Literal
    kinds: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number"}
    return FormField(
        path=path,
        kind="choice" if literal else kinds.get(annotation, "text"),
        help=info.description or "",
        choices=tuple(str(choice) for choice in get_args(annotation)) if literal else (),
        lowest=bounds.get("ge", bounds.get("gt")),
        highest=bounds.get("le", bounds.get("lt")),
        is_above_lowest="gt" in bounds,
        is_below_highest="lt" in bounds,
        is_optional=is_optional,
        max_length=bounds.get("max_length"),
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return parts[0], len(parts) < len(get_args(annotation))
    return annotation, False
