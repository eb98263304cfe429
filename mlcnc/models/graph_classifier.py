"""A linear layer without bias whose rows a graph network makes of label vectors (ML-GCN)."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcnc.errors import require_shape
from mlcnc.models.backbone import Backbone
from mlcnc.precision import at_least_float32, without_autocast

Pooling = Literal["max", "mean"]

SLOPE = 0.2
"""Of the leaky ReLU between both layers."""


class LabelGraphNetwork(nn.Module):
    """Rows of a classifier, H2 = A LeakyReLU(A E W1) W2.

    Args:
        label_vectors: (C, e), E; constant, in the checkpoint.
        adjacency: (C, C), A; constant.
        hidden_dim: columns of W1.
        out_dim: columns of W2, the dimension of image features.

    Source: Chen et al. (CVPR 2019); weights start from uniform(+-1/sqrt(outputs)), there are no biases.
    """

    label_vectors: Tensor
    adjacency: Tensor

    def __init__(self, label_vectors: Tensor, adjacency: Tensor, hidden_dim: int, out_dim: int) -> None:
        super().__init__()
        require_shape("label_vectors", label_vectors.shape, ("C", "e"))
        require_shape("adjacency", adjacency.shape, (len(label_vectors), len(label_vectors)), "label_vectors")
        self.register_buffer("label_vectors", label_vectors)
        self.register_buffer("adjacency", adjacency, persistent=False)  # known from the data set
        self.first = _start(label_vectors.shape[1], hidden_dim)
        self.second = _start(hidden_dim, out_dim)

    def forward(self) -> Tensor:
        """Return the rows (C, out_dim)."""
        hidden = self.adjacency @ (self.label_vectors @ self.first)  # (C, hidden_dim)
        return self.adjacency @ (functional.leaky_relu(hidden, SLOPE) @ self.second)


class GraphClassifier(nn.Module):
    """Logits z = x H2^T of a pooled map x.

    Args:
        backbone: gives maps (B, out_channels, h, w).
        graph: gives H2 (C, out_channels).
        pooling: ``max`` over the map (paper) or ``mean``.
    """

    def __init__(self, backbone: Backbone, graph: LabelGraphNetwork, pooling: Pooling = "max") -> None:
        super().__init__()
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling must be one of {get_args(Pooling)}, got {pooling!r}")
        self.backbone = backbone
        self.graph = graph
        self.pooling = pooling

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, C) and image features z (B, d) of images (B, 3, H, W)."""
        feature_map = self.backbone(images)  # (B, d, h, w)
        # bfloat16 would leave images with equal scores, which no ranking tells apart
        with without_autocast(feature_map):
            values = at_least_float32(feature_map)
            pooled = values.amax(dim=(2, 3)) if self.pooling == "max" else values.mean(dim=(2, 3))  # (B, d)
            return pooled @ self.graph().T, pooled


def _start(inputs: int, outputs: int) -> nn.Parameter:
    bound = 1 / math.sqrt(outputs)
    return nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))
