"""A loss with statistics and a sampler of its own, as somebody outside the package writes it."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from mlcnc.methods.settings import LossSettings


class WeightedSettings(LossSettings):
    """Cross-entropy with the positives of rare classes weighed more."""

    function: ClassVar[str] = "tests.extension.weighted_loss:weighted"
    title: ClassVar[str] = "weighted"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "num_images")
    sampler: ClassVar[str | None] = "backwards"
    kind: Literal["weighted"] = "weighted"
    power: float = Field(0.5, ge=0, description="of N / n_c")


def weighted(logits, targets, *, class_counts, num_images, power):
    """Return the mean over images and classes."""
    weights = (num_images / class_counts.clamp(min=1)) ** power
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (losses * (1 + targets * (weights - 1))).mean()


class Backwards:
    """The training set from its end, round and round."""

    def __init__(self, targets, num_samples, seed):
        self.num_images, self.num_samples = len(targets), num_samples

    def indices(self, epoch):
        """Return the rows of an epoch."""
        return (-1 - np.arange(self.num_samples)) % self.num_images
