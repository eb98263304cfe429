"""The options that are made from the config's fields, and the config that they give."""

from __future__ import annotations

import argparse
from typing import Any, get_args, get_origin

from mlcnc.config import ExperimentConfig, leaf_fields, nested, override, read_file
from mlcnc.methods.settings import LOSSES, METHODS, kind_of
from mlcnc.presets import preset, preset_names

_GLOVE = ("method", "glove_path")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset``, ``--config``, ``--glove`` and one option for every setting of every method."""
    parser.add_argument(
        "--preset",
        default="pictogram-lt",
        help=f"one of {preset_names()}: the recipe of a method's paper on VOC-LT, e.g. original-db-focal",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML or JSON file of settings")
    parser.add_argument("--glove", metavar="PATH", help=f"same as --{'.'.join(_GLOVE)}")
    group = parser.add_argument_group("settings (each also by its last part alone where that is unique)")
    fields = dict(leaf_fields())
    last_parts = [_called(path)[-1] for path in fields]
    for path, field in fields.items():
        called = _called(path)
        names = list(dict.fromkeys(".".join(part) for part in (path, called)))
        if last_parts.count(called[-1]) == 1 or path == ("training", "seed"):
            names = list(dict.fromkeys([*names, called[-1]]))
        choices = _choices(field.annotation)
        form = "|".join(choices) if choices else _type_name(field.annotation)
        words = f"{field.description}{_whose(path)} [{_shown(field.default)}]"
        group.add_argument(
            *(f"--{name}" for name in names),
            dest=".".join(path),
            metavar=form,
            default=argparse.SUPPRESS,
            help=words.replace("%", "%%"),
        )


def config_of(options: argparse.Namespace) -> ExperimentConfig:
    """Return the config of parsed options: command line over file over preset.

    A method or loss of another kind than before starts from the defaults of that kind.

    Raises:
        ConfigError: an unknown preset or key, a setting of another method, or a bad value.
    """
    config = preset(options.preset)
    if options.config:
        config = override(config, read_file(options.config))
    return override(config, nested(given_settings(options)))


def given_settings(options: argparse.Namespace) -> dict[tuple[str, ...], Any]:
    """Return the settings given on the command line by their paths."""
    given = {
        path: _value(getattr(options, name), _choices(field.annotation))
        for path, field in leaf_fields()
        if hasattr(options, name := ".".join(path))
    }
    if options.glove:
        given[_GLOVE] = options.glove
    return given


def _called(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path as it is said in short: a kind by the name of what is of that kind."""
    return path[:-1] if path[-1] == "kind" else path


def _whose(path: tuple[str, ...]) -> str:
    """Return which methods, or which losses, have a setting, in brackets; empty where all have it."""
    if path[0] != "method":
        return ""
    # of a loss where the path goes through it
    sections: list[Any] = list(METHODS.values()) if len(path) == 2 else list(LOSSES.values())
    having = [kind_of(section) for section in sections if path[-1] in section.model_fields]
    return f" ({', '.join(having)})" if len(having) < len(sections) else ""


def _value(text: str, choices: tuple[str, ...]) -> Any:
    if text.lower() in ("none", "null") and text not in choices:
        return None
    return text


def _choices(annotation: Any) -> tuple[str, ...]:
    values = get_args(annotation)
    return values if values and all(isinstance(value, str) for value in values) else ()


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is tuple:
        return "INT,INT"
    parts = [part for part in get_args(annotation) if part is not type(None)] or [annotation]
    return {"int": "INT", "float": "NUMBER", "bool": "true|false", "str": "TEXT"}.get(
        getattr(parts[0], "__name__", ""), "VALUE"
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
