"""The losses of MLC-NC: pure functions of tensors, and the module that weighs and adds them."""

from mlcnc.losses.binary_cross_entropy import binary_cross_entropy_loss
from mlcnc.losses.collapse_calibration import collapse_calibration_loss
from mlcnc.losses.feature_alignment import feature_alignment_loss
from mlcnc.losses.total import LossParts, MLCNCLoss
from mlcnc.losses.two_way import two_way_loss

__all__ = [
    "LossParts",
    "MLCNCLoss",
    "binary_cross_entropy_loss",
    "collapse_calibration_loss",
    "feature_alignment_loss",
    "two_way_loss",
]
