"""URS: a branch for uniform and one for re-balanced images, with consistent logits and logit compensation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mlcnc.data.loader import Batch
from mlcnc.losses.logit_compensation import consistency_loss, frequency_weights, logit_compensation_loss
from mlcnc.methods.method import (
    Losses,
    Measured,
    Method,
    Moment,
    Observations,
    Output,
    TrainingStatistics,
    classifier_observations,
    require_every_class,
)
from mlcnc.methods.settings.urs import URSSettings
from mlcnc.metrics.measurement import classifier_metrics
from mlcnc.models.backbone import Backbone
from mlcnc.models.two_classifiers import TwoClassifiers, logit_of_mean_probability

SPACES = ("uniform", "rebalanced")


class URS(Method):
    """Two branches that classify the images of their own sampler and agree on all; spaces ``SPACES``, (B, d).

    Raises:
        ConfigError: a class has no training image, nothing of the branches would be trained, or the backbone
            has no such blocks.
    """

    class_weights: Tensor | None

    def __init__(
        self, settings: URSSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings)
        require_every_class("URS", statistics)
        num_classes = statistics.num_classes
        self.network = TwoClassifiers(backbone, num_classes, settings.branch_blocks)
        self.consistency_weight = settings.consistency_weight
        # a parameter for each of four: of one dimension, so that no weight decay pulls a scale to 0
        self.compensation = nn.ParameterList(
            nn.Parameter(torch.full((num_classes,), value), requires_grad=settings.compensation)
            for value in (1.0, 0.0, 1.0, 0.0)
        )
        weights = frequency_weights(torch.as_tensor(statistics.class_counts), statistics.num_images)
        # known from the data set: nothing for a checkpoint
        self.register_buffer("class_weights", weights if settings.class_weights else None, persistent=False)

    @property
    def backbone_copies(self) -> Sequence[nn.Module]:
        """The second branch."""
        return (self.network.branches.second,)

    @property
    def averaged(self) -> nn.Module:
        """The network; the compensation takes no part in what is measured."""
        return self.network

    def forward(self, images: Tensor) -> Output:
        """Return the logit of both branches' mean probability, and the features of each."""
        first, second = self.network(images)
        features = (first.image_features, second.image_features)
        return Output(
            logit_of_mean_probability(first.logits, second.logits),
            image_spaces=dict(zip(SPACES, features, strict=True)),
        )

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the classification of a uniform and a class-aware batch, and the consistency on both."""
        uniform, rebalanced = batches
        own, other = (self.whole(output.logits) for output in self.network(uniform.images))  # u, u^
        other_rebalanced, own_rebalanced = (
            self.whole(output.logits) for output in self.network(rebalanced.images)
        )  # r^, r
        compensation = torch.stack(list(self.compensation))  # (4, C)
        terms = {
            "uniform": self._classification(own, uniform.targets, compensation),
            "rebalanced": self._classification(own_rebalanced, rebalanced.targets, compensation),
        }
        total = terms["uniform"] + terms["rebalanced"]
        if self.consistency_weight > 0:
            terms["consistency"] = consistency_loss(own, other) + consistency_loss(
                own_rebalanced, other_rebalanced
            )
            total = total + self.consistency_weight * terms["consistency"]
        return Losses(total, terms)

    def _classification(self, logits: Tensor, targets: Tensor, compensation: Tensor) -> Tensor:
        return logit_compensation_loss(logits, targets, compensation, weights=self.class_weights)

    def observe(self, measured: Measured) -> Observations:
        """Return NC3 of each branch's linear layer, and the geometry of both side by side (C, 2d)."""
        layers = (self.network.first_classifier, self.network.second_classifier)
        weights = [layer.weight.detach().float().cpu().numpy() for layer in layers]
        found = classifier_observations(np.concatenate(weights, axis=1), measured)
        for space, weight in zip(SPACES, weights, strict=True):
            for split, statistics in measured.statistics.items():
                found.metrics.update(classifier_metrics(split, space, weight, statistics[space]))
        return found
