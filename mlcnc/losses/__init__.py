"""Losses: pure functions of tensors, one a file, and the module that weighs and adds those of MLC-NC."""

from mlcnc.losses.asymmetric import asymmetric_loss
from mlcnc.losses.binary_cross_entropy import binary_cross_entropy_loss
from mlcnc.losses.centroid import centroid_loss
from mlcnc.losses.class_balanced_focal import class_balanced_focal_loss
from mlcnc.losses.class_weighted import class_weighted_loss
from mlcnc.losses.class_wise_distribution_balanced import (
    class_wise_distribution_balanced_loss,
    class_wise_statistics,
)
from mlcnc.losses.collapse_calibration import collapse_calibration_loss
from mlcnc.losses.distribution_balanced import distribution_balanced_loss, distribution_balanced_statistics
from mlcnc.losses.effective_number import effective_number_weights
from mlcnc.losses.feature_alignment import feature_alignment_loss
from mlcnc.losses.focal import focal_loss
from mlcnc.losses.ldam import ldam_loss, ldam_softmax_loss
from mlcnc.losses.multi_focal import multi_focal_loss, multi_focal_statistics
from mlcnc.losses.total import LossParts, MLCNCLoss
from mlcnc.losses.two_way import two_way_loss

__all__ = [
    "LossParts",
    "MLCNCLoss",
    "asymmetric_loss",
    "binary_cross_entropy_loss",
    "centroid_loss",
    "class_balanced_focal_loss",
    "class_weighted_loss",
    "class_wise_distribution_balanced_loss",
    "class_wise_statistics",
    "collapse_calibration_loss",
    "distribution_balanced_loss",
    "distribution_balanced_statistics",
    "effective_number_weights",
    "feature_alignment_loss",
    "focal_loss",
    "ldam_loss",
    "ldam_softmax_loss",
    "multi_focal_loss",
    "multi_focal_statistics",
    "two_way_loss",
]
