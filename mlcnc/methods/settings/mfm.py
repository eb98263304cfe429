"""MFM."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import MultiFocalSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class MFMSettings(PooledSettings):
    """MFM: negatives turned down the more the rarer the class, and by what occurs with the image's labels.

    Multi-focal modifier, the loss of COMIC without its label correction and its two classifiers.

    Formula: L = -mean of w_c [y (1-P)^{g+} log max(P, e) + (1-y) (1-Q)^{g- + w_c} log max(Q, e)],
        w_c = (1 - log(n_c / n_max))^(1/3), P = p (1 - A), Q = min(1, 1 - p + m), 1.2 times that, at most 1,
        where A > 0; A is the mean over the image's labels of their rows of the co-occurrence, whose columns
        were divided by their sums, divided by its sum. g- 3, g+ 0, m 0.05. The powers are constants of a step.
        P stays below 1 - A, so positives keep a loss.
    Source: Zhang et al. (ICCV 2023), wannature/COMIC; the same loss in t1neo666/AAAI25_MLC-NC, with the
        gradient through the powers (stop_gradient off), g- 2 and g+ 1 in a comment.
    Read: wannature/COMIC at 6e266f9, loss/PriorFocalModifierLoss.py, config/voc/voc_resnet50_mlt.yaml,
        models/BalancedlNetwork.py and utils/dataloader.py; t1neo666/AAAI25_MLC-NC at 0b8ca16,
        src_files/loss_functions/mfloss.py, loss_guide.txt and train.py.
    Ours: the mean over images and classes; theirs is the sum. A is 0 where theirs is 0/0.
    Not recorded: the sampler, g- and g+ of the published rows; COMIC itself trains three networks, each on a
        stream of its own.
    """

    title: ClassVar[str] = "MFM"
    kind: Literal["mfm"] = "mfm"
    classification: LossChoice = Field(MultiFocalSettings(), description="loss of the logits")
