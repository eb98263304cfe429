"""Focal."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import FocalLossSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class FocalSettings(PooledSettings):
    """Focal: ERM with entries that are well classified already turned down.

    Formula: L = mean of s (1 - p_t)^gamma b(h, y) over images and classes, p_t = exp(-b), the probability given
        to the true label; gamma 2. No alpha balances positives against negatives.
    Source: Lin et al. (ICCV 2017); the scale s = 2 as in wutong16/DistributionBalancedLoss, for the likeness
        with CB-Focal and DB-Focal; another form there has 0.25.
    Read: wutong16/DistributionBalancedLoss, mllt/models/losses/resample_loss.py at 2567764 and focal_loss.py,
        as built, at 13f5111. Of Lin et al. nothing but the paper's formula.
    Not recorded: the schedule and the scale of the published rows.
    """

    title: ClassVar[str] = "Focal"
    kind: Literal["focal"] = "focal"
    classification: LossChoice = Field(FocalLossSettings(), description="loss of the logits")
