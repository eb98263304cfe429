"""MLC-NC: label-guided class features, collapse calibration and a fixed ETF classifier (Eq. 3-14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcnc.class_means import ClassMeans
from mlcnc.data.loader import Batch
from mlcnc.errors import ConfigError
from mlcnc.losses import MLCNCLoss
from mlcnc.methods.glove_file import glove_file_of
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
from mlcnc.methods.settings import MLCNCSettings
from mlcnc.metrics.measurement import concatenated_metrics, duality_metrics
from mlcnc.models import MLCNCHead, MLCNCNetwork, initial_label_embedding
from mlcnc.models.backbone import Backbone

WIDEST_CONCATENATION = 16_384
"""Numbers of a concatenated feature (C*p) up to which ``concat`` is measured: every class has a mean in it."""

READ_BY_THE_LOSSES = ("logits", "class_features", "projected_features")
"""Of what the network makes of images."""


class MLCNC(Method):
    """The network of Eq. 3-10 and the losses of Eq. 6-14, with the class means of Eq. 8 as its state.

    Spaces: class-wise ``f`` (Eq. 5) and ``mu`` (Eq. 7), image-wise ``concat``, the mu of all classes side by
    side, which the ETF classifier reads.

    Raises:
        ConfigError: GloVe vectors are asked for and no file is named, or its dimension differs; or the cosine
            attention has no input map and the backbone another number of channels than d.

    Source: the paper's Eq. 1-14; departures of each part stand with it.
    """

    unsampled = frozenset({"concat"})
    initial_embedding: Tensor

    def __init__(
        self, settings: MLCNCSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        super().__init__(settings)
        if settings.input_map == "none" and settings.embedding_dim != backbone.out_channels:
            raise ConfigError(
                f"method.embedding_dim must be {backbone.out_channels}, the channels of the backbone, where "
                f"method.input_map is none, got {settings.embedding_dim}"
            )
        num_classes = statistics.num_classes
        embedding = initial_label_embedding(
            settings.label_embedding,
            num_classes,
            settings.embedding_dim,
            seed=seed,
            objectness=settings.objectness,
            glove_path=glove_file_of(settings, "method.label_embedding is glove")
            if settings.needs_glove
            else None,
            class_names=list(statistics.class_names),
        )
        head = MLCNCHead(
            backbone.out_channels,
            num_classes,
            label_embedding=torch.as_tensor(embedding, dtype=torch.float32),
            embedding_trainable=settings.label_embedding == "trainable",
            query_norm=settings.query_norm,
            queries=settings.queries,
            attention=settings.attention,
            input_map=settings.input_map,
            num_heads=settings.num_heads,
            dropout=settings.dropout,
            attention_temperature=settings.attention_temperature,
            projection_dim=settings.projection_dim,
            classifier=settings.classifier,
            logit_scale=settings.logit_scale,
            seed=seed,
        )
        self.network = MLCNCNetwork(backbone, head)
        self.warmup_epochs = settings.warmup_epochs
        self.losses = MLCNCLoss(
            classification=ClassificationLoss(settings.classification, statistics),
            classification_name=settings.classification.kind,
            alignment_weight=settings.alignment_weight,
            calibration_weight=settings.calibration_weight,
            positive_temperature=settings.positive_temperature,
            contrast_temperature=settings.contrast_temperature,
            calibration_normalisation=settings.calibration_normalisation,
        )
        self.class_means = ClassMeans(num_classes, head.projected_dim, mode=settings.class_means)
        self.register_buffer("initial_embedding", head.label_embedding.detach().clone())
        self.has_concatenation = (
            settings.classifier != "linear" and num_classes * head.projected_dim <= WIDEST_CONCATENATION
        )

    @property
    def averaged(self) -> nn.Module:
        """The network; class means are means already."""
        return self.network

    def forward(self, images: Tensor) -> Output:
        """Return logits, the spaces ``f``, ``mu`` and ``concat``, and attention."""
        output = self.network(images)
        mu = output.projected_features  # (B, C, p)
        return Output(
            logits=output.logits,
            class_spaces={"f": output.class_features, "mu": mu},
            image_spaces={"concat": mu.flatten(1)} if self.has_concatenation else {},
            attention=output.attention.unflatten(2, output.map_size),  # (B, C, h, w)
            label_embeddings={"f": output.label_embedding},
        )

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return Eq. 14, or the alignment alone during warm-up, and collect the features for Eq. 8."""
        (batch,) = batches
        output = self.network(batch.images)
        output = output._replace(**{name: self.whole(getattr(output, name)) for name in READ_BY_THE_LOSSES})
        means = self.class_means
        parts = self.losses(
            output,
            batch.targets,
            class_means=means.published,
            seen=means.seen,
            warmup=moment.epoch < self.warmup_epochs,
        )
        means.update(output.projected_features, batch.targets)
        return Losses(parts.total, parts.terms)

    def end_epoch(self) -> None:
        """Publish the class means of the epoch (Eq. 8)."""
        self.class_means.end_epoch()

    def scalars(self) -> Mapping[str, Tensor]:
        """Return gamma of Eq. 10."""
        return {"logit_scale": self.network.head.classifier.logit_scale}

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return the optimiser groups of the network."""
        return self.network.parameter_groups(weight_decay)

    def observe(self, measured: Measured) -> Observations:
        """Return NC3 by label embedding and classifier, staleness of class means, drifts, Gram matrices."""
        head: MLCNCHead = self.network.head
        embedding = head.label_embedding.detach().float().cpu().numpy()  # (C, d)
        weight = head.classifier.weight.detach().float().cpu().numpy()  # (C, C*p) or (C, d)
        means = self.class_means.published  # (C, p)
        used = None if means is None else means.detach().float().cpu().numpy()
        found = classifier_observations(weight, measured)
        for split, statistics in measured.statistics.items():
            stale = used if split == "train" else None
            found.metrics.update(
                duality_metrics(split, embedding, statistics["f"], statistics["mu"], class_means_used=stale)
            )
            if "concat" in statistics:
                found.metrics.update(
                    concatenated_metrics(split, weight, statistics["concat"], statistics["mu"])
                )
        drift = functional.cosine_similarity(head.label_embedding.detach(), self.initial_embedding, dim=1)
        found.metrics["label_embedding/drift_cosine"] = float(drift.mean())
        if measured.with_arrays:
            found.arrays |= {
                "label_embedding/gram": embedding @ embedding.T,
                "label_embedding/weight": embedding,
                "label_embedding/drift_cosine": drift.float().cpu().numpy(),
                "class_means_used": self.class_means.means.detach().float().cpu().numpy(),
            }
        return found
