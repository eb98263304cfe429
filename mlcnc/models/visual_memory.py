"""A feature that a memory of class centroids fills up (OLTR), and the network around it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mlcnc.models.backbone import Backbone
from mlcnc.models.cosine_classifier import CosineClassifier
from mlcnc.models.modulated_attention import ModulatedAttention
from mlcnc.precision import at_least_float32, without_autocast

REACHABILITY = 10.0
"""Divided by the distance to the nearest centroid, as in the public code."""

MIN_DISTANCE = 1e-6
"""A feature that is nearer to a centroid is taken to be so far away."""


class MemoryOutput(NamedTuple):
    """What the network says of a batch.

    Attributes:
        logits: (B, C) raw scores.
        direct: (B, D), the pooled feature v_d.
        meta: (B, D), the meta-embedding.
    """

    logits: Tensor
    direct: Tensor
    meta: Tensor


def meta_embedding(direct: Tensor, weights: Tensor, selector: Tensor, centroids: Tensor) -> Tensor:
    """Return gamma (v_d + e * sum_k w_k c_k) (B, D), gamma = 10 / min_k |v_d - c_k|.

    Args:
        direct: (B, D), v_d.
        weights: (B, C), w, rows sum to 1.
        selector: (B, D), e, in [-1, 1].
        centroids: (C, D), c; constants, no gradient flows into them.

    Source: Liu et al. (CVPR 2019). Departure: a distance below 1e-6 counts as 1e-6.
    """
    fixed = centroids.detach().to(direct.dtype)
    with torch.no_grad():
        nearest = (fixed.square().sum(dim=1) - 2 * direct @ fixed.T).argmin(dim=1)  # (B,)
    distance = torch.linalg.vector_norm(direct - fixed[nearest], dim=1, keepdim=True)  # (B, 1)
    return REACHABILITY / distance.clamp(min=MIN_DISTANCE) * (direct + selector * (weights @ fixed))


class MemoryNetwork(nn.Module):
    """Backbone, modulated attention, direct feature, and two classifiers: a plain one and that of the memory.

    The plain linear layer, which is trained first, says later which centroids a feature recalls.

    Args:
        backbone: gives maps (B, out_channels, h, w).
        map_size: (h, w).
        num_classes: C.
        feature_dim: D, outputs of a linear layer on the pooled map; None takes the pooled map itself.
        scale: of the cosine classifier.
        class_bias: whether it has a bias a class.
    """

    def __init__(
        self,
        backbone: Backbone,
        map_size: tuple[int, int],
        num_classes: int,
        *,
        feature_dim: int | None = None,
        scale: float = 16.0,
        class_bias: bool = True,
    ) -> None:
        super().__init__()
        channels = backbone.out_channels
        self.dim = feature_dim or channels
        self.backbone = backbone
        self.attention = ModulatedAttention(channels, map_size)
        self.direct = nn.Identity() if feature_dim is None else nn.Linear(channels, feature_dim)
        self.plain = nn.Linear(self.dim, num_classes)
        self.selector = nn.Linear(self.dim, self.dim)
        self.classifier = CosineClassifier(self.dim, num_classes, scale=scale, bias=class_bias, squashed=True)

    def forward(self, images: Tensor, centroids: Tensor, has_memory: bool) -> MemoryOutput:
        """Return logits, direct feature and meta-embedding of images (B, 3, H, W).

        Args:
            images: (B, 3, H, W).
            centroids: (C, D).
            has_memory: the second stage: with attention, logits of the meta-embedding; the first has neither.
        """
        feature_map = self.backbone(images)  # (B, out_channels, h, w)
        if has_memory:
            feature_map = self.attention(feature_map)
        # bfloat16 would leave images with equal scores, which no ranking tells apart
        with without_autocast(feature_map):
            direct = self.direct(at_least_float32(feature_map).mean(dim=(2, 3)))  # (B, D)
            plain = self.plain(direct)  # (B, C)
            meta = meta_embedding(direct, plain.softmax(dim=1), self.selector(direct).tanh(), centroids)
            return MemoryOutput(self.classifier(meta) if has_memory else plain, direct, meta)
