"""Class-wise features: every label embedding attends to the positions of the feature map (Eq. 3-5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcnc.errors import require_shape


class MultiheadClassAttention(nn.Module):
    """One multi-head cross-attention layer with the label embeddings as queries (released code).

    Linear + ReLU takes the map to d channels; keys and values are projections of it, queries of the
    label embedding. No residual, no normalisation, no feed-forward part, no positions.

    The queries are the same for every image, so keys are never formed: the query goes through the
    transposed key projection once, C x heads rows instead of B x h x w. The value projection is linear
    and is taken where there are fewer rows: after the attention where classes are fewer than positions,
    before it otherwise.

    Args:
        in_channels: channels of the feature map.
        dim: d, of label embedding and class features; a multiple of ``num_heads``.
        num_heads: number of heads.
        dropout: on the attention weights, in training only.

    Raises:
        ValueError: ``dim`` is not a multiple of ``num_heads``.

    Source: mlc_nc section 2, steps 2-4; differs from Eq. 3-5, see :class:`CosineClassAttention`.

    Departures: in training the released layer's dropout also scales the value bias of a row by the sum
        of its surviving weights; here the bias is added whole, its expectation. The key bias has no
        effect (it cancels in the softmax) and gets a zero gradient.
    """

    def __init__(self, in_channels: int, dim: int, *, num_heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide embedding_dim = {dim}, got {num_heads}")
        self.dim = dim
        self.num_heads = num_heads
        self.memory = nn.Linear(in_channels, dim)
        self.in_projection = nn.Linear(dim, 3 * dim)
        self.out_projection = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        # the start of torch.nn.MultiheadAttention, with which the tests compare
        nn.init.xavier_uniform_(self.in_projection.weight)
        nn.init.zeros_(self.in_projection.bias)
        nn.init.zeros_(self.out_projection.bias)

    def forward(self, feature_map: Tensor, label_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Return class features and the attention that made them.

        Args:
            feature_map: (B, in_channels, h, w).
            label_embedding: (C, d).

        Returns:
            ``(class_features, attention)``: (B, C, d), and (B, C, h*w) averaged over the heads, without
            dropout, each row summing to 1.
        """
        require_shape("feature_map", feature_map.shape, ("B", self.memory.in_features, "h", "w"))
        require_shape("label_embedding", label_embedding.shape, ("C", self.dim))
        num_images = feature_map.shape[0]
        num_classes = label_embedding.shape[0]
        heads, width = self.num_heads, self.dim // self.num_heads
        positions = feature_map.flatten(2).transpose(1, 2)  # (B, K, in_channels)
        memory = functional.relu(self.memory(positions))  # (B, K, d)
        query_weight, key_weight, value_weight = self.in_projection.weight.chunk(3)  # (d, d) each
        query_bias, _, value_bias = self.in_projection.bias.chunk(3)  # the key bias cancels in Eq. 3
        queries = functional.linear(label_embedding, query_weight, query_bias)  # (C, d)
        folded = torch.einsum(
            "chw,hwd->hcd",
            queries.view(num_classes, heads, width),
            key_weight.view(heads, width, self.dim),
        ).reshape(heads * num_classes, self.dim)  # (H*C, d)
        scores = torch.matmul(folded, memory.transpose(1, 2)) / math.sqrt(width)  # (B, H*C, K)
        weights = scores.softmax(dim=2)  # (B, H*C, K)
        dropped = self.dropout(weights)
        if num_classes < memory.shape[1]:
            attended = torch.matmul(dropped, memory)  # (B, H*C, d)
            per_head = attended.view(num_images, heads, num_classes, self.dim)
            by_head = value_weight.view(heads, width, self.dim)
            values = torch.einsum("bhcd,hwd->bchw", per_head, by_head)  # (B, C, H, d/H)
        else:
            projected = functional.linear(memory, value_weight)  # (B, K, d)
            per_position = projected.view(num_images, -1, heads, width)
            per_class = dropped.view(num_images, heads, num_classes, -1)
            values = torch.einsum("bhck,bkhw->bchw", per_class, per_position)  # (B, C, H, d/H)
        joined = values.reshape(num_images, num_classes, self.dim)
        class_features = self.out_projection(joined + value_bias)  # (B, C, d)
        attention = weights.view(num_images, heads, num_classes, -1).mean(dim=1)  # (B, C, K)
        return class_features, attention.detach()


class CosineClassAttention(nn.Module):
    """The attention of Eq. 3-5 to the letter: softmax over positions of cosines, then a mean.

    Args:
        in_channels: channels of the feature map.
        dim: d. The map goes through a linear layer first: after a ReLU it could not align with label
            embeddings of both signs.
        temperature: divides the cosines; the paper's Eq. 3 has 1, which is close to average pooling.

    Raises:
        ValueError: ``temperature`` is not above 0.

    Source: Eq. 3-5 of the paper.
    """

    def __init__(self, in_channels: int, dim: int, *, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"attention_temperature must be above 0, got {temperature}")
        self.dim = dim
        self.temperature = temperature
        self.memory = nn.Linear(in_channels, dim)

    def forward(self, feature_map: Tensor, label_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Return class features (B, C, d) and attention (B, C, h*w); arguments as above."""
        require_shape("feature_map", feature_map.shape, ("B", self.memory.in_features, "h", "w"))
        require_shape("label_embedding", label_embedding.shape, ("C", self.dim))
        positions = self.memory(feature_map.flatten(2).transpose(1, 2))  # (B, K, d)
        return attend_by_cosine(positions, label_embedding, self.temperature)


def attend_by_cosine(
    positions: Tensor, label_embedding: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return f_i^c = sum_k a_ikc z_i^k with a the softmax of cosines over positions (Eq. 3-5).

    Args:
        positions: (B, K, d), z_i^k.
        label_embedding: (C, d), l_c.
        temperature: of the softmax.

    Returns:
        ``(class_features, attention)``: (B, C, d) and (B, C, K).
    """
    unit_positions = functional.normalize(positions, dim=2)
    unit_embedding = functional.normalize(label_embedding, dim=1).to(unit_positions.dtype)
    cosine = torch.matmul(unit_embedding, unit_positions.transpose(1, 2))  # (B, C, K)
    attention = (cosine / temperature).softmax(dim=2)
    return torch.matmul(attention, positions), attention.detach()
