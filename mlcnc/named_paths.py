"""The one place where paths that people write become paths: on a command line, in a file, variable or form."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path

RUNS_VARIABLE = "MLCNC_RUNS"


def named_path(text: str | os.PathLike[str]) -> Path:
    """Return the path that a person wrote: ``~`` and ``~user`` are home folders, as a shell has them.

    Nothing else stands for something: a dollar or percent sign is part of a name. A relative path is one from
    the current folder. Without a home folder, or with a user that is none, a tilde is part of a name too.
    """
    try:
        return Path(os.path.expanduser(text))
    except ValueError:  # a zero byte in the name of a user
        return Path(text)


def path_in_variable(name: str) -> Path | None:
    """Return the path that an environment variable names; an empty one is as none at all."""
    value = os.environ.get(name, "").strip()
    return named_path(value) if value else None


def path_argument(text: str) -> Path:
    """Return the path given to an option; for ``argparse``, which says the option's name in front.

    Raises:
        ArgumentTypeError: the text is empty, as from a variable of a shell that is not set.
    """
    if not text.strip():
        raise ArgumentTypeError("expected a path, got an empty text")
    return named_path(text)


def runs_folder() -> Path:
    """Return the runs folder where none is given: that of MLCNC_RUNS, else ``runs`` in the current folder."""
    return path_in_variable(RUNS_VARIABLE) or Path("runs")
