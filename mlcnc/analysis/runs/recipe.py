"""What of a method's settings a reader must be told: those that differ from its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from mlcnc.analysis.runs.settings import flattened
from mlcnc.errors import ConfigError
from mlcnc.methods.settings import LOSSES, METHODS, method_settings

ANOTHER_LOOP = "another loop"
"""In place of a method, of runs that no method of this project trained."""

_TELLING = {
    "mlc_nc": (
        "classifier", "attention", "classification.kind", "alignment_weight", "calibration_weight", "dropout",
    ),
}  # fmt: skip
"""Settings that are another recipe of a method with many; the others tell runs of one recipe apart."""

_SPOKEN = ("classifier", "attention")
"""Settings whose values say what they are of."""


def method_place(kind: str) -> int | None:
    """Return where a method comes in lists, from 0; None where it is not registered."""
    return list(METHODS).index(kind) if kind in METHODS else None


def unusual_settings(kind: str | None, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the settings of a method that differ from its defaults, in short.

    Args:
        kind: of the method; None, or one that is not registered, has no defaults.
        settings: of the method, as a run stored them; what it did not store is at its default.

    Example:
        >>> unusual_settings("mlc_nc", {"label_embedding": "glove", "classifier": "block_aligned"})
        ('block-aligned',)
        >>> unusual_settings("erm", {"kind": "erm", "classification": {"kind": "two_way"}})
        ('two-way loss',)
    """
    own = dict(flattened(settings))
    usual, same_kinds = _defaults(kind, ()), _defaults(kind, tuple(p for p in own.items() if _is_kind(p[0])))
    # a choice of another kind is named by its kind, and its own settings are held against those of that kind
    changed = {name: value for name, value in own.items() if value != same_kinds.get(name, value)}
    changed |= {
        name: own[name] for name in usual if _is_kind(name) and own.get(name, usual[name]) != usual[name]
    }
    telling = _TELLING.get(kind or "", tuple(name for name in changed if not name.endswith("_path")))
    return tuple(_short(name, changed[name]) for name in telling if name in changed)


@lru_cache(maxsize=256)
def _defaults(kind: str | None, kinds: tuple[tuple[str, str], ...]) -> dict[str, str]:
    tree: dict[str, Any] = {"kind": kind}
    for name, value in kinds:
        inner = tree
        *path, last = name.split(".")
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    try:
        return dict(flattened(method_settings(tree).model_dump()))
    except (ConfigError, ValidationError):
        return {}


def _is_kind(name: str) -> bool:
    return name.endswith(".kind")


def _short(name: str, value: str) -> str:
    last = name.rpartition(".")[2]
    if name == "classification.kind" and value in LOSSES:
        return f"{LOSSES[value].title} loss"
    if _is_kind(name) or last in _SPOKEN:
        return value.replace("_", "-")
    words = last.replace("_", " ")
    switched = {"True": words, "False": f"no {words}"}
    return switched.get(value, f"{words} {value.replace('_', ' ').removesuffix('.0')}")
