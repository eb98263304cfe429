"""The options that are made from the config's fields, and the config that they give."""

from __future__ import annotations

import argparse
from typing import Any, get_args, get_origin

from mlcnc.cli_help import SettingsHelp
from mlcnc.config import ExperimentConfig, leaf_fields, nested, override
from mlcnc.named_paths import path_argument
from mlcnc.presets import preset, preset_names
from mlcnc.setting_texts import value_of

_GLOVE = ("method", "glove_path")


def add_settings_parser(commands: Any, name: str, **words: Any) -> argparse.ArgumentParser:
    """Add a command that takes all settings, see :func:`add_settings`, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, allow_abbrev=False, add_help=False, usage="%(prog)s [OPTION ...] [SETTING ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter, **words,
    )  # fmt: skip
    parser.add_argument("-h", "--help", action=SettingsHelp, config=_help_config, chosen=_names_a_kind)
    return parser


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset``, ``--config``, ``--glove`` and one option for every setting of every method."""
    parser.add_argument(
        "--preset",
        default="pictogram-lt",
        help=f"one of {preset_names()}: the recipe of a method's paper on VOC-LT, e.g. original-db-focal "
        "[pictogram-lt]",
    )
    parser.add_argument("--config", type=path_argument, metavar="FILE", help="YAML or JSON file of settings")
    parser.add_argument("--glove", type=path_argument, metavar="PATH", help=f"same as --{'.'.join(_GLOVE)}")
    groups: dict[str, Any] = {}
    fields = dict(leaf_fields())
    last_parts = [_called(path)[-1] for path in fields]
    for path, field in fields.items():
        called = _called(path)
        names = list(dict.fromkeys(".".join(part) for part in (path, called)))
        if last_parts.count(called[-1]) == 1 or path == ("training", "seed"):
            names = list(dict.fromkeys([*names, called[-1]]))
        choices = _choices(field.annotation)
        form = "|".join(choices) if choices else _type_name(field.annotation)
        if len(path) > 1 and path[0] not in groups:
            groups[path[0]] = parser.add_argument_group(f"settings of {path[0]}")
        groups.get(path[0], parser).add_argument(
            *(f"--{name}" for name in names),
            dest=".".join(path),
            metavar="KIND" if path[-1] == "kind" else form,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,  # until it is known whose settings are asked for
        )


def _help_config(options: argparse.Namespace) -> ExperimentConfig:
    """Return the config that help is about: of the kinds that were named, without other changes."""
    kinds = {path: value for path, value in given_settings(options).items() if path[-1] == "kind"}
    return override(_base_of(options), nested(kinds))


def _names_a_kind(options: argparse.Namespace) -> bool:
    return any(path[-1] == "kind" for path in given_settings(options))


def config_of(options: argparse.Namespace) -> ExperimentConfig:
    """Return the config of parsed options: command line over file over preset.

    A method or loss of another kind than before starts from the defaults of that kind.

    Raises:
        ConfigError: an unknown preset or key, a setting of another method, or a bad value.
    """
    return override(_base_of(options), nested(given_settings(options)))


def _base_of(options: argparse.Namespace) -> ExperimentConfig:
    config = preset(options.preset)
    if not options.config:
        return config
    from mlcnc.settings_file import read_file

    return override(config, read_file(options.config))


def given_settings(options: argparse.Namespace) -> dict[tuple[str, ...], Any]:
    """Return the settings given on the command line by their paths."""
    given = {
        path: value_of(getattr(options, name), _choices(field.annotation))
        for path, field in leaf_fields()
        if hasattr(options, name := ".".join(path))
    }
    if options.glove:
        given[_GLOVE] = str(options.glove)
    return given


def _called(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path as it is said in short: a kind by the name of what is of that kind."""
    return path[:-1] if path[-1] == "kind" else path


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
