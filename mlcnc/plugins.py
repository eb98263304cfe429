"""Modules of the user that add methods, losses and data sets to the command line, in jobs too."""

from __future__ import annotations

import os
from importlib import import_module

from mlcnc.errors import ConfigError

VARIABLE = "MLCNC_PLUGINS"


def load_plugins() -> None:
    """Import the modules that the variable MLCNC_PLUGINS names, separated by commas.

    Raises:
        ConfigError: one cannot be imported.
    """
    for name in filter(None, (part.strip() for part in os.environ.get(VARIABLE, "").split(","))):
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"{VARIABLE} names {name!r}, which cannot be imported: {error}; "
                "its folder must be on Python's path, e.g. by PYTHONPATH"
            ) from error
