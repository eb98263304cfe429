"""URS."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.bbn import BRANCH_BLOCKS
from mlcnc.methods.settings.registry import MethodSettings, register_method


@register_method
class URSSettings(MethodSettings):
    """URS: two branches, for images drawn alike and for class-aware ones, that must agree on every image.

    Collaborative training on uniform and re-balanced samplings. Each branch has its own last blocks and linear
    layer and classifies the images of its own sampler; on every image both are to give the same logits.

    Formula: L = Lcls(u, y_u) + Lcls(r, y_r) + lambda (Lcon(u, u^) + Lcon(r, r^)); u and r are the logits of the
        branch of the image's sampler, u^ and r^ those of the other one. Lcls = mean of omega b(s h + m, y) with
        learned s and m a class, others where y = 1 than where y = 0 (logit compensation, from s = 1 and m = 0);
        omega = exp(1 - n/N) where y = 1, exp(n/N) where y = 0. Lcon = mean squared difference. Measured: the
        mean of both branches' probabilities, without compensation.
    Source: Guo and Wang (CVPR 2021), by the equations that a reproduction shows (CENG502, spring 2022,
        Project_Gulmez-Koc); no official code was found. lambda is the reproduction's; omega is that of the
        first author's hguosc/visual_attention_consistency, there summed over classes.
    Read: CENG502-Projects/CENG502-Spring2022, Project_Gulmez-Koc, Readme.md at a05d34d and src/Network.py,
        train.py and configuration.py at ea42bc7, where compensation is not done and the equations are images;
        hguosc/visual_attention_consistency at 8c6b4d5, main.py and utils.py.
    Ours: the compensation is off by default. Learned without bounds it has a trivial optimum: shifts of either
        sign for y = 1 and y = 0 take the loss of any constant logit to 0, and that is where it goes: at rate
        0.016 one run on pictogram-lt ended at a validation mAP of 12.6, without it at 45.3 after a third of the
        epochs. The paper's ablation gives it 0.2 points. If on, both branches share one compensation, as the
        equation tells none apart. What is measured is the mean of probabilities.
    Not recorded: whether the branches share it; the weights of the paper's weighted cross-entropy, which the
        reproduction quotes by name alone (class_weights false leaves omega out); batch size and epochs. Each
        branch of the paper has a whole last stage, 3 blocks of a ResNet-50.
    """

    implementation: ClassVar[str] = "mlcnc.methods.urs:URS"
    title: ClassVar[str] = "URS"
    streams: ClassVar[tuple[str, ...]] = ("uniform", "class_aware")
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "num_images")
    extra_network: ClassVar[str] = "last blocks twice, logit compensation"
    kind: Literal["urs"] = "urs"
    branch_blocks: int = Field(1, ge=1, le=1000, description=BRANCH_BLOCKS)
    consistency_weight: float = Field(0.1, ge=0, le=1000, description="lambda, of the consistency")
    compensation: bool = Field(False, description="learn scale and shift of the logits in the loss (paper: on)")
    class_weights: bool = Field(True, description="omega: weigh positives and negatives by class frequency")
