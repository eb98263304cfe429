"""DB."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.losses import DistributionBalancedSettings
from mlcnc.methods.settings.pooled import PooledSettings
from mlcnc.methods.settings.registry import LossChoice, register_method


@register_method
class DBSettings(PooledSettings):
    """DB: images weighted against the co-occurrence of their labels, and negatives tolerated.

    Distribution-balanced loss. Class-aware sampling draws frequent classes too often, along with rare ones; the
    weight corrects that. Defaults are those of VOC-LT; COCO-LT has weight_midpoint 0.2 and negative_scale 2.

    Formula: L = mean of w_ic [y b(h', 1) + (1-y) b(lambda h', 0) / lambda], h' = h - nu_c,
        nu_c = (kappa/lambda) log(N/n_c - 1), w_ic = a + sigma(b (r_ic - mu)), r_ic = (1/n_c) / sum_j y_ij/n_j;
        a 0.1, b 10, mu 0.3, lambda 5, kappa 0.05. A test reads h.
    Source: Wu et al. (ECCV 2020), wutong16/DistributionBalancedLoss. The paper's nu is not divided by lambda;
        its code's is, and so is this one.
    Read: wutong16/DistributionBalancedLoss, mllt/models/losses/resample_loss.py and the configurations of
        VOC-LT and COCO-LT at 2567764, mllt/datasets/loader/sampler.py at 1dfe7ed.
    Ours: images are drawn by their form of class-aware sampling, three of a class in a row, but from the seed
        and the number of the epoch alone, and an epoch is as long as any other method's, not max n_c C / 4
        images. Logits are not shifted in place. A class that every image has counts as though one lacked it.
        Table 2's DB is taken to be another, the loss db_class, which is that of t1neo666/AAAI25_MLC-NC at
        0b8ca16 (src_files/loss_functions/dbloss.py).
    """

    title: ClassVar[str] = "DB"
    streams: ClassVar[tuple[str, ...]] = ("class_aware_triples",)
    kind: Literal["db"] = "db"
    classification: LossChoice = Field(DistributionBalancedSettings(), description="loss of the logits")
