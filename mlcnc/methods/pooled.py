"""A pooled map, a linear layer and a loss of its logits: ERM, and every method that is a loss alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mlcnc.data.loader import Batch
from mlcnc.methods.method import (
    ClassificationLoss,
    Losses,
    Measured,
    Method,
    Moment,
    Observations,
    Output,
    TrainingStatistics,
    classifier_observations,
)
from mlcnc.methods.settings import MethodSettings
from mlcnc.methods.settings.pooled import NeckSettings, PooledSettings
from mlcnc.models.backbone import Backbone
from mlcnc.models.pooled_classifier import PooledClassifier


class ImageFeatureMethod(Method):
    """A network that gives logits and one feature an image; the loss is left to what derives from it.

    It has no class-wise features and no attention; its space is ``z``.

    Args:
        settings: of the method.
        network: gives logits (B, C) and image features (B, d) of images.
    """

    def __init__(self, settings: MethodSettings, network: nn.Module) -> None:
        super().__init__(settings)
        self.network = network

    @property
    def averaged(self) -> nn.Module:
        """The network."""
        return self.network

    def forward(self, images: Tensor) -> Output:
        """Return logits and ``z``."""
        logits, image_features = self.network(images)
        return Output(logits, image_spaces={"z": image_features})

    def classified(self, batches: Sequence[Batch], classification: ClassificationLoss) -> Losses:
        """Return a classification loss of the one stream's batch."""
        (batch,) = batches
        logits, _ = self.network(batch.images)
        loss = classification(self.whole(logits), batch.targets)
        return Losses(loss, {classification.name: loss})

    def classifier_weight(self) -> Tensor:
        """Return the rows (C, d) that the logits are products with."""
        weight: Tensor = self.network.classifier.weight  # type: ignore[union-attr, assignment]  # a module's part
        return weight

    @torch.no_grad()
    def observe(self, measured: Measured) -> Observations:
        """Return NC3 of the classifier against class means of ``z``, and its geometry."""
        weight = self.classifier_weight().float().cpu().numpy()
        return classifier_observations(weight, measured, "z")


def pooled_classifier(
    settings: NeckSettings, backbone: Backbone, statistics: TrainingStatistics, **more: Any
) -> PooledClassifier:
    """Return the network of the settings; ``more`` goes to :class:`PooledClassifier`."""
    return PooledClassifier(
        backbone,
        statistics.num_classes,
        neck_dim=settings.neck_dim,
        neck_dropout=settings.neck_dropout,
        **more,
    )


class PooledMethod(ImageFeatureMethod):
    """Global average pool, a linear layer, and the classification loss of the settings."""

    def __init__(
        self, settings: PooledSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings, pooled_classifier(settings, backbone, statistics))
        self.classification = ClassificationLoss(settings.classification, statistics)

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the classification loss."""
        return self.classified(batches, self.classification)
