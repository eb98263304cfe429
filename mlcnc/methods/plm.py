"""PLM: entries are left out of the loss at random, by ratios that follow what is predicted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mlcnc.data.loader import Batch
from mlcnc.losses.ideal_ratio import NUM_BINS, probability_histograms, updated_ratio
from mlcnc.losses.partial_label_masking import keep_probability, partial_label_masking_loss
from mlcnc.methods.method import Losses, Moment, TrainingStatistics, require_every_class
from mlcnc.methods.pooled import ImageFeatureMethod, pooled_classifier
from mlcnc.methods.settings.plm import PLMSettings
from mlcnc.models.backbone import Backbone


class PLM(ImageFeatureMethod):
    """A pooled map, a linear layer and the masked loss; its state are the ideal ratios r* (C,).

    Raises:
        ConfigError: a class has no training image.
    """

    class_counts: Tensor
    num_images: Tensor
    ideal_ratio: Tensor
    histograms: Tensor

    def __init__(
        self, settings: PLMSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings, pooled_classifier(settings, backbone, statistics))
        require_every_class("PLM", statistics)
        self.ratio_rate = settings.ratio_rate
        self.lowest_ratio = 1 / statistics.num_images
        counts = torch.as_tensor(statistics.class_counts)
        ratio = counts.float() / statistics.num_images
        self.register_buffer("class_counts", counts, persistent=False)
        self.register_buffer("num_images", torch.tensor(statistics.num_images), persistent=False)
        self.register_buffer(
            "ideal_ratio", ratio if settings.initial_ratio == "positive_ratio" else torch.full_like(ratio, 0.5)
        )
        # empty between epochs, whenever a checkpoint is written
        self.register_buffer("histograms", torch.zeros(2, statistics.num_classes, NUM_BINS), persistent=False)

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the loss of the entries that are kept, and count the predictions of all of them."""
        (batch,) = batches
        logits = self.whole(self.network(batch.images)[0])  # (B, C)
        keep = keep_probability(
            batch.targets, self.ideal_ratio, class_counts=self.class_counts, num_images=self.num_images
        )
        mask = torch.rand_like(keep) < keep  # (B, C), from torch's own state
        loss = partial_label_masking_loss(logits, batch.targets, mask)
        self.histograms += probability_histograms(logits.detach().sigmoid(), batch.targets)
        return Losses(loss, {"masked_bce": loss})

    def end_epoch(self) -> None:
        """Move the ideal ratios by what was predicted in the epoch."""
        # float64 on the host: not every device has it
        histograms = self.histograms.cpu().double()
        ratio = updated_ratio(
            self.ideal_ratio.cpu().double(), histograms, rate=self.ratio_rate, lowest=self.lowest_ratio
        )
        self.ideal_ratio.copy_(ratio)
        self.histograms.zero_()
