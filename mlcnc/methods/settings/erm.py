"""ERM."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import register_method


@register_method
class ERMSettings(PooledSettings):
    """ERM: global average pool and a linear layer, mean binary cross-entropy, images drawn alike.

    Empirical risk minimisation, the plain baseline of every table.

    Formula: L = mean of b(h, y) over images and classes, b(h, y) = log(1 + e^h) - y h.
    Source: Wu et al. (ECCV 2020), wutong16/DistributionBalancedLoss, for the published rows.
    Read: wutong16/DistributionBalancedLoss at 2567764, configs/voc/LT_resnet50_pfc_DB.py, which is DB-Focal's;
        no configuration of plain training is kept there.
    Not recorded: the schedule of the published rows; their trainer's eight epochs of plain sampling are 280
        updates on VOC-LT, fewer than its warm-up.
    """

    title: ClassVar[str] = "ERM"
    kind: Literal["erm"] = "erm"
