"""What can be known of a file of word vectors without reading all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlcnc.errors import ConfigError

MAX_BYTES = 16 * 2**30
"""The largest published file of GloVe vectors is a third of this."""

_FIRST_LINE = 200_000


@dataclass(frozen=True)
class GloveFile:
    """A file whose first line is a word and its numbers.

    Attributes:
        path: as given, with ``~`` resolved.
        dim: how many numbers a word has.
        size_bytes: of the file.
    """

    path: Path
    dim: int
    size_bytes: int


def glove_file(path: str) -> GloveFile:
    """Return dimension and size of a text file of word vectors; only its first line is read.

    Raises:
        ConfigError: there is no such file, it is too large, or its first line is not a word and numbers.
    """
    try:
        found = Path(path).expanduser()
        if not found.exists():
            raise ConfigError("there is no file of GloVe vectors at this path")
        if not found.is_file():
            raise ConfigError("the path of GloVe vectors must be that of a file, and it is none")
        size = found.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(
                f"a file of GloVe vectors has at most {MAX_BYTES // 2**30} GiB, this has {size // 2**30}"
            )
        with found.open("rb") as stream:
            line = stream.readline(_FIRST_LINE)
    except RuntimeError:
        raise ConfigError("the path of GloVe vectors begins with ~ and the name of no user") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise ConfigError(f"the file of GloVe vectors cannot be read: {reason}") from None
    # a line that was cut would give a wrong dimension
    dim = None if len(line) == _FIRST_LINE else _dimension(line)
    if dim is None:
        raise ConfigError(
            "the first line of a file of GloVe vectors must be a word and its numbers, separated by spaces; "
            "that of this file is not (is it still packed, or another kind of file?)"
        )
    return GloveFile(found, dim, size)


def _dimension(line: bytes) -> int | None:
    try:
        values = np.array(line.decode("utf-8").split()[1:], dtype=np.float64)
    except ValueError:
        return None
    return len(values) if len(values) >= 2 and np.isfinite(values).all() else None
