"""What keeps the losses exact under mixed precision and at zero norm."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_NORM = 1e-8
"""Vectors shorter than this have no direction."""


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return float64 as it is and everything else as float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def without_autocast(tensor: Tensor) -> torch.autocast:
    """Return a context in which matrix products on the tensor's device keep their dtype.

    Inside autocast a product of float32 cosines would be taken in bfloat16, with two to three digits.
    """
    return torch.autocast(tensor.device.type, enabled=False)


def unit_vectors(vectors: Tensor) -> Tensor:
    """Return v / |v| along the last axis; a zero vector stays zero and gets a zero gradient.

    Flooring the norm alone is not enough: the gradient at zero would be 1 / floor.

    Args:
        vectors: (..., d) float.

    Returns:
        The shape and dtype of ``vectors``.

    Example:
        >>> unit_vectors(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    norms = vectors.norm(dim=-1, keepdim=True)
    return torch.where(norms > MIN_NORM, vectors / norms.clamp(min=MIN_NORM), torch.zeros_like(vectors))
