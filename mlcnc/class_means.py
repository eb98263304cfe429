"""The running mean of projected features per class, used one epoch later by the calibration loss."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mlcnc.errors import require_shape

Mode = Literal["per_epoch", "cumulative"]


class ClassMeans(nn.Module):
    """Class means of epoch t, available in epoch t + 1 (Eq. 8).

    ``update`` collects the features produced while an epoch trains; ``end_epoch`` publishes their
    means. A class without a positive in an epoch keeps its former mean; one never seen stays masked.

    Args:
        num_classes: C.
        dim: p.
        mode: ``per_epoch`` starts anew each epoch (paper), ``cumulative`` never does (released code).

    Attributes:
        means: (C, p) float32 buffer, published class means, zero until seen.
        seen: (C,) bool buffer.

    Source: Eq. 8; mlc_nc difference 10.
    """

    means: Tensor
    seen: Tensor
    sums: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, dim: int, mode: Mode = "per_epoch") -> None:
        super().__init__()
        if mode not in ("per_epoch", "cumulative"):
            raise ValueError(f"mode must be 'per_epoch' or 'cumulative', got {mode!r}")
        self.mode = mode
        self.register_buffer("means", torch.zeros(num_classes, dim))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.bool))
        self.register_buffer("sums", torch.zeros(num_classes, dim))
        self.register_buffer("counts", torch.zeros(num_classes))

    @torch.no_grad()
    def update(self, projected_features: Tensor, targets: Tensor) -> None:
        """Add the positives of one batch.

        Args:
            projected_features: (B, C, p).
            targets: (B, C), 0 or 1.

        Raises:
            ValueError: the shapes do not fit.
        """
        require_shape("projected_features", projected_features.shape, ("B", *self.means.shape))
        require_shape("targets", targets.shape, projected_features.shape[:2], "projected_features")
        weights = (targets > 0).to(self.sums.dtype)  # (B, C)
        features = projected_features.to(self.sums.dtype)  # (B, C, p)
        with torch.autocast(features.device.type, enabled=False):  # else summed in bfloat16
            self.sums += torch.einsum("bc,bcp->cp", weights, features)
        self.counts += weights.sum(dim=0)

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Publish the means of the classes seen and, in mode ``per_epoch``, start anew."""
        present = self.counts > 0
        self.means[present] = self.sums[present] / self.counts[present, None]
        self.seen |= present
        if self.mode == "per_epoch":
            self.sums.zero_()
            self.counts.zero_()
