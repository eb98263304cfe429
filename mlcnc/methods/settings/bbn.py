"""BBN."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import BinaryCrossEntropySettings
from mlcnc.methods.settings.registry import LossChoice, MethodSettings, register_method

BRANCH_BLOCKS = (
    "last blocks of the backbone of which each branch has its own; with cached maps a branch is all of "
    "model.trained_blocks"
)


@register_method
class BBNSettings(MethodSettings):
    """BBN: two branches, one fed alike and one mostly with rare classes, mixed from the first to the second.

    Both branches share the backbone but for its last blocks, and one linear layer reads their pooled features
    side by side. Early epochs learn from images drawn alike, late ones from the reversed sampler.

    Formula: alpha = 1 - (t / t_max)^2 at epoch t from 0; h = W [2 alpha f_c ; 2 (1 - alpha) f_r] + b;
        L = alpha L(h, y_c) + (1 - alpha) L(h, y_r). Measured: one image through both, h = W [f_c ; f_r] + b.
    Source: Zhou et al. (CVPR 2020), megvii-research/BBN, where each branch has the last bottleneck block of its
        own.
    Read: megvii-research/BBN at 4885096, lib/core/combiner.py, lib/net/network.py, lib/backbone/resnet.py,
        lib/dataset/iNaturalist.py and baseset.py, lib/utils/utils.py, lib/config/default.py and
        configs/iNaturalist2018.yaml.
    Ours: L is the mean binary cross-entropy; the reversed sampler draws a class with probability proportional
        to 1 / n_c, then any image that has it. Both branches start as the last blocks of the backbone, alike;
        theirs start from random weights, apart. In the first epoch, where alpha is 1, the second branch is fed
        but not trained: a gradient of exactly zero would leave it to Adam's weight decay.
    Not recorded: how the published rows were trained, which are those of URS's authors.
    """

    implementation: ClassVar[str] = "mlcnc.methods.bbn:BBN"
    title: ClassVar[str] = "BBN"
    streams: ClassVar[tuple[str, ...]] = ("uniform", "reversed")
    statistics: ClassVar[tuple[str, ...]] = ("class_counts",)
    extra_network: ClassVar[str] = "last blocks twice"
    kind: Literal["bbn"] = "bbn"
    branch_blocks: int = Field(1, ge=1, le=1000, description=BRANCH_BLOCKS)
    classification: LossChoice = Field(BinaryCrossEntropySettings(), description="L, loss of the mixed logits")
