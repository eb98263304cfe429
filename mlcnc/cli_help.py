"""What ``--help`` says of settings: all in short, or one part of them in full, with the values they have."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from mlcnc.config import ExperimentConfig, leaf_fields

PARTS = ("data", "model", "method", "training", "all")
WIDTH = 78
_IN_A_LINE = "\N{NO-BREAK SPACE}"


class SettingsHelp(argparse.Action):
    """``--help [PART]``; what it says depends on the options that follow, so that it is said at the end.

    Args:
        config: gives the config of the parsed options as far as it decides which settings there are.
        chosen: says whether a method or a loss was named among the options.
    """

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        config: Callable[[argparse.Namespace], ExperimentConfig],
        chosen: Callable[[argparse.Namespace], bool],
        **given: Any,
    ) -> None:
        super().__init__(
            option_strings,
            dest=argparse.SUPPRESS,
            default=argparse.SUPPRESS,
            nargs="?",
            choices=PARTS,
            metavar="PART",
            help=f"this, or what every setting of a part means: {', '.join(PARTS)}",
        )
        self._config, self._chosen = config, chosen

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        """Have the help printed in place of what the command does."""

        def command(options: argparse.Namespace) -> int:
            part = values or ("method" if self._chosen(options) else None)
            _describe(parser, self._config(options), part)
            parser.print_help()
            return 0

        namespace.command = command


def _describe(parser: argparse.ArgumentParser, config: ExperimentConfig, part: str | None) -> None:
    """Give a parser the help of one part of the settings of a config; None takes all in short."""
    actions = {action.dest: action for action in parser._actions}
    short: dict[str, list[str]] = {section: [] for section in PARTS if section != "all"}
    for path, field in leaf_fields(config):
        action, value = actions[".".join(path)], shown(value_at(config, path))
        name = min(action.option_strings, key=len)
        short.get(path[0], []).append(f"{name} {value}".replace(" ", _IN_A_LINE))
        if part in (path[0], "all") or path[0] not in PARTS:
            action.option_strings = [name]
            action.help = f"{field.description} [{value}]".replace("%", "%%")
    if part is not None:
        parser.epilog = _wrapped(_elsewhere(parser.prog))
        return
    kinds = {path[-2]: field.description for path, field in leaf_fields(config) if path[-1] == "kind"}
    lists = "\n".join(f"  {section + ':':9} {_wrapped('  '.join(short[section]), 12)}" for section in short)
    parser.epilog = "\n\n".join([
        "settings, with the values that they have if they are left out:\n" + lists,
        *(_wrapped(f"--{name}, {words}") for name, words in kinds.items()),
        _wrapped(_elsewhere(parser.prog)),
    ])  # fmt: skip


def _elsewhere(prog: str) -> str:
    return (
        f"What settings mean: {prog} --help data (or model, method, training, all). Those of another method, "
        f"loss or preset, and their values: {prog} --method KIND --classification KIND --preset NAME --help. "
        "Each has its whole path as another name: --training.epochs, --method.classification.kind."
    )


def _wrapped(text: str, indent: int = 0) -> str:
    lines = textwrap.fill(
        text, WIDTH, subsequent_indent=" " * indent, initial_indent=" " * indent,
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
    return lines.strip().replace(_IN_A_LINE, " ")


def value_at(config: ExperimentConfig, path: Sequence[str]) -> Any:
    """Return the value of the setting at a path."""
    value: Any = config
    for name in path:
        value = getattr(value, name)
    return value


def shown(value: Any) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value) or "''"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
