"""Where label embeddings start: a simplex ETF, random vectors, or GloVe vectors of the class names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import ConfigError, DataError
from mlcnc.etf import simplex_etf

EmbeddingKind = Literal["etf", "trainable", "glove"]


def initial_label_embedding(
    kind: EmbeddingKind,
    num_classes: int,
    dim: int,
    *,
    seed: int = 0,
    glove_path: str | Path | None = None,
    class_names: list[str] | None = None,
) -> NDArray[np.float64]:
    """Return the label embedding (C, d) a head starts from; only its directions matter there.

    Args:
        kind: ``etf`` (Eq. 1), ``trainable`` (standard normal) or ``glove``.
        num_classes: C.
        dim: d; for ``glove`` it must be the dimension of the file.
        seed: of ETF and random vectors.
        glove_path: text file of word vectors, for ``glove``.
        class_names: C names, for ``glove``.

    Raises:
        ConfigError: an argument is missing or the dimension differs from the file's.
        DataError: the file is damaged or lacks a word.
    """
    if kind == "etf":
        return simplex_etf(num_classes, dim, seed=seed)
    if kind == "trainable":
        return np.random.default_rng([seed, 31]).standard_normal((num_classes, dim))
    if kind != "glove":
        raise ConfigError(f"model.label_embedding must be etf, trainable or glove, got {kind!r}")
    if glove_path is None or class_names is None:
        raise ConfigError("GloVe label embeddings need glove_path and class_names")
    vectors = read_glove(glove_path, class_names)
    if vectors.shape != (num_classes, dim):
        raise ConfigError(
            f"model.embedding_dim must be {vectors.shape[1]}, the dimension of {glove_path}, got {dim}"
        )
    return vectors


def read_glove(path: str | Path, class_names: list[str]) -> NDArray[np.float64]:
    """Return one vector per class name from a text file of word vectors.

    A name is looked up as it is, with spaces as underscores, and joined. Failing that, a name of
    several words, or one that splits into known words (``diningtable``), is the mean of their vectors.

    Args:
        path: lines of a word and its numbers, separated by spaces.
        class_names: C names.

    Returns:
        (C, d) float64.

    Raises:
        DataError: the file is missing or damaged, or a name cannot be made of its words.
    """
    wanted = _pieces(class_names)
    known: dict[str, NDArray[np.float64]] = {}
    dim: int | None = None
    try:
        with Path(path).open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                word, _, rest = line.rstrip("\n").partition(" ")
                if dim is None:
                    dim = len(rest.split())
                if word.lower() not in wanted:
                    continue
                vector = np.array(rest.split(), dtype=np.float64)
                if vector.shape != (dim,) or not np.isfinite(vector).all():
                    raise DataError(
                        f"{path}, line {number}: expected {dim} finite numbers after {word!r}, "
                        f"got {len(vector)}"
                    )
                known.setdefault(word.lower(), vector)
    except OSError as error:
        raise DataError(f"the GloVe file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"the GloVe file {path} is not word vectors as text: {error}") from None
    return np.stack([_vector_of(name, known, path) for name in class_names])


def _pieces(class_names: list[str]) -> set[str]:
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
