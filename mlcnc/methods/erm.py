"""ERM: empirical risk minimisation, the plain baseline of every table."""

from __future__ import annotations

from collections.abc import Sequence

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
from mlcnc.methods.settings import ERMSettings
from mlcnc.metrics.measurement import classifier_metrics
from mlcnc.models.backbone import Backbone
from mlcnc.models.pooled_classifier import PooledClassifier


class ERM(Method):
    """Global average pool, a linear layer, the mean binary cross-entropy; images are drawn alike.

    It has no class-wise features and no attention; its space is ``z``, one feature an image.

    Source: row ERM of Tables 1 and 2; baselines section 2. The published rows have other backbones' necks and
    schedules (baselines section 1).
    """

    def __init__(
        self, settings: ERMSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings)
        self.network = PooledClassifier(backbone, statistics.num_classes)
        self.classification = ClassificationLoss(settings.classification, statistics)

    @property
    def averaged(self) -> nn.Module:
        """The network."""
        return self.network

    def forward(self, images: Tensor) -> Output:
        """Return logits and ``z``."""
        logits, image_features = self.network(images)
        return Output(logits, image_spaces={"z": image_features})

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the classification loss of the one stream's batch."""
        (batch,) = batches
        logits, _ = self.network(batch.images)
        loss = self.classification(logits, batch.targets)
        return Losses(loss, {self.classification.name: loss})

    def observe(self, measured: Measured) -> Observations:
        """Return NC3 of the linear layer against class means of ``z``, and its geometry."""
        weight = self.network.classifier.weight.detach().float().cpu().numpy()
        found = classifier_observations(weight, measured)
        for split, statistics in measured.statistics.items():
            found.metrics.update(classifier_metrics(split, "z", weight, statistics["z"]))
        return found
