"""Backbone and head joined; the head works on any backbone that gives a (B, d, h, w) map."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from mlcnc.errors import require_shape
from mlcnc.etf import simplex_etf
from mlcnc.models.backbone import Backbone
from mlcnc.models.class_attention import CosineClassAttention, InputMap, MultiheadClassAttention
from mlcnc.models.etf_classifier import ETFClassifier, Kind
from mlcnc.models.parameter_groups import parameter_groups
from mlcnc.models.projection import ClassProjection

SPARED = ("label_embedding", "queries", "classifier.weight")
"""Parameters that are not decayed besides biases and norms."""


class HeadOutput(NamedTuple):
    """What the head returns for a batch.

    Attributes:
        logits: (B, C) raw scores.
        class_features: (B, C, d), f of Eq. 5.
        projected_features: (B, C, p), mu of Eq. 7, unit norm.
        attention: (B, C, h*w), rows sum to 1, no gradient.
        label_embedding: (C, d), to which the features align, and which attends where nothing else does.
        map_size: (h, w).
    """

    logits: Tensor
    class_features: Tensor
    projected_features: Tensor
    attention: Tensor
    label_embedding: Tensor
    map_size: tuple[int, int]


class MLCNCHead(nn.Module):
    """Class attention from a label embedding, per-class projection, ETF classifier (Eq. 3-10).

    Args:
        in_channels: channels of the backbone's map.
        num_classes: C.
        label_embedding: (C, d) start of the label embedding; None takes a simplex ETF of dimension
            ``embedding_dim``.
        embedding_dim: d, used where ``label_embedding`` is None.
        embedding_trainable: learn the label embedding; otherwise it is a buffer and travels in the
            checkpoint.
        query_norm: every row of the label embedding starts with this norm (and keeps it where fixed);
            None means sqrt(d), which trains better than the unit norm of paper and released code.
            Compare embedding kinds at equal norms only: it moves mAP by points.
        queries: ``label_embedding``, or ``trainable`` vectors that attend in its place and start standard
            normal, as in the released code's ablation of the classifier.
        attention: ``multihead`` (released code) or ``cosine`` (Eq. 3-5).
        num_heads, dropout: of the multihead attention.
        attention_temperature, input_map: of the cosine attention; ``none`` is Eq. 3-5 to the letter.
        projection_dim: p, or None for unprojected features.
        classifier: ``fixed``, ``init_only``, ``block_aligned`` or ``linear``.
        logit_scale: start of gamma in Eq. 10.
        seed: orientation of the ETFs; the classifier's is another than the embedding's.

    Raises:
        ValueError: an argument is out of range; the message names it.

    Example:
        >>> head = MLCNCHead(in_channels=512, num_classes=20, embedding_dim=64)
        >>> head(torch.randn(2, 512, 7, 7)).logits.shape
        torch.Size([2, 20])
    """

    label_embedding: Tensor
    queries: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        label_embedding: Tensor | None = None,
        embedding_dim: int = 768,
        embedding_trainable: bool = False,
        query_norm: float | None = None,
        queries: Literal["label_embedding", "trainable"] = "label_embedding",
        attention: Literal["multihead", "cosine"] = "multihead",
        num_heads: int = 8,
        dropout: float = 0.1,
        attention_temperature: float = 1.0,
        input_map: InputMap = "linear",
        projection_dim: int | None = 20,
        classifier: Kind = "fixed",
        logit_scale: float = 10.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if label_embedding is None:
            label_embedding = torch.as_tensor(simplex_etf(num_classes, embedding_dim, seed=seed))
        require_shape("label_embedding", label_embedding.shape, (num_classes, "d"))
        if query_norm is not None and not 0 < query_norm < float("inf"):
            raise ValueError(f"query_norm must be a finite number above 0 or None, got {query_norm}")
        dim = int(label_embedding.shape[1])
        norms = label_embedding.norm(dim=1, keepdim=True)
        if not bool((norms > 0).all()) or not bool(torch.isfinite(norms).all()):
            raise ValueError("label_embedding must have finite rows of norm above 0")
        start = (label_embedding / norms * (dim**0.5 if query_norm is None else query_norm)).float()
        if embedding_trainable:
            self.label_embedding = nn.Parameter(start)
        else:
            self.register_buffer("label_embedding", start)
        if queries not in ("label_embedding", "trainable"):
            raise ValueError(f"queries must be 'label_embedding' or 'trainable', got {queries!r}")
        if queries == "trainable":
            generator = torch.Generator().manual_seed(seed)
            self.queries = nn.Parameter(torch.randn(start.shape, generator=generator))
        else:
            self.queries = None
        self.attention: MultiheadClassAttention | CosineClassAttention
        if attention == "multihead":
            if input_map == "none":
                raise ValueError("input_map none goes with the cosine attention; multihead has its own map")
            self.attention = MultiheadClassAttention(in_channels, dim, num_heads=num_heads, dropout=dropout)
        elif attention == "cosine":
            self.attention = CosineClassAttention(
                in_channels, dim, temperature=attention_temperature, input_map=input_map
            )
        else:
            raise ValueError(f"attention must be 'multihead' or 'cosine', got {attention!r}")
        self.projection = ClassProjection(num_classes, dim, projection_dim)
        self.classifier = ETFClassifier(
            num_classes,
            self.projection.out_dim,
            class_feature_dim=dim,
            class_feature_norm=self._start_norm() if classifier == "linear" else None,
            kind=classifier,
            logit_scale=logit_scale,
            seed=seed + 1,
        )

    @property
    def projected_dim(self) -> int:
        """p, or d where features are not projected."""
        return self.projection.out_dim

    def forward(self, feature_map: Tensor) -> HeadOutput:
        """Return logits and everything that led to them.

        Args:
            feature_map: (B, in_channels, h, w).
        """
        class_features, attention = self.attention(feature_map, self._attending)
        projected_features = self.projection(class_features)  # (B, C, p)
        return HeadOutput(
            logits=self.classifier(projected_features, class_features),
            class_features=class_features,
            projected_features=projected_features,
            attention=attention,
            label_embedding=self.label_embedding,
            map_size=(feature_map.shape[2], feature_map.shape[3]),
        )

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimiser groups: no decay on biases, norms, gamma, label embedding and ETF classifier.

        Decay would shrink a frame that starts as an ETF.
        """
        return parameter_groups(self, weight_decay, SPARED)

    @property
    def _attending(self) -> Tensor:
        return self.label_embedding if self.queries is None else self.queries  # (C, d)

    @torch.no_grad()
    def _start_norm(self) -> float:
        """Return the root mean square norm of f on a half-normal map, what batch norm and ReLU leave."""
        generator = torch.Generator().manual_seed(0)
        shape = (8, self.attention.in_channels, 7, 7)
        feature_map = torch.randn(shape, generator=generator).relu()
        class_features, _ = self.attention.eval()(feature_map, self._attending)
        self.attention.train()
        return float(class_features.square().sum(dim=2).mean().sqrt())


class MLCNCNetwork(nn.Module):
    """A backbone and an :class:`MLCNCHead`."""

    def __init__(self, backbone: Backbone, head: MLCNCHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> HeadOutput:
        """Return the head's output for images (B, 3, H, W)."""
        output: HeadOutput = self.head(self.backbone(images))
        return output

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimiser groups: no decay on biases, norms, gamma, label embedding and ETF classifier.

        Decay would shrink a frame that starts as an ETF.
        """
        return parameter_groups(self, weight_decay, SPARED)
