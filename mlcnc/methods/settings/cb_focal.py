"""CB-Focal."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import ClassBalancedFocalLossSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class CBFocalSettings(PooledSettings):
    """CB-Focal: the focal loss with images weighted by the effective number of their classes' images.

    Formula: L = mean of s W_i (1 - p_t)^gamma b(h, y), W_i the mean of w_c = (1 - beta) / (1 - beta^n_c) over
        the labels of the image; beta 0.9, gamma 2, s 2.
    Source: Cui et al. (CVPR 2019), richardaecn/class-balanced-loss; the multi-label form is that of
        wutong16/DistributionBalancedLoss. The original normalises weights to the sum C, divides by the
        number of positives, and starts biases at -log(C-1); DB does none of that.
    Read: wutong16/DistributionBalancedLoss at 2567764, mllt/models/losses/resample_loss.py (average_w);
        richardaecn/class-balanced-loss at 0ab6eb7, src/cifar_main.py, src/model_base.py,
        cifar_im_trainval_cb.sh.
    Ours: an image without labels has the mean weight of all classes; it is 0/0 there.
    Not recorded: the beta of the published rows. With 0.9 weights are 0.100 to 0.291 on VOC-LT: nearly alike,
        and ten times smaller than those of focal.
    """

    title: ClassVar[str] = "CB-Focal"
    kind: Literal["cb_focal"] = "cb_focal"
    classification: LossChoice = Field(ClassBalancedFocalLossSettings(), description="loss of the logits")
