"""What can be known of a file of word vectors without reading all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlcnc.errors import ConfigError, DataError
from mlcnc.glove import glove_dim
from mlcnc.named_paths import named_path


@dataclass(frozen=True)
class GloveFile:
    """A file whose first line, after a header where there is one, is a word and its numbers.

    Attributes:
        path: as given, with ``~`` resolved.
        dim: how many numbers a word has.
        size_bytes: of the file.
    """

    path: Path
    dim: int
    size_bytes: int


def glove_file(path: str) -> GloveFile:
    """Return dimension and size of a text file of word vectors; only its first lines are read.

    Raises:
        ConfigError: training would refuse the file, in the same words.
    """
    try:
        found = named_path(path)
        return GloveFile(found, glove_dim(found), found.stat().st_size)
    except OSError as error:
        raise ConfigError(f"the GloVe file {path} cannot be read: {error.strerror}") from None
    except DataError as error:
        raise ConfigError(str(error)) from None
