"""Word vectors of class names from a text file in GloVe's format; NumPy only, so that a page can check one."""

from __future__ import annotations

import codecs
import math
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import DataError
from mlcnc.files.regular import regular_size
from mlcnc.written_numbers import plain_number

MAX_BYTES = 16 * 2**30
"""The largest published file of GloVe vectors is a third of this."""

MAX_LINE_CHARACTERS = 200_000
"""A longer line is no word and its numbers: the widest published vectors take 6,000."""

# in this order: the mark of UTF-32 begins with that of UTF-16
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}

ADDRESS = "https://nlp.stanford.edu/data/glove.6B.zip"
"""Pennington, Socher, Manning (2014), trained on Wikipedia 2014 and Gigaword 5; public domain (PDDL)."""
DIMS = (50, 100, 200, 300)
"""Numbers a word of the files in it."""


def read_glove(path: str | Path, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Return one vector per class name from a text file of word vectors.

    A name is looked up as it is, with spaces as underscores, and joined; letters in small and in one of their
    forms of Unicode. Failing that, a name of
    several words, or one that splits into known words (``diningtable``), is the mean of their vectors.

    Args:
        path: lines of a word, or several, and its numbers, separated by spaces or tabs, in UTF-8, or UTF-16
            with its mark. A first line of two whole numbers (how many words, how many numbers) is passed over.
            Of a word that stands there twice the first line counts.
        class_names: C names.

    Returns:
        (C, d) float64.

    Raises:
        DataError: the file is missing or no such text, or a name cannot be made of its words.
    """
    known = _known_pieces(Path(path), _pieces(class_names))
    vectors = np.stack([_vector_of(name, known, path) for name in class_names])
    for name, vector in zip(class_names, vectors, strict=True):
        if not vector.any():
            raise DataError(
                f"the GloVe file {path} has only zeros for the class {name!r}, which is no direction"
            )
    return vectors


def glove_dim(path: str | Path) -> int:
    """Return how many numbers a word has in a text file of word vectors; only its first lines are read.

    Raises:
        DataError: the file is missing or no such text.
    """
    _, dim, _ = next(_entries(Path(path)))
    return dim


def _known_pieces(path: Path, wanted: set[str]) -> dict[str, NDArray[np.float64]]:
    known: dict[str, NDArray[np.float64]] = {}
    first_words = {word.split()[0] for word in wanted if word.split()}
    for number, dim, line in _entries(path):
        # most lines are of words that nobody asks for
        if _folded(line.split(maxsplit=1)[0]) not in first_words:
            continue
        parts = _parts(line)
        word = _folded(" ".join(parts[: max(1, len(parts) - dim)]))
        if word not in wanted:
            given = parts[1:]
            if _folded(parts[0]) in wanted and len(given) > dim and None not in map(_as_number, given):
                raise DataError(
                    f"{path}, line {number}: expected {dim} finite numbers after {parts[0]!r}, got {len(given)}"
                )
            continue
        numbers = [_as_number(part) for part in parts[1:][-dim:]]
        if len(numbers) != dim or None in numbers:
            raise DataError(
                f"{path}, line {number}: expected {dim} finite numbers after {word!r}, got "
                f"{sum(one is not None for one in numbers)}"
            )
        known.setdefault(word, np.array(numbers, dtype=np.float64))
    return known


def _entries(path: Path) -> Iterator[tuple[int, int, str]]:
    """Yield number of the line, numbers a word has, and the line; neither a header nor empty lines.

    Raises:
        DataError: it cannot be read or its first entry is not a word and its numbers.
    """
    try:
        with _opened(path) as stream:
            declared, dim, number = None, 0, 0
            while line := stream.readline(MAX_LINE_CHARACTERS):
                number += 1
                if len(line) == MAX_LINE_CHARACTERS:
                    raise DataError(
                        f"the GloVe file {path} is not word vectors as text: line {number} has no end"
                    )
                if not line.strip():
                    continue
                if not dim:
                    parts = _parts(line)
                    if declared is None and _is_header(parts):
                        declared = int(parts[1])
                        continue
                    dim = _dim_of(parts, declared)
                    if not dim:
                        raise DataError(
                            f"the GloVe file {path} is not word vectors as text: its first line (line {number})"
                            " must be a word and its numbers, separated by spaces"
                        )
                yield number, dim, line
            if not dim:
                raise DataError(f"the GloVe file {path} holds no word and its numbers")
    except UnicodeError as error:
        raise DataError(
            f"the GloVe file {path} is not word vectors as text in UTF-8 ({getattr(error, 'reason', error)}); "
            "save it as UTF-8 text"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is no path"
        raise DataError(f"the GloVe file {path!s:.200} cannot be read: {reason}") from None


def _opened(path: Path) -> TextIO:
    # a pipe would be waited for
    size = regular_size(path)
    if size > MAX_BYTES:
        raise DataError(
            f"the GloVe file {path} has {size // 2**30} GiB, and files of word vectors have at most "
            f"{MAX_BYTES // 2**30}"
        )
    with path.open("rb") as stream:
        start = stream.read(8)
    packed = next((name for sign, name in _PACKED.items() if start.startswith(sign)), None)
    if packed is not None:
        raise DataError(
            f"the GloVe file {path} is not word vectors as text: it is packed ({packed}), unpack it first"
        )
    encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")
    # lines end in \n, \r\n or \r, and in nothing else that Unicode takes for an end
    return path.open(encoding=encoding, newline=None)


def _parts(line: str) -> list[str]:
    # not at every white space: published words hold some that is no separator
    return [part for part in line.rstrip("\n").replace("\t", " ").split(" ") if part]


def _is_header(parts: Sequence[str]) -> bool:
    """Return whether a line is that of word2vec and fastText: how many words, how many numbers."""
    return len(parts) == 2 and all(part.isdecimal() and len(part) < 16 for part in parts)


def _dim_of(parts: Sequence[str], declared: int | None) -> int:
    """Return how many numbers end the first entry, 0 where they are fewer than two or than a header says."""
    dim = 0
    while dim < len(parts) - 1 and _as_number(parts[-dim - 1]) is not None:
        dim += 1
    if declared is not None:
        dim = declared if declared <= dim else 0
    return dim if dim >= 2 else 0


def _as_number(text: str) -> float | None:
    try:
        number = float(plain_number(text))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _folded(text: str) -> str:
    """Return small letters with their accents; in a file an accent may be a character of its own."""
    lower = text.lower()
    return lower if lower.isascii() else unicodedata.normalize("NFC", lower)


def _pieces(class_names: Sequence[str]) -> set[str]:
    pieces: set[str] = set()
    for name in class_names:
        lower = _folded(name)
        joined = lower.replace(" ", "").replace("_", "")
        pieces |= {lower, lower.replace(" ", "_"), joined, *lower.replace("_", " ").split()}
        pieces |= {joined[:cut] for cut in range(1, len(joined))}
        pieces |= {joined[cut:] for cut in range(1, len(joined))}
    return pieces


def _vector_of(name: str, known: dict[str, NDArray[np.float64]], path: str | Path) -> NDArray[np.float64]:
    lower = _folded(name)
    joined = lower.replace(" ", "").replace("_", "")
    for whole in (lower, lower.replace(" ", "_"), joined):
        if whole in known:
            return known[whole]
    words = lower.replace("_", " ").split()
    if len(words) > 1 and all(word in known for word in words):
        return np.stack([known[word] for word in words]).mean(axis=0)
    # the most even split into two known words of at least two letters: "tvmonitor" is tv + monitor
    cuts = [cut for cut in range(2, len(joined) - 1) if joined[:cut] in known and joined[cut:] in known]
    if cuts:
        cut = min(cuts, key=lambda at: abs(at - len(joined) / 2))
        mean: NDArray[np.float64] = (known[joined[:cut]] + known[joined[cut:]]) / 2
        return mean
    raise DataError(
        f"the GloVe file {path} has no vector for the class {name!r}, nor for words it is made of; "
        "add a line for it or rename the class"
    )
