"""RS."""

from __future__ import annotations

from typing import ClassVar, Literal

from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import register_method


@register_method
class RSSettings(PooledSettings):
    """RS: ERM with images drawn class by class, so that every class has its turn equally often.

    Class-aware re-sampling. An image of several labels is in the list of each, so frequent classes remain
    over-represented.

    Formula: ERM's, L = mean of b(h, y); the next class in turn, one image from its shuffled list.
    Source: Shen et al. (ECCV 2016); one image a turn as in t1neo666/AAAI25_MLC-NC. DB's code,
        wutong16/DistributionBalancedLoss, draws three, which is the sampler class_aware_triples.
    Read: wutong16/DistributionBalancedLoss at 1dfe7ed, mllt/datasets/loader/sampler.py; t1neo666/AAAI25_MLC-NC
        at 0b8ca16, src_files/data/sampler.py and train.py.
    Ours: an epoch is as long as any other method's; there it is max n_c C images, or a quarter of that. The
        walk through a class begins anew every epoch, from the seed and the number of the epoch.
    Not recorded: how long the published rows were trained.
    """

    title: ClassVar[str] = "RS"
    streams: ClassVar[tuple[str, ...]] = ("class_aware",)
    kind: Literal["rs"] = "rs"
