"""What all methods have in common whose network is a pooled map and a linear layer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mlcnc.methods.settings.losses import BinaryCrossEntropySettings
from mlcnc.methods.settings.registry import LossChoice, MethodSettings


class NeckSettings(MethodSettings):
    """A classifier of pooled maps, with or without a neck between them."""

    neck_dim: int | None = Field(
        None,
        ge=2,
        le=8192,
        description="a linear layer of so many outputs, batch norm and dropout before the classifier (256 in "
        "DB's trainer); none has no such neck",
    )
    neck_dropout: float = Field(0.5, ge=0, lt=1, description="of the neck, where there is one")

    @property
    def least_batch(self) -> int:
        """Two with a neck, whose batch norm has no variance of one image."""
        return 1 if self.neck_dim is None else 2


class PooledSettings(NeckSettings):
    """Global average pool, a linear layer, and a loss of its logits."""

    implementation: ClassVar[str] = "mlcnc.methods.pooled:PooledMethod"
    classification: LossChoice = Field(BinaryCrossEntropySettings(), description="loss of the logits")
