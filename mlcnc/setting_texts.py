"""Settings as a command line has them: read there, and written for a process that is to read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_VALUE = ("none", "null")
"""What stands for None where a text is expected."""


def value_of(text: str, choices: tuple[str, ...] = ()) -> Any:
    """Return what a text stands for: None for ``none``, unless that is one of the choices."""
    return None if text.lower() in NO_VALUE and text not in choices else text


def arguments_of(values: Mapping[str, Any]) -> list[str]:
    """Return settings by their dotted names as arguments.

    Example:
        >>> arguments_of({"data.flip": False, "training.lr_drops": (5, 7), "name": "-x"})
        ['--data.flip', 'false', '--training.lr_drops', '5,7', '--name=-x']
    """
    found: list[str] = []
    for name, value in values.items():
        text = _text(value)
        found += [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]
    return found


def given_values(given: Mapping[str, Any], tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return, by dotted names, the values that a whole config has of the settings that were given.

    Args:
        given: nested; a section that has kinds may be given by its kind alone.
        tree: the config, nested.
        path: of both.
    """
    found: dict[str, Any] = {}
    for key, inner in given.items():
        name, value = f"{path}{key}", tree[key]
        if isinstance(inner, Mapping):
            found |= given_values(inner, value, f"{name}.")
        elif isinstance(value, Mapping):
            found[f"{name}.kind"] = value["kind"]
        else:
            found[name] = value
    return found


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
