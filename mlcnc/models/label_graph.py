"""The graph of labels of ML-GCN: which class is likely where another one is, and its normalised adjacency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import require_shape

EPSILON = 1e-6
"""Added to the number of edges that a class has, as in the public code."""


def label_edges(
    class_counts: NDArray[Any], co_occurrence: NDArray[Any], *, threshold: float = 0.4
) -> NDArray[np.bool_]:
    """Return Q (C, C): whether class j is in at least a share t of the images of class i, j another than i.

    Args:
        class_counts: (C,), n_i; a class without images has no edge.
        co_occurrence: (C, C), images having both classes; the diagonal is not read.
        threshold: t, above 0: at 0 everything is an edge.

    Raises:
        ValueError: a shape does not fit, or the threshold is out of range.

    Source: Chen et al. (CVPR 2019).

    Example:
        >>> label_edges(np.array([10, 5]), np.array([[10, 3], [3, 5]])).tolist()
        [[False, False], [True, False]]
    """
    counts, together = np.asarray(class_counts), np.asarray(co_occurrence)
    require_shape("co_occurrence", together.shape, (len(counts), len(counts)), "class_counts")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    shares = together / np.maximum(counts, 1)[:, None]  # (C, C), P(j | i)
    edges: NDArray[np.bool_] = shares >= threshold
    np.fill_diagonal(edges, False)
    return edges


def normalised_adjacency(edges: NDArray[np.bool_], *, neighbour_weight: float = 0.25) -> NDArray[np.float64]:
    """Return A_hat (C, C) with A_hat_ij = d_i A_ji d_j, d_i = (sum_j A_ij)^(-1/2).

    A_ij = p Q_ij / (sum_k Q_kj + 1e-6), and 1 for i = j.

    Args:
        edges: (C, C), Q, without any on the diagonal.
        neighbour_weight: p > 0, of all neighbours together beside the class itself.

    Raises:
        ValueError: the shape does not fit, or the weight is out of range.

    Source: Chen et al. (CVPR 2019) as their code has it: sums along columns, and the transpose.
    """
    require_shape("edges", edges.shape, (edges.shape[0], edges.shape[0]))
    if neighbour_weight <= 0:
        raise ValueError(f"neighbour_weight must be above 0, got {neighbour_weight}")
    adjacency = neighbour_weight * edges / (edges.sum(axis=0, keepdims=True) + EPSILON) + np.eye(len(edges))
    inverse_roots = adjacency.sum(axis=1) ** -0.5  # (C,)
    normalised: NDArray[np.float64] = inverse_roots[:, None] * adjacency.T * inverse_roots[None, :]
    return normalised
