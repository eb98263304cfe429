"""Word vectors of class names from a text file in GloVe's format; NumPy only, so that a page can check one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import DataError

MAX_LINE_BYTES = 1_000_000
"""A longer line is no word and its numbers: the widest published vectors take 6,000 bytes."""


def read_glove(path: str | Path, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Return one vector per class name from a text file of word vectors.

    A name is looked up as it is, with spaces as underscores, and joined. Failing that, a name of
    several words, or one that splits into known words (``diningtable``), is the mean of their vectors.

    Args:
        path: lines of a word and its numbers, separated by spaces. A first line of two whole numbers
            (how many words, how many numbers) is passed over, and so are entries of several words.
        class_names: C names.

    Returns:
        (C, d) float64.

    Raises:
        DataError: the file is missing or damaged, or a name cannot be made of its words.
    """
    known = _known_pieces(Path(path), _pieces(class_names))
    vectors = np.stack([_vector_of(name, known, path) for name in class_names])
    for name, vector in zip(class_names, vectors, strict=True):
        if not vector.any():
            raise DataError(
                f"the GloVe file {path} has only zeros for the class {name!r}, which is no direction"
            )
    return vectors


def _known_pieces(path: Path, wanted: set[str]) -> dict[str, NDArray[np.float64]]:
    known: dict[str, NDArray[np.float64]] = {}
    dim: int | None = None
    try:
        for number, line in _lines(path):
            before = line.count(b" ")
            if dim is None:
                if number == 1 and before == 1 and all(part.isdigit() for part in line.split()):
                    continue
                dim = before
            word = line[: line.find(b" ")].decode("utf-8").lower()
            # "at name@domain.com" is an entry of the largest published file
            if word not in wanted or before > dim:
                continue
            vector = np.array(line.split()[1:], dtype=np.float64)
            if vector.shape != (dim,) or not np.isfinite(vector).all():
                raise DataError(
                    f"{path}, line {number}: expected {dim} finite numbers after {word!r}, got {len(vector)}"
                )
            known.setdefault(word, vector)
    except OSError as error:
        raise DataError(f"the GloVe file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"the GloVe file {path} is not word vectors as text: {error}") from None
    return known


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if path.exists() and not path.is_file():
        raise DataError(f"the GloVe file {path} cannot be read: it is no regular file")
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES:
                raise DataError(f"the GloVe file {path} is not word vectors as text: line {number} has no end")
            if stripped := line.strip():
                yield number, stripped


def _pieces(class_names: Sequence[str]) -> set[str]:
    pieces: set[str] = set()
    for name in class_names:
        lower = name.lower()
        joined = lower.replace(" ", "").replace("_", "")
        pieces |= {lower, lower.replace(" ", "_"), joined, *lower.replace("_", " ").split()}
        pieces |= {joined[:cut] for cut in range(1, len(joined))}
        pieces |= {joined[cut:] for cut in range(1, len(joined))}
    return pieces


def _vector_of(name: str, known: dict[str, NDArray[np.float64]], path: str | Path) -> NDArray[np.float64]:
    lower = name.lower()
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
