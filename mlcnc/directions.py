"""Directions of vectors, where a vector too short to have one gets neither value nor gradient."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_NORM = 1e-8
"""Vectors shorter than this have no direction."""

SHORT_NORM = 1e-4
"""Below this a direction fades with the square of the norm, so that its gradient ends at 2 / 1e-4."""


def inverse_norms(vectors: Tensor) -> Tensor:
    """Return 1 / |v| along the last axis; |v| / 1e-4^2 where |v| < 1e-4, 0 without a gradient up to 1e-8.

    Flooring the norm alone is not enough: the gradient at zero would be 1 / floor. Nor is a zero of its own:
    beside it the gradient of v / |v| would be 1 / |v|, up to 1e8.

    Args:
        vectors: (..., d) float.

    Returns:
        (..., 1), the dtype of ``vectors``.
    """
    return _wide_inverse_norms(vectors).to(vectors.dtype)


def _wide_inverse_norms(vectors: Tensor) -> Tensor:
    # in float16 the squares of short norms are 0 and those of long ones infinite, and so are the gradients
    wide = torch.float64 if vectors.dtype == torch.float64 else torch.float32
    norms = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True, dtype=wide)
    faded = torch.where(norms > MIN_NORM, norms / SHORT_NORM**2, 0.0)
    return torch.where(norms >= SHORT_NORM, norms.clamp(min=SHORT_NORM).reciprocal(), faded)


def unit_vectors(vectors: Tensor) -> Tensor:
    """Return v / |v| along the last axis; a zero vector stays zero and gets a zero gradient.

    Example:
        >>> unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return (vectors * _wide_inverse_norms(vectors)).to(vectors.dtype)
