"""OLTR: a memory of class centroids, after a first stage with a plain classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mlcnc.class_means import ClassMeans
from mlcnc.data.loader import Batch
from mlcnc.losses import centroid_loss
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
from mlcnc.methods.settings import OLTRSettings
from mlcnc.models.backbone import Backbone, map_size
from mlcnc.models.parameter_groups import parameter_groups
from mlcnc.models.visual_memory import MemoryNetwork, MemoryOutput


class OLTR(Method):
    """The network with a memory, its centroids, and the two stages.

    Spaces: ``z``, the direct feature, and ``meta``, the meta-embedding. The first stage does not read ``meta``;
    it is made there with the class means of the epoch before.

    Source: see the docstring of the settings.
    """

    second_stage: Tensor

    def __init__(
        self, settings: OLTRSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings)
        self.own = settings
        self.network = MemoryNetwork(
            backbone,
            map_size(backbone, statistics.input_shape),
            statistics.num_classes,
            feature_dim=settings.feature_dim,
            scale=settings.logit_scale,
            class_bias=settings.class_bias,
        )
        self.classification = ClassificationLoss(settings.classification, statistics)
        self.class_means = ClassMeans(statistics.num_classes, self.network.dim)
        self.centroids = nn.Parameter(torch.zeros(statistics.num_classes, self.network.dim))
        self.register_buffer("second_stage", torch.zeros((), dtype=torch.bool))
        # known on the host without asking the device
        self.has_memory = False
        self.register_load_state_dict_post_hook(_look_at_the_stage)  # type: ignore[no-untyped-call]  # untyped

    @property
    def averaged(self) -> nn.Module:
        """The network; centroids are means already, and begin anew with the second stage."""
        return self.network

    def forward(self, images: Tensor) -> Output:
        """Return the logits of the stage, ``z`` and ``meta``."""
        output = self._output(images)
        return Output(output.logits, image_spaces={"z": output.direct, "meta": output.meta})

    def _output(self, images: Tensor) -> MemoryOutput:
        output: MemoryOutput = self.network(images, self.centroids, self.has_memory)
        return output

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the classification loss, in the second stage with the centroid loss."""
        (batch,) = batches
        self.has_memory = moment.epoch >= self.own.first_stage_epochs(moment.num_epochs)
        output = self._output(batch.images)
        direct = self.whole(output.direct)  # (B, D)
        classification = self.classification(self.whole(output.logits), batch.targets)
        terms = {self.classification.name: classification}
        if not self.has_memory:
            self.class_means.update(direct, batch.targets)
            return Losses(classification, terms)
        if self.own.centroid_weight == 0:
            return Losses(classification, terms)
        terms["centroid"] = centroid_loss(
            direct,
            self.centroids,
            batch.targets,
            repel_margin=self.own.repel_margin,
            repel_weight=self.own.repel_weight,
        )
        return Losses(classification + self.own.centroid_weight * terms["centroid"], terms)

    def end_epoch(self) -> None:
        """Let the centroids be the class means of the epoch, as long as the first stage lasts."""
        self.second_stage.fill_(self.has_memory)
        if not self.has_memory:
            self.class_means.end_epoch()
            with torch.no_grad():
                self.centroids.copy_(self.class_means.means)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimiser groups: no decay on biases, norms and centroids."""
        return parameter_groups(self, weight_decay, ("centroids",))

    def observe(self, measured: Measured) -> Observations:
        """Return NC3 of the classifier of the stage against class means of what it reads, and its geometry."""
        classifier = self.network.classifier if self.has_memory else self.network.plain
        weight = classifier.weight.detach().float().cpu().numpy()
        return classifier_observations(weight, measured, "meta" if self.has_memory else "z")


def _look_at_the_stage(module: nn.Module, _: Any) -> None:
    assert isinstance(module, OLTR)
    module.has_memory = bool(module.second_stage)
