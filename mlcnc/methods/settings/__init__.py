"""Settings of every method and classification loss, told apart by ``kind``; free of torch.

Beside each settings class stand the name of the code that it belongs to and the streams of images that the
method draws from, so that command line, launch page and trainer need no list of methods. One file a method: its
docstring says what the method is, where it comes from and what of it is ours; docs/methods.md is made of them.
"""

# ruff: noqa: I001  # the order is that of lists and tables
from mlcnc.methods.settings.section import MOST_SEED, Section
from mlcnc.methods.settings.registry import (
    LOSSES,
    METHODS,
    LossSettings,
    MethodSettings,
    SectionError,
    kind_of,
    loss_settings,
    method_settings,
    method_title,
    register_loss,
    register_method,
)
from mlcnc.methods.settings.losses import (
    AsymmetricLossSettings,
    BinaryCrossEntropySettings,
    ClassBalancedFocalLossSettings,
    ClassWeightedSettings,
    ClassWiseDistributionBalancedSettings,
    DistributionBalancedFocalSettings,
    DistributionBalancedSettings,
    FocalLossSettings,
    LDAMLossSettings,
    MultiFocalSettings,
    TwoWaySettings,
)
from mlcnc.methods.settings.mlc_nc import MLCNCSettings
from mlcnc.methods.settings.erm import ERMSettings
from mlcnc.methods.settings.rs import RSSettings
from mlcnc.methods.settings.rw import RWSettings
from mlcnc.methods.settings.ml_gcn import MLGCNSettings
from mlcnc.methods.settings.focal import FocalSettings
from mlcnc.methods.settings.asl import ASLSettings
from mlcnc.methods.settings.oltr import OLTRSettings
from mlcnc.methods.settings.ldam import LDAMSettings
from mlcnc.methods.settings.cb_focal import CBFocalSettings
from mlcnc.methods.settings.bbn import BBNSettings
from mlcnc.methods.settings.db import DBSettings
from mlcnc.methods.settings.db_focal import DBFocalSettings
from mlcnc.methods.settings.urs import URSSettings
from mlcnc.methods.settings.mfm import MFMSettings
from mlcnc.methods.settings.plm import PLMSettings
from mlcnc.methods.settings.tw import TWSettings

__all__ = [
    "LOSSES",
    "METHODS",
    "MOST_SEED",
    "ASLSettings",
    "AsymmetricLossSettings",
    "BBNSettings",
    "BinaryCrossEntropySettings",
    "CBFocalSettings",
    "ClassBalancedFocalLossSettings",
    "ClassWeightedSettings",
    "ClassWiseDistributionBalancedSettings",
    "DBFocalSettings",
    "DBSettings",
    "DistributionBalancedFocalSettings",
    "DistributionBalancedSettings",
    "ERMSettings",
    "FocalLossSettings",
    "FocalSettings",
    "LDAMLossSettings",
    "LDAMSettings",
    "LossSettings",
    "MFMSettings",
    "MLCNCSettings",
    "MLGCNSettings",
    "MethodSettings",
    "MultiFocalSettings",
    "OLTRSettings",
    "PLMSettings",
    "RSSettings",
    "RWSettings",
    "Section",
    "SectionError",
    "TWSettings",
    "TwoWaySettings",
    "URSSettings",
    "kind_of",
    "loss_settings",
    "method_settings",
    "method_title",
    "register_loss",
    "register_method",
]
