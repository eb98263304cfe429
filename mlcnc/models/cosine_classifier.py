"""A classifier of directions: the cosine of a feature and a vector a class, times a scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mlcnc.directions import unit_vectors
from mlcnc.errors import require_shape
from mlcnc.precision import at_least_float32, without_autocast


class CosineClassifier(nn.Module):
    """h_c = s (u(v) . w_c / |w_c| + b_c), with u(v) = v / |v|, or v / (1 + |v|) where ``squashed``.

    Args:
        dim: of features.
        num_classes: C.
        scale: s > 0.
        bias: whether there are b_c, from 0; s multiplies them too, so that they keep up with the cosines.
            Without them a class that is rare as a positive can only turn its vector away from all features.
        squashed: keep what the norm of a feature says: a short one is near 0 for all classes.

    Source: LDAM (Cao et al. 2019) for unit features, OLTR (Liu et al. 2019) for squashed ones and the start of
        the class vectors, uniform(+-1/sqrt(dim)).

    Departures: the bias is ours; both have a softmax over classes of one label, which needs none.

    Example:
        >>> CosineClassifier(3, 2, scale=30.0)(torch.zeros(1, 3)).tolist()
        [[0.0, 0.0]]
    """

    def __init__(
        self, dim: int, num_classes: int, *, scale: float, bias: bool = True, squashed: bool = False
    ) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be a finite number above 0, got {scale}")
        self.dim = dim
        self.scale = scale
        self.squashed = squashed
        bound = 1 / math.sqrt(dim)
        self.weight = nn.Parameter(torch.empty(num_classes, dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if bias else None

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, C) of features (B, dim)."""
        require_shape("features", features.shape, ("B", self.dim))
        with without_autocast(features):
            values = at_least_float32(features)
            if self.squashed:
                directions = values / (1 + torch.linalg.vector_norm(values, dim=1, keepdim=True))  # (B, dim)
            else:
                directions = unit_vectors(values)
            cosines = directions @ unit_vectors(self.weight).T  # (B, C)
            return self.scale * (cosines if self.bias is None else cosines + self.bias)
