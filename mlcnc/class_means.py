"""The running mean of projected features per class, used one epoch later by the calibration loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mlcnc.errors import require_shape
from mlcnc.precision import without_autocast

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
        any_seen: whether a class has a mean, known on the host without asking the device.

    Source: Eq. 8; t1neo666/AAAI25_MLC-NC for the means over all epochs.
    """

    means: Tensor
    seen: Tensor
    sums: Tensor
    counts: Tensor
    total_counts: Tensor

    def __init__(self, num_classes: int, dim: int, mode: Mode = "per_epoch") -> None:
        super().__init__()
        if mode not in ("per_epoch", "cumulative"):
            raise ValueError(f"mode must be 'per_epoch' or 'cumulative', got {mode!r}")
        self.mode = mode
        self.register_buffer("means", torch.zeros(num_classes, dim))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.bool))
        self.register_buffer("sums", torch.zeros(num_classes, dim))
        self.register_buffer("counts", torch.zeros(num_classes))
        self.register_buffer("total_counts", torch.zeros(num_classes))
        self.any_seen = False
        self.register_load_state_dict_post_hook(_look_what_was_loaded)  # type: ignore[no-untyped-call]  # untyped

    @property
    def published(self) -> Tensor | None:
        """The means (C, p); None where no class has one."""
        return self.means if self.any_seen else None

    @torch.no_grad()
    def update(self, projected_features: Tensor, targets: Tensor) -> None:
        """Add the positives of one batch.

        Args:
            projected_features: (B, C, p), or (B, p) where one feature of an image is that of all its classes.
            targets: (B, C), 0 or 1.

        Raises:
            ValueError: the shapes do not fit.
        """
        num_classes, dim = self.means.shape
        image_wise = projected_features.ndim == 2
        wanted = ("B", dim) if image_wise else ("B", num_classes, dim)
        require_shape("projected_features", projected_features.shape, wanted)
        require_shape("targets", targets.shape, (len(projected_features), num_classes), "projected_features")
        weights = (targets > 0).to(self.sums.dtype)  # (B, C)
        features = projected_features.to(self.sums.dtype)  # (B, C, p) or (B, p)
        with without_autocast(features):  # else summed in bfloat16
            self.sums += torch.einsum("bc,bp->cp" if image_wise else "bc,bcp->cp", weights, features)
        self.counts += weights.sum(dim=0)

    @torch.no_grad()
    def end_epoch(self, all_reduce: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> None:
        """Publish the means of the classes seen and start anew or, if ``cumulative``, weigh in the former.

        Args:
            all_reduce: returns the sum of a tensor over all processes.
        """
        sums, counts = all_reduce(self.sums), all_reduce(self.counts)  # (C, p), (C,)
        if self.mode == "cumulative":
            sums = sums + self.total_counts[:, None] * self.means
            self.total_counts += counts
            counts = self.total_counts
        present = counts > 0
        means = sums / counts.clamp(min=1)[:, None]
        self.means.copy_(torch.where(present[:, None], means, self.means))
        self.seen |= present
        self.sums.zero_()
        self.counts.zero_()
        self.any_seen = bool(self.seen.any())


def _look_what_was_loaded(module: nn.Module, _: Any) -> None:
    assert isinstance(module, ClassMeans)
    module.any_seen = bool(module.seen.any())
