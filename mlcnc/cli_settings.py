"""The options that are made from the config's fields, and the config that they give."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from mlcnc.config import PRESETS, ExperimentConfig, leaf_fields, override, preset, read_file


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset``, ``--config``, ``--glove`` and one option for every setting."""
    parser.add_argument("--preset", default="pictogram-lt", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--config", metavar="FILE", help="YAML or JSON file of settings")
    parser.add_argument("--glove", metavar="PATH", help="same as --model.glove_path")
    group = parser.add_argument_group("settings (each also by its last part alone where that is unique)")
    last_parts = [path[-1] for path, _ in leaf_fields()]
    for path, field in leaf_fields():
        names = [f"--{'.'.join(path)}"]
        if len(path) > 1 and (last_parts.count(path[-1]) == 1 or path == ("training", "seed")):
            names.append(f"--{path[-1]}")
        choices = _choices(field.annotation)
        form = "|".join(choices) if choices else _type_name(field.annotation)
        group.add_argument(
            *names,
            dest=".".join(path),
            metavar=form,
            default=argparse.SUPPRESS,
            help=f"{field.description} [{_shown(field.default)}]".replace("%", "%%"),
        )


def config_of(options: argparse.Namespace) -> ExperimentConfig:
    """Return the config of parsed options: command line over file over preset.

    Raises:
        ConfigError: an unknown preset or key, or a bad value.
    """
    config = preset(options.preset)
    if options.config:
        config = override(config, read_file(options.config))
    return override(config, nested(given_settings(options)))


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings given on the command line by their dotted names."""
    choices = {".".join(path): _choices(field.annotation) for path, field in leaf_fields()}
    given = {name: _value(text, choices[name]) for name, text in vars(options).items() if name in choices}
    if options.glove:
        given["model.glove_path"] = options.glove
    return given


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Return settings by dotted names as the nested mapping that the config is made of."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, leaf = name.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    return tree


def _value(text: str, choices: tuple[str, ...]) -> Any:
    if text.lower() in ("none", "null") and text not in choices:
        return None
    return text


def _choices(annotation: Any) -> tuple[str, ...]:
    values = get_args(annotation)
    return values if values and all(isinstance(value, str) for value in values) else ()


def _type_name(annotation: Any) -> str:
    parts = [part for part in get_args(annotation) if part is not type(None)] or [annotation]
    return {"int": "INT", "float": "NUMBER", "bool": "true|false", "str": "TEXT"}.get(
        getattr(parts[0], "__name__", ""), "VALUE"
    )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
