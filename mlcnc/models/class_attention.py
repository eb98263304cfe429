"""Class-wise features: every label embedding attends to the positions of the feature map (Eq. 3-5)."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcnc.directions import inverse_norms, unit_vectors
from mlcnc.errors import require_shape

InputMap = Literal["linear", "none"]


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

    Source: the released code of MLC-NC, t1neo666/AAAI25_MLC-NC; differs from Eq. 3-5, see
        :class:`CosineClassAttention`.

    Departures: in training the released layer's dropout also scales the value bias of a row by the sum
        of its surviving weights; here the bias is added whole, its expectation. The key bias has no
        effect (it cancels in the softmax) and gets a zero gradient.
    """

    def __init__(self, in_channels: int, dim: int, *, num_heads: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide embedding_dim = {dim}, got {num_heads}")
        self.in_channels = in_channels
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
        require_shape("feature_map", feature_map.shape, ("B", self.in_channels, "h", "w"))
        require_shape("label_embedding", label_embedding.shape, ("C", self.dim))
        num_images = feature_map.shape[0]
        num_classes = label_embedding.shape[0]
        heads, width = self.num_heads, self.dim // self.num_heads
        memory = functional.relu(_positions(feature_map, self.memory), inplace=True)  # (B, K, d)
        query_weight, key_weight, value_weight = self.in_projection.weight.chunk(3)  # (d, d) each
        query_bias, _, value_bias = self.in_projection.bias.chunk(3)  # the key bias cancels in Eq. 3
        queries = functional.linear(label_embedding, query_weight, query_bias) / math.sqrt(width)  # (C, d)
        folded = torch.einsum(
            "chw,hwd->hcd",
            queries.view(num_classes, heads, width),
            key_weight.view(heads, width, self.dim),
        ).reshape(heads * num_classes, self.dim)  # (H*C, d)
        scores = torch.matmul(folded, memory.transpose(1, 2))  # (B, H*C, K)
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
        attention = weights.detach().view(num_images, heads, num_classes, -1).mean(dim=1)  # (B, C, K)
        return class_features, attention


class CosineClassAttention(nn.Module):
    """The attention of Eq. 3-5: softmax over positions of cosines, then a mean.

    Args:
        in_channels: channels of the feature map.
        dim: d.
        temperature: divides the cosines; the paper's Eq. 3 has 1, which is close to average pooling.
        input_map: ``linear`` takes the map through a trained linear layer first, which the paper does
            not have: after a ReLU it cannot align with label embeddings of both signs. ``none`` takes
            the map as it is and needs d to be its channels.

    Raises:
        ValueError: an argument is out of range, or d is not ``in_channels`` without a map.

    Source: Eq. 3-5 of the paper; to the letter only with ``input_map`` none and ``temperature`` 1.
    """

    def __init__(
        self, in_channels: int, dim: int, *, temperature: float = 1.0, input_map: InputMap = "linear"
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"attention_temperature must be above 0, got {temperature}")
        if input_map not in get_args(InputMap):
            raise ValueError(f"input_map must be 'linear' or 'none', got {input_map!r}")
        if input_map == "none" and dim != in_channels:
            raise ValueError(
                f"embedding_dim must be {in_channels}, the channels of the backbone, where input_map is none, "
                f"got {dim}"
            )
        self.in_channels = in_channels
        self.dim = dim
        self.temperature = temperature
        self.memory = nn.Linear(in_channels, dim) if input_map == "linear" else None

    def forward(self, feature_map: Tensor, label_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Return class features (B, C, d) and attention (B, C, h*w); arguments as above."""
        require_shape("feature_map", feature_map.shape, ("B", self.in_channels, "h", "w"))
        require_shape("label_embedding", label_embedding.shape, ("C", self.dim))
        positions = _positions(feature_map, self.memory)  # (B, K, d)
        return attend_by_cosine(positions, label_embedding, self.temperature)


def attend_by_cosine(
    positions: Tensor, label_embedding: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return f_i^c = sum_k a_ikc z_i^k with a the softmax of cosines over positions (Eq. 3-5).

    The cosine of a position or label embedding of zero norm is 0, without a gradient; below a norm of
    1e-4 it fades, see :mod:`mlcnc.directions`, so that the gradient stays bounded.

    Args:
        positions: (B, K, d), z_i^k.
        label_embedding: (C, d), l_c.
        temperature: of the softmax.

    Returns:
        ``(class_features, attention)``: (B, C, d) and (B, C, K).
    """
    directions = unit_vectors(label_embedding).to(positions.dtype) / temperature  # (C, d)
    products = torch.matmul(directions, positions.transpose(1, 2))  # (B, C, K)
    attention = (products * inverse_norms(positions).transpose(1, 2)).softmax(dim=2)
    return torch.matmul(attention, positions), attention.detach()


def _positions(feature_map: Tensor, layer: nn.Linear | None) -> Tensor:
    """Return the map's positions (B, K, channels) after a linear layer, where there is one.

    The layer is taken as the 1x1 convolution that it is, which takes half as long on a CPU.
    """
    channels_last = feature_map.contiguous(memory_format=torch.channels_last)
    if layer is not None:
        channels_last = functional.conv2d(channels_last, layer.weight[:, :, None, None], layer.bias)
    return channels_last.flatten(2).transpose(1, 2).contiguous()
