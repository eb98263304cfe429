"""Which file of GloVe vectors a method reads."""

from __future__ import annotations

import os

from mlcnc.errors import ConfigError
from mlcnc.methods.settings import MethodSettings


def glove_file_of(settings: MethodSettings, reason: str) -> str:
    """Return the path of the file that the settings name, else that of the MLCNC_GLOVE variable.

    Args:
        settings: of a method that needs one.
        reason: why it does, e.g. ``method.kind is ml_gcn``.

    Raises:
        ConfigError: none is named.
    """
    path: str | None = getattr(settings, "glove_path", None) or os.environ.get("MLCNC_GLOVE")
    if not path:
        raise ConfigError(
            f"{reason} but no file of vectors is named; give --glove PATH or set the MLCNC_GLOVE variable"
        )
    return path
