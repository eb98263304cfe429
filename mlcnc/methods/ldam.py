"""LDAM: a cosine classifier with margins that grow as classes get rarer, and deferred re-weighting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mlcnc.data.loader import Batch
from mlcnc.losses import effective_number_weights, ldam_loss
from mlcnc.methods.method import Losses, Moment, TrainingStatistics, require_every_class
from mlcnc.methods.pooled import ImageFeatureMethod, pooled_classifier
from mlcnc.methods.settings import LDAMSettings
from mlcnc.models.backbone import Backbone
from mlcnc.models.cosine_classifier import CosineClassifier


class LDAM(ImageFeatureMethod):
    """A pooled map, a cosine classifier and the margins of LDAM; its space is ``z``, the pooled feature.

    Raises:
        ConfigError: a class has no training image.

    Source: see the docstring of the settings.
    """

    class_counts: Tensor
    deferred_weights: Tensor

    def __init__(
        self, settings: LDAMSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        cosine = partial(
            CosineClassifier,
            num_classes=statistics.num_classes,
            scale=settings.scale,
            bias=settings.class_bias,
        )
        super().__init__(settings, pooled_classifier(settings, backbone, statistics, classifier=cosine))
        require_every_class(settings.title, statistics)
        self.own = settings
        # in float64, for 1 - beta^n cancels in float32 where beta is near 1
        weights = effective_number_weights(statistics.class_counts, settings.deferred_beta)  # (C,)
        # known from the data set: nothing for a checkpoint
        self.register_buffer("class_counts", torch.as_tensor(statistics.class_counts), persistent=False)
        self.register_buffer("deferred_weights", torch.as_tensor(weights.astype(np.float32)), persistent=False)

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the cross-entropy with margins, re-weighted in the last epochs where that is wanted."""
        (batch,) = batches
        logits, _ = self.network(batch.images)
        deferred = moment.epoch >= self.own.first_deferred(moment.num_epochs)
        loss = ldam_loss(
            self.whole(logits),
            batch.targets,
            class_counts=self.class_counts,
            max_margin=self.own.max_margin,
            scale=self.own.scale,
            class_weights=self.deferred_weights if deferred else None,
        )
        return Losses(loss, {"ldam": loss})
