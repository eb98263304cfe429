"""Simplex equiangular tight frames (Eq. 1-2): C unit vectors, every pair at cosine -1/(C-1)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Construction = Literal["gaussian", "uniform"]


def optimal_cosine(num_classes: int) -> float:
    """Return -1/(C-1), the cosine between any two vectors of a simplex ETF (Eq. 2).

    Raises:
        ValueError: fewer than two classes.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2 for a simplex ETF, got {num_classes}")
    return -1.0 / (num_classes - 1)


def optimal_angle_degrees(num_classes: int) -> float:
    """Return arccos(-1/(C-1)) in degrees.

    Example:
        >>> round(optimal_angle_degrees(20), 3)
        93.017
    """
    return math.degrees(math.acos(optimal_cosine(num_classes)))


def simplex_etf(
    num_classes: int, dim: int, *, seed: int = 0, construction: Construction = "gaussian"
) -> NDArray[np.float64]:
    """Return the rows of a simplex ETF, V = sqrt(C/(C-1)) (I - J/C) U^T (Eq. 1).

    Args:
        num_classes: C, at least 2.
        dim: d, at least C - 1.
        seed: of the random orientation.
        construction: entries of the matrix whose QR gives U: ``gaussian``, or ``uniform`` in [0, 1]
            as in the released code (its first row then has a single sign).

    Returns:
        (C, d) float64 with unit rows, pairwise cosines -1/(C-1) and rows that sum to zero.

    Raises:
        ValueError: ``num_classes`` < 2, ``dim`` < C - 1, or an unknown construction.

    Source: Eq. 1-2 of the paper.

    Departures: Eq. 1 through U needs d >= C although the text allows C - 1; at d = C - 1 the centred
        identity is expressed in an orthonormal basis of its row space (SVD) and rotated at random.

    Example:
        >>> frame = simplex_etf(4, 3)
        >>> np.allclose(frame @ frame.T, 4 / 3 * np.eye(4) - 1 / 3)
        True
    """
    optimal_cosine(num_classes)
    if dim < num_classes - 1:
        raise ValueError(
            f"dim must be at least num_classes - 1 = {num_classes - 1} for a simplex ETF, got {dim}"
        )
    rng = np.random.default_rng(seed)
    centred = np.eye(num_classes) - 1.0 / num_classes  # (C, C), I - J/C
    scale = math.sqrt(num_classes / (num_classes - 1))
    if dim == num_classes - 1:
        left, singular, _ = np.linalg.svd(centred)
        coordinates = left[:, :dim] * singular[:dim]  # (C, C-1)
        return scale * coordinates @ _orthonormal(rng, dim, dim, construction).T
    return scale * centred @ _orthonormal(rng, dim, num_classes, construction).T


def block_aligned_etf(num_classes: int, block_dim: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Return an ETF over concatenated blocks whose vector c lies almost wholly in block c.

    The orthonormal columns of Eq. 1 are one random unit vector per block, so a share (C-1)/C of the
    energy of vector c is in its own block.

    Args:
        num_classes: C, at least 2.
        block_dim: p, size of one block.
        seed: of the unit vectors.

    Returns:
        (C, C*p) float64, a simplex ETF.

    Raises:
        ValueError: ``num_classes`` < 2 or ``block_dim`` < 1.
    """
    optimal_cosine(num_classes)
    if block_dim < 1:
        raise ValueError(f"block_dim must be at least 1, got {block_dim}")
    units = np.random.default_rng(seed).standard_normal((num_classes, block_dim))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    basis = np.zeros((num_classes, num_classes, block_dim))
    basis[np.arange(num_classes), np.arange(num_classes)] = units
    centred = np.eye(num_classes) - 1.0 / num_classes
    scale = math.sqrt(num_classes / (num_classes - 1))
    return scale * centred @ basis.reshape(num_classes, -1)


def _orthonormal(
    rng: np.random.Generator, dim: int, num_columns: int, construction: Construction
) -> NDArray[np.float64]:
    shape = (dim, num_columns)
    if construction == "gaussian":
        entries = rng.standard_normal(shape)
    elif construction == "uniform":
        entries = rng.random(shape)
    else:
        raise ValueError(f"construction must be 'gaussian' or 'uniform', got {construction!r}")
    columns, triangle = np.linalg.qr(entries)
    if construction == "gaussian":
        # QR is unique up to signs; fixing them makes the orientation uniformly distributed
        columns = columns * np.where(np.diag(triangle) < 0, -1.0, 1.0)
    return columns
