"""The whole objective L = alpha L_FLA + beta L_FPC + L_TW with its parts (Eq. 14)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor, nn

from mlcnc.losses.collapse_calibration import Normalisation, collapse_calibration_loss
from mlcnc.losses.feature_alignment import feature_alignment_loss
from mlcnc.losses.two_way import two_way_loss


class LossInput(Protocol):
    """What the losses read of a network's output."""

    @property
    def logits(self) -> Tensor: ...  # (B, C)
    @property
    def class_features(self) -> Tensor: ...  # (B, C, d)
    @property
    def projected_features(self) -> Tensor: ...  # (B, C, p)
    @property
    def label_embedding(self) -> Tensor: ...  # (C, d)


class LossParts(NamedTuple):
    """The total and its unweighted terms; None for a term that is not in the graph."""

    total: Tensor
    alignment: Tensor | None
    calibration: Tensor | None
    two_way: Tensor | None


class MLCNCLoss(nn.Module):
    """Weighs and adds the three terms (Eq. 14).

    A term of weight zero is not computed at all: a gradient of exactly zero would let Adam's coupled
    weight decay erase the parameters behind it (mlc_nc, difference 32).

    Args:
        alignment_weight: alpha.
        calibration_weight: beta.
        two_way_weight: 1 in the paper.
        positive_temperature, contrast_temperature: tau_1, tau_2 of Eq. 9.
        calibration_normalisation: ``image`` or ``pair``, see the calibration loss.
        two_way_temperature: T of Eq. 11-12.
    """

    def __init__(
        self,
        *,
        alignment_weight: float = 0.5,
        calibration_weight: float = 0.2,
        two_way_weight: float = 1.0,
        positive_temperature: float = 0.5,
        contrast_temperature: float = 0.5,
        calibration_normalisation: Normalisation = "image",
        two_way_temperature: float = 4.0,
    ) -> None:
        super().__init__()
        for name, weight in (
            ("alignment_weight", alignment_weight),
            ("calibration_weight", calibration_weight),
            ("two_way_weight", two_way_weight),
        ):
            if weight < 0:
                raise ValueError(f"{name} must be at least 0, got {weight}")
        if alignment_weight == 0 and two_way_weight == 0:
            raise ValueError("alignment_weight and two_way_weight are both 0: nothing to learn from")
        self.alignment_weight = alignment_weight
        self.calibration_weight = calibration_weight
        self.two_way_weight = two_way_weight
        self.positive_temperature = positive_temperature
        self.contrast_temperature = contrast_temperature
        self.calibration_normalisation: Normalisation = calibration_normalisation
        self.two_way_temperature = two_way_temperature

    def forward(
        self,
        output: LossInput,
        targets: Tensor,
        *,
        class_means: Tensor | None = None,
        seen: Tensor | None = None,
        warmup: bool = False,
    ) -> LossParts:
        """Return the total and its parts.

        Args:
            output: logits, class features, projected features and label embedding of a batch.
            targets: (B, C), 0 or 1.
            class_means: (C, p) of the epoch before; None leaves the calibration out.
            seen: (C,) bool, classes with a mean; when none is, the calibration is left out.
            warmup: alignment only, with weight 1 (released code).
        """
        alignment_weight = 1.0 if warmup else self.alignment_weight
        alignment = calibration = two_way = None
        terms: list[Tensor] = []
        if alignment_weight > 0:
            alignment = feature_alignment_loss(output.class_features, output.label_embedding, targets)
            terms.append(alignment_weight * alignment)
        has_means = class_means is not None and (seen is None or bool(seen.any()))
        if not warmup and self.calibration_weight > 0 and class_means is not None and has_means:
            calibration = collapse_calibration_loss(
                output.projected_features,
                class_means,
                targets,
                seen=seen,
                positive_temperature=self.positive_temperature,
                contrast_temperature=self.contrast_temperature,
                normalisation=self.calibration_normalisation,
            )
            terms.append(self.calibration_weight * calibration)
        if not warmup and self.two_way_weight > 0:
            two_way = two_way_loss(output.logits, targets, two_way_temperature=self.two_way_temperature)
            terms.append(self.two_way_weight * two_way)
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return LossParts(total, alignment, calibration, two_way)
