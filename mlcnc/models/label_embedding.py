"""Where label embeddings start: a simplex ETF, random vectors, or GloVe vectors of the class names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import ConfigError
from mlcnc.etf import simplex_etf
from mlcnc.glove import read_glove

EmbeddingKind = Literal["etf", "trainable", "glove"]


def initial_label_embedding(
    kind: EmbeddingKind,
    num_classes: int,
    dim: int,
    *,
    seed: int = 0,
    objectness: float = 0.0,
    glove_path: str | Path | None = None,
    class_names: list[str] | None = None,
) -> NDArray[np.float64]:
    """Return the label embedding (C, d) a head starts from; only its directions matter there.

    Args:
        kind: ``etf`` (Eq. 1), ``trainable`` (standard normal) or ``glove``.
        num_classes: C.
        dim: d; for ``glove`` it must be the dimension of the file.
        seed: of ETF and random vectors.
        objectness: length b of a direction orthogonal to the ETF that is added to all its unit vectors, whose
            cosines are then (b^2 - 1/(C-1)) / (b^2 + 1).
        glove_path: text file of word vectors, for ``glove``.
        class_names: C names, for ``glove``.

    Raises:
        ConfigError: an argument is missing or the dimension differs from the file's.
        DataError: the file is damaged or lacks a word.
    """
    if kind == "etf":
        least = num_classes - 1 + (objectness > 0)
        if dim < least:
            what = f"an ETF of {num_classes} classes" + (" and objectness" if objectness else "")
            raise ConfigError(f"method.embedding_dim must be at least {least} for {what}, got {dim}")
        frame = simplex_etf(num_classes, dim, seed=seed)
        return frame + objectness * _orthogonal_to(frame, seed) if objectness else frame
    if kind == "trainable":
        return np.random.default_rng([seed, 31]).standard_normal((num_classes, dim))
    if kind != "glove":
        raise ConfigError(f"method.label_embedding must be etf, trainable or glove, got {kind!r}")
    if glove_path is None or class_names is None:
        raise ConfigError("GloVe label embeddings need glove_path and class_names")
    vectors = read_glove(glove_path, class_names)
    if vectors.shape != (num_classes, dim):
        raise ConfigError(
            f"method.embedding_dim must be {vectors.shape[1]}, the dimension of {glove_path}, got {dim}"
        )
    return vectors


def _orthogonal_to(frame: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return a unit vector (d,) orthogonal to the rows of an ETF (C, d), whose span has C - 1 dimensions."""
    spanning = np.linalg.svd(frame, full_matrices=False)[2][: len(frame) - 1]  # (C-1, d)
    vector: NDArray[np.float64] = np.random.default_rng([seed, 32]).standard_normal((frame.shape[1],))
    for _ in range(2):  # a second time for what rounding left
        vector = vector - spanning.T @ (spanning @ vector)
    return np.asarray(vector / np.linalg.norm(vector))
