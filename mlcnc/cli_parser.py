"""The parser of the command line: an error names what was meant and shows the usage of its own command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from mlcnc.errors import nearest

_ALSO_CALLED = {
    "--learning_rate": "--training.lr",
    "--training.learning_rate": "--training.lr",
    "--num_epochs": "--training.epochs",
    "--gpu": "--training.device",
}
"""What other programs call an option of ours."""


class CommandParser(argparse.ArgumentParser):
    """Names the nearest option of the command that was given for an unknown one."""

    _given: Sequence[str] = ()

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            first = message.removeprefix("unrecognized arguments: ").split()[0].split("=")[0]
            known = [option for action in self._of_command()._actions for option in action.option_strings]
            also = {name: own for name, own in _ALSO_CALLED.items() if own in known}
            # the last part of several settings, e.g. of a method and of a loss
            meant = [option for option in known if option.endswith(f".{first.lstrip('-')}")]
            message += f"; say {' or '.join(meant)}" if meant else nearest(first, known, also, cutoff=0.7)
        chosen = re.match(r"argument [A-Z]+: invalid choice: '(.*?)' \(choose", message)
        if chosen is not None:
            commands = [name for action in self._actions for name in _choices_of(action)]
            message += nearest(chosen[1], commands, cutoff=0.7)
        # argparse leaves what a command does not know to the whole program, whose usage says nothing of it
        super(CommandParser, self._of_command()).error(message)

    def _of_command(self) -> CommandParser:
        """Return the parser of the innermost command that was named."""
        parser = self
        for word in self._given:
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                    parser = action.choices[word]
        return parser


def _choices_of(action: argparse.Action) -> list[str]:
    return list(action.choices) if isinstance(action, argparse._SubParsersAction) else []
