"""LDAM."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.pooled import NeckSettings
from mlcnc.methods.settings.registry import register_method


@register_method
class LDAMSettings(NeckSettings):
    """LDAM: a cosine classifier whose positives must pass a margin, the larger the rarer the class.

    Label-distribution-aware margins, with deferred re-weighting (DRW) where ``deferred_from`` is given: the
    published rows are without.

    Formula: L = mean of w_c b(s (z - D_c y), y) over images and classes, z = cos(f, v_c) + b_c,
        D_c = D (min_k n_k / n_c)^(1/4); w_c = 1, and from the epoch of deferred_from
        w_c = C u_c / sum_k u_k with u_c = (1 - beta) / (1 - beta^n_c). A test reads s z, without margins.
    Source: Cao et al. (NeurIPS 2019), kaidic/LDAM-DRW.
    Read: kaidic/LDAM-DRW at 6feb304, losses.py, cifar_train.py and models/resnet_cifar.py.
    Ours: the multi-label form, a sigmoid a class with the margin on positives only; the bias b_c, for positives
        are rare and cosines are centred; w_c on positives and negatives of class c, and a division by
        images and classes where theirs is by the weights of the batch. The directions of class vectors start as
        theirs do, from a uniform cube; their lengths, which only the optimiser sees, are not set to 1.
    Not recorded: the multi-label form and the recipe of the published rows.
    """

    implementation: ClassVar[str] = "mlcnc.methods.ldam:LDAM"
    title: ClassVar[str] = "LDAM"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts",)
    extra_network: ClassVar[str] = "cosine classifier"
    kind: Literal["ldam"] = "ldam"
    max_margin: float = Field(0.5, gt=0, le=1e3, description="D, the margin of the rarest class (paper 0.5)")
    scale: float = Field(30.0, gt=0, le=1e3, description="s, of cosines, biases and margins (paper 30)")
    class_bias: bool = Field(True, description="add b_c to the cosine of class c; not in the paper")
    deferred_from: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of the epochs after which classes are re-weighted (paper 0.8); none is never",
    )
    deferred_beta: float = Field(
        0.9999, gt=0, lt=1, description="beta of the deferred weights; the nearer to 1 the more they differ"
    )

    def name_parts(self) -> list[str]:
        """Return the method, and DRW where there is one."""
        return [*super().name_parts(), *([] if self.deferred_from is None else ["drw"])]

    def first_deferred(self, num_epochs: int) -> int:
        """Return the first epoch, from 0, with deferred weights; ``num_epochs`` where there is none."""
        return num_epochs if self.deferred_from is None else round(self.deferred_from * num_epochs)

    def problem_with(self, num_epochs: int) -> str | None:
        """Return that the deferred weights would never come, where they would not."""
        if self.deferred_from is None or self.first_deferred(num_epochs) < num_epochs:
            return None
        # in hundredths, rounded down: the end of the last epoch but one, or before
        most = (num_epochs - 1) * 100 // num_epochs / 100
        lower = f"at most {most:g}, " if most else ""
        return (
            f"deferred_from must leave an epoch of training.epochs = {num_epochs} to re-weighted classes, got "
            f"{self.deferred_from}, which is the end of epoch {num_epochs}, the last; give it {lower}none for "
            "no deferred weights, or more epochs"
        )
