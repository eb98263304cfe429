"""TW."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import TwoWaySettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class TWSettings(PooledSettings):
    """TW: the two-way loss, which separates labels within an image and images within a class.

    Formula: softplus[log sum over negatives of e^h + T log sum over positives of e^{-h/T}] of every image along
        its classes and of every class along the batch; L = mean over the images plus mean over the classes that
        have a positive in the batch; T 4.
    Source: Kobayashi (CVPR 2023), tk1980/TwoWayMultiLabelLoss; -inf for excluded entries, where the code
        adds -100.
    Read: tk1980/TwoWayMultiLabelLoss at ef8b2d6, utils/criterion.py, utils/parser.py, utils/optimizers.py,
        utils/transforms.py and train.py; t1neo666/AAAI25_MLC-NC at 0b8ca16, twowayloss.py, which is the same.
    Ours: an image or class without a negative contributes 0. The class part depends on the size of the batch:
        512 there.
    Not recorded: the recipe of the published rows.
    """

    title: ClassVar[str] = "TW"
    kind: Literal["tw"] = "tw"
    classification: LossChoice = Field(TwoWaySettings(), description="loss of the logits")
