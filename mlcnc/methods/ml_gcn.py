"""ML-GCN: a classifier that a graph network makes of label vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mlcnc.data.loader import Batch
from mlcnc.methods.glove_file import glove_file_of
from mlcnc.methods.method import ClassificationLoss, Losses, Moment, TrainingStatistics
from mlcnc.methods.pooled import ImageFeatureMethod
from mlcnc.methods.settings import MLGCNSettings
from mlcnc.models import read_glove
from mlcnc.models.backbone import Backbone
from mlcnc.models.graph_classifier import GraphClassifier, LabelGraphNetwork
from mlcnc.models.label_graph import label_edges, normalised_adjacency


class MLGCN(ImageFeatureMethod):
    """A pooled map and a graph network's classifier; its space is ``z``, the pooled feature.

    Raises:
        ConfigError: no file of vectors is named.
        DataError: the file is damaged or lacks a word.

    Source: see the docstring of the settings.
    """

    def __init__(
        self, settings: MLGCNSettings, backbone: Backbone, statistics: TrainingStatistics, *, seed: int
    ) -> None:
        vectors = read_glove(glove_file_of(settings, "method.kind is ml_gcn"), statistics.class_names)  # (C, e)
        edges = label_edges(
            statistics.class_counts, statistics.co_occurrence, threshold=settings.edge_threshold
        )
        adjacency = normalised_adjacency(edges, neighbour_weight=settings.neighbour_weight)
        graph = LabelGraphNetwork(
            torch.as_tensor(vectors, dtype=torch.float32),
            torch.as_tensor(adjacency, dtype=torch.float32),
            settings.graph_dim,
            backbone.out_channels,
        )
        super().__init__(settings, GraphClassifier(backbone, graph, settings.pooling))
        self.classification = ClassificationLoss(settings.classification, statistics)

    def loss(self, batches: Sequence[Batch], moment: Moment) -> Losses:
        """Return the classification loss."""
        return self.classified(batches, self.classification)

    def classifier_weight(self) -> Tensor:
        """Return the rows (C, d) that the graph makes."""
        rows: Tensor = self.network.graph()  # type: ignore[operator]  # a module's part
        return rows
