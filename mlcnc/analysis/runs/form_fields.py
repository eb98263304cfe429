"""The settings of an experiment as a form shows them, and what a form changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlcnc.config import ExperimentConfig, leaf_fields, nested, override

M = TypeVar("M", bound=BaseModel)
Kind = Literal["choice", "switch", "whole", "number", "suggestions", "text"]

COMMON = (
    ("name",),
    ("data", "dataset"),
    ("method", "label_embedding"),
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
        choices: of a ``choice``, or examples of ``suggestions``, else empty.
        sentences: what the choices are, where they are kinds of a method or a loss, else empty.
        lowest, highest: bounds of a number, None where there is none.
        is_above_lowest, is_below_highest: whether the bound itself is no value.
        is_optional: whether None is a value.
        max_length: of a text, or None.
    """

    path: tuple[str, ...]
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
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


def form_fields(config: ExperimentConfig, left_out: tuple[tuple[str, ...], ...] = ()) -> list[FormField]:
    """Return one field for every setting that a config has, the common ones first, the others in its order.

    Args:
        config: of the method and the loss whose settings are wanted.
        left_out: paths that are not shown.
    """
    fields = {path: _field(path, info, config) for path, info in leaf_fields(config) if path not in left_out}
    common = [fields[path] for path in COMMON if path in fields]
    return common + [field for path, field in fields.items() if path not in COMMON]


def value_at(config: BaseModel, path: Sequence[str]) -> Any:
    """Return the value of one setting, or a section of settings."""
    value: Any = config
    for part in path:
        value = getattr(value, part)
    return value


def with_kind(config: ExperimentConfig, path: tuple[str, ...], kind: str) -> ExperimentConfig:
    """Return a config with a method or loss of another kind, which starts from the defaults of that kind.

    Whether the rest fits it is not checked yet.

    Args:
        config: with any kinds.
        path: of the kind, e.g. ``("method", "kind")``.
        kind: the wanted one; where the config has it already, nothing is changed.

    Raises:
        ConfigError: there is no such kind.
    """
    if value_at(config, path) == kind:
        return config
    *section, _ = path
    kinds = {tuple(section[:depth]): value_at(config, section[:depth]) for depth in range(1, len(section))}
    flat = {(*at, "kind"): of.kind for at, of in kinds.items()} | {path: kind}
    fresh = override(ExperimentConfig(), nested(flat))
    return _replaced(config, section, value_at(fresh, section))


def changed_settings(base: ExperimentConfig, wanted: ExperimentConfig) -> dict[str, Any]:
    """Return the nested changes that make ``wanted`` out of ``base``; empty where they are equal.

    A method or loss of another kind is compared with the defaults of its kind, from which it starts.
    """
    return _changes(base, wanted)


def _changes(base: BaseModel, wanted: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if type(base) is not type(wanted):
        base, found["kind"] = type(wanted)(), value_at(wanted, ("kind",))
    for name in type(wanted).model_fields:
        mine, theirs = getattr(wanted, name), getattr(base, name)
        if isinstance(mine, BaseModel):
            if inner := _changes(theirs, mine):
                found[name] = inner
        elif mine != theirs:
            found[name] = mine
    return found


def _replaced(section: M, path: Sequence[str], value: Any) -> M:
    name, *rest = path
    return section.model_copy(update={name: _replaced(getattr(section, name), rest, value) if rest else value})


def _field(path: tuple[str, ...], info: FieldInfo, config: ExperimentConfig) -> FormField:
    annotation, is_optional = _without_none(info.annotation)
    bounds = {
        name: getattr(part, name)
        for part in info.metadata
        for name in ("ge", "gt", "le", "lt", "max_length")
        if getattr(part, name, None) is not None
    }
    literal = get_origin(annotation) is Literal
    kinds: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number"}
    text: Kind = "suggestions" if info.examples else "text"
    choices = get_args(annotation) if literal else info.examples or ()
    return FormField(
        path=path,
        kind="choice" if literal else kinds.get(annotation, text),
        help=info.description or "",
        choices=tuple(str(choice) for choice in choices),
        sentences=tuple(_sentence(config, path, kind) for kind in choices) if path[-1] == "kind" else (),
        lowest=bounds.get("ge", bounds.get("gt")),
        highest=bounds.get("le", bounds.get("lt")),
        is_above_lowest="gt" in bounds,
        is_below_highest="lt" in bounds,
        is_optional=is_optional,
        max_length=bounds.get("max_length"),
    )


def _sentence(config: ExperimentConfig, path: tuple[str, ...], kind: str) -> str:
    """Return what the settings of a kind say of it in their first line, after its title, else its name."""
    section = type(value_at(with_kind(config, path, kind), path[:-1]))
    first = (section.__doc__ or kind).strip().splitlines()[0]
    title = f"{section.title}: "
    if first.startswith(title):
        return first
    # an abbreviation keeps its capitals
    return title + (first[:1].lower() + first[1:] if first[1:2].islower() else first)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return parts[0], len(parts) < len(get_args(annotation))
    return annotation, False
