"""BBN: a conventional and a re-balancing branch, mixed by a weight that falls with the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mlcnc.data.loader import Batch
from mlcnc.losses.bilateral_mixing import bilateral_mixing_loss, mixed_features, mixing_weight
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
from mlcnc.methods.settings.bbn import BBNSettings
from mlcnc.models.backbone import Backbone
from mlcnc.models.bilateral_network import BilateralNetwork


class BBN(Method):
    """The first branch reads images drawn alike, the second those of the reversed sampler; space ``z`` is both.

    Raises:
        ConfigError: nothing of the branches would be trained, or the backbone has no such blocks.
    """

    def __init__(
        self, settings: BBNSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings)
        self.network = BilateralNetwork(backbone, statistics.num_classes, settings.branch_blocks)
        self.classification = ClassificationLoss(settings.classification, statistics)
        self.alpha = 1.0

    @property
    def backbone_copies(self) -> Sequence[nn.Module]:
        """The second branch."""
        return (self.network.branches.second,)

    @property
    def averaged(self) -> nn.Module:
        """The network."""
        return self.network

    def forward(self, images: Tensor) -> Output:
        """Return logits and ``z`` (B, 2d), of one image through both branches, without mixing."""
        image_features = self.network.features(images)  # (B, 2d)
        return Output(self.network.logits(image_features), image_spaces={"z": image_features})

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the loss of the mixed logits of a uniform and a reversed batch."""
        conventional, rebalancing = batches
        self.alpha = mixing_weight(moment.epoch, moment.num_epochs)
        # where alpha is 1 without any gradient: one of exactly zero would let Adam's decay erase the branch
        with torch.set_grad_enabled(self.alpha < 1):
            second = self.network.second(rebalancing.images)  # (B, d)
        mixed = mixed_features(self.network.first(conventional.images), second, self.alpha)  # (B, 2d)
        loss = bilateral_mixing_loss(
            self.whole(self.network.logits(mixed)),
            conventional.targets,
            rebalancing.targets,
            alpha=self.alpha,
            classification=self.classification,
        )
        return Losses(loss, {self.classification.name: loss})

    def scalars(self) -> Mapping[str, Tensor]:
        """Return alpha of the epoch."""
        return {"mixing_weight": torch.tensor(self.alpha)}

    def observe(self, measured: Measured) -> Observations:
        """Return NC3 of the linear layer against class means of ``z``, and its geometry."""
        weight = self.network.classifier.weight.detach().float().cpu().numpy()
        return classifier_observations(weight, measured, "z")
