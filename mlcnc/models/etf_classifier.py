"""The classifier over all concatenated projected features, h = gamma mu V (Eq. 10)."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from mlcnc.errors import require_shape
from mlcnc.etf import block_aligned_etf, simplex_etf
from mlcnc.precision import without_autocast

Kind = Literal["fixed", "init_only", "block_aligned", "linear"]


class ETFClassifier(nn.Module):
    """Logits from projected features and a simplex ETF, scaled by a learned gamma (Eq. 10).

    Args:
        num_classes: C.
        feature_dim: p, size of one class's projected feature.
        class_feature_dim: d, used by ``linear`` only.
        kind: ``fixed`` - ETF over R^{Cp}, a buffer (paper);
            ``init_only`` - the same start, trained (released code);
            ``block_aligned`` - fixed ETF, vector c almost wholly in block c;
            ``linear`` - random trainable vector and bias per class on f_i^c, no concatenation (Table 3,
            row without BEC). Its logits start with the spread of the ETF's, gamma / sqrt(p): with
            smaller ones the comparison would show the scale and not the classifier.
        class_feature_norm: typical norm of f_i^c at the start, for ``linear``; None means sqrt(d).
        logit_scale: start of gamma. Its logarithm is learned, so gamma stays positive.
        seed: of the ETF's orientation.

    Attributes:
        weight: (C, C*p), or (C, d) for ``linear``; a buffer where fixed.

    Departures: the released code learns gamma itself, from 1 (the paper states no start); it then hardly
        moves and logits stay small. Logits are computed in the dtype of the weight, inside autocast too.
    """

    def __init__(
        self,
        num_classes: int,
        feature_dim: int,
        *,
        class_feature_dim: int,
        class_feature_norm: float | None = None,
        kind: Kind = "fixed",
        logit_scale: float = 10.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if kind not in get_args(Kind):
            raise ValueError(f"classifier must be one of {get_args(Kind)}, got {kind!r}")
        if logit_scale <= 0:
            raise ValueError(f"logit_scale must be above 0, got {logit_scale}")
        self.kind = kind
        self.num_classes = num_classes
        self.feature_dim = feature_dim
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(logit_scale)))
        self.bias: nn.Parameter | None = None
        if kind == "linear":
            norm = math.sqrt(class_feature_dim) if class_feature_norm is None else class_feature_norm
            start = torch.randn(num_classes, class_feature_dim) / (norm * math.sqrt(feature_dim))
            self.weight: Tensor = nn.Parameter(start)
            self.bias = nn.Parameter(torch.zeros(num_classes))
            return
        if kind == "block_aligned":
            frame = block_aligned_etf(num_classes, feature_dim, seed=seed)
        else:
            frame = simplex_etf(num_classes, num_classes * feature_dim, seed=seed)
        weight = torch.as_tensor(frame, dtype=torch.float32)
        if kind == "init_only":
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    @property
    def logit_scale(self) -> Tensor:
        """gamma, a positive scalar."""
        return self.log_logit_scale.exp()

    def forward(self, projected_features: Tensor, class_features: Tensor) -> Tensor:
        """Return logits (B, C).

        Args:
            projected_features: (B, C, p) unit vectors, read by the ETF kinds.
            class_features: (B, C, d), read by ``linear``.
        """
        require_shape(
            "projected_features",
            projected_features.shape,
            ("B", self.num_classes, self.feature_dim),
        )
        # bfloat16 would round logits of 10 to steps of 1/16; the product is too small to be worth that
        with without_autocast(projected_features):
            if self.kind == "linear":
                features = class_features.to(self.weight.dtype)
                logits = torch.einsum("bcd,cd->bc", features, self.weight)  # (B, C)
                return self.logit_scale * logits + (0.0 if self.bias is None else self.bias)
            concatenated = projected_features.flatten(1).to(self.weight.dtype)  # (B, C*p)
            return self.logit_scale * (concatenated @ self.weight.T)
