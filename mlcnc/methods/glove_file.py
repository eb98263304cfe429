"""Which file of GloVe vectors a method reads."""

from __future__ import annotations

from mlcnc.errors import ConfigError
from mlcnc.methods.settings import MethodSettings
from mlcnc.named_paths import named_path, path_in_variable


def glove_file_of(settings: MethodSettings, reason: str) -> str:
    """Return the path of the file that the settings name, else that of the MLCNC_GLOVE variable.

    Args:
        settings: of a method that needs one.
        reason: why it does, e.g. ``method.kind is ml_gcn``.

    Raises:
        ConfigError: none is named.
    """
    given: str | None = getattr(settings, "glove_path", None)
    path = named_path(given) if given else path_in_variable("MLCNC_GLOVE")
    if path is None:
        raise ConfigError(
            f"{reason} but no file of vectors is named; give --glove PATH or set the MLCNC_GLOVE variable"
        )
    return str(path)
