"""ASL."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import AsymmetricLossSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class ASLSettings(PooledSettings):
    """ASL: easy negatives turned down steeply or dropped, positives hardly.

    Asymmetric loss.

    Formula: L = -mean of y (1-p)^{g+} log max(p, e) + (1-y) (1-q)^{g-} log max(q, e), p = sigma(h),
        q = min(1, 1 - p + m); g- 4, g+ 0, m 0.05, e = 1e-8. The powers are constants of a step.
    Source: Ridnik et al. (ICCV 2021), Alibaba-MIIL/ASL: g+ of its training script, whose class has 1.
    Read: Alibaba-MIIL/ASL, src/loss_functions/losses.py at 0a21a18 and train.py at 8f393d0;
        t1neo666/AAAI25_MLC-NC at 0b8ca16, src_files/loss_functions/aslloss.py.
    Ours: the mean over images and classes; theirs is the sum, for a learning rate of 1e-4.
    Not recorded: the recipe of the published rows; the copy in t1neo666/AAAI25_MLC-NC has powers of 0.
    """

    title: ClassVar[str] = "ASL"
    kind: Literal["asl"] = "asl"
    classification: LossChoice = Field(AsymmetricLossSettings(), description="loss of the logits")
