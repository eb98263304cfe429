"""DB-Focal."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import DistributionBalancedFocalSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class DBFocalSettings(PooledSettings):
    """DB-Focal: DB with entries that are well classified already turned down.

    Defaults are those of VOC-LT; COCO-LT has weight_midpoint 0.2 and negative_scale 2.

    Formula: DB's entries, each times s (1 - p_t)^gamma, p_t = exp(-b) of the transformed logit, h' for
        positives and lambda h' for negatives; gamma 2, s 2.
    Source: Wu et al. (ECCV 2020), wutong16/DistributionBalancedLoss. The paper's nu is not divided by lambda;
        its code's is, and so is this one.
    Read: wutong16/DistributionBalancedLoss, mllt/models/losses/resample_loss.py and the configurations of
        VOC-LT and COCO-LT at 2567764, mllt/datasets/loader/sampler.py at 1dfe7ed.
    Ours: images are drawn by their form of class-aware sampling, three of a class in a row, but from the seed
        and the number of the epoch alone, and an epoch is as long as any other method's, not max n_c C / 4
        images. Logits are not shifted in place. A class that every image has counts as though one lacked it.
    """

    title: ClassVar[str] = "DB-Focal"
    streams: ClassVar[tuple[str, ...]] = ("class_aware_triples",)
    kind: Literal["db_focal"] = "db_focal"
    classification: LossChoice = Field(DistributionBalancedFocalSettings(), description="loss of the logits")
