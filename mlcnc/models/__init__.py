"""Backbones and the MLC-NC head: class attention, projection, ETF classifier."""

from mlcnc.glove import read_glove
from mlcnc.models.architectures import BACKBONES, build_backbone
from mlcnc.models.backbone import Backbone, cut
from mlcnc.models.class_attention import CosineClassAttention, MultiheadClassAttention
from mlcnc.models.etf_classifier import ETFClassifier
from mlcnc.models.label_embedding import initial_label_embedding
from mlcnc.models.network import HeadOutput, MLCNCHead, MLCNCNetwork
from mlcnc.models.projection import ClassProjection
from mlcnc.models.weights_file import weights_digest

__all__ = [
    "BACKBONES",
    "Backbone",
    "ClassProjection",
    "CosineClassAttention",
    "ETFClassifier",
    "HeadOutput",
    "MLCNCHead",
    "MLCNCNetwork",
    "MultiheadClassAttention",
    "build_backbone",
    "cut",
    "initial_label_embedding",
    "read_glove",
    "weights_digest",
]
