"""RW."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import ClassWeightedSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class RWSettings(PooledSettings):
    """RW: ERM with every class weighted by the square root of its inverse frequency.

    Formula: L = mean of sqrt(N/n_c) b(h, y) over images and classes. A weight multiplies positives and
        negatives alike and is not normalised: 1.21 to 16.90 on VOC-LT, 1.30 to 17.84 on COCO-LT, so SGD takes
        larger steps.
    Source: Wu et al. (ECCV 2020), wutong16/DistributionBalancedLoss.
    Read: wutong16/DistributionBalancedLoss at 2567764, mllt/models/losses/resample_loss.py (sqrt_inv).
    Not recorded: the schedule of the published rows.
    """

    title: ClassVar[str] = "RW"
    kind: Literal["rw"] = "rw"
    classification: LossChoice = Field(ClassWeightedSettings(), description="loss of the logits")
