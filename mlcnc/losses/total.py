"""The whole objective L = alpha L_FLA + beta L_FPC + L_TW with its terms (Eq. 14)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from mlcnc.losses.arguments import require_numbers
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
    """The total and, by name, the unweighted terms in its graph."""

    total: Tensor
    terms: dict[str, Tensor]


class MLCNCLoss(nn.Module):
    """Weighs and adds the three terms (Eq. 14).

    A term of weight zero is not computed at all: a gradient of exactly zero would let Adam's coupled
    weight decay erase the parameters behind it (mlc_nc, difference 32).

    Args:
        classification: the loss of logits (B, C) and targets (B, C); the paper's is two-way, and the
            method goes with others.
        classification_name: what its term is called.
        alignment_weight: alpha.
        calibration_weight: beta.
        positive_temperature, contrast_temperature: tau_1, tau_2 of Eq. 9.
        calibration_normalisation: ``image`` or ``pair``, see the calibration loss.

    Raises:
        ValueError: a weight is negative, or the name is one of the other terms'.
    """

    def __init__(
        self,
        classification: Callable[[Tensor, Tensor], Tensor] = two_way_loss,
        classification_name: str = "two_way",
        *,
        alignment_weight: float = 0.5,
        calibration_weight: float = 0.2,
        positive_temperature: float = 0.5,
        contrast_temperature: float = 0.5,
        calibration_normalisation: Normalisation = "image",
    ) -> None:
        super().__init__()
        require_numbers(at_least=0.0, alignment_weight=alignment_weight, calibration_weight=calibration_weight)
        if classification_name in ("alignment", "calibration"):
            raise ValueError(f"classification_name must not be another term's, got {classification_name!r}")
        self.classification = classification
        self.classification_name = classification_name
        self.alignment_weight = alignment_weight
        self.calibration_weight = calibration_weight
        self.positive_temperature = positive_temperature
        self.contrast_temperature = contrast_temperature
        self.calibration_normalisation: Normalisation = calibration_normalisation

    def forward(
        self,
        output: LossInput,
        targets: Tensor,
        *,
        class_means: Tensor | None = None,
        seen: Tensor | None = None,
        warmup: bool = False,
    ) -> LossParts:
        """Return the total and its terms.

        Args:
            output: logits, class features, projected features and label embedding of a batch.
            targets: (B, C), 0 or 1.
            class_means: (C, p) of the epoch before; None leaves the calibration out of the graph. Pass
                None where no class has a mean: ``seen`` is not read on the host, which would wait for
                the device.
            seen: (C,) bool, classes with a mean.
            warmup: alignment only, with weight 1 (released code).
        """
        weighted: list[Tensor] = []
        terms: dict[str, Tensor] = {}
        alignment_weight = 1.0 if warmup else self.alignment_weight
        if alignment_weight > 0:
            terms["alignment"] = feature_alignment_loss(output.class_features, output.label_embedding, targets)
            weighted.append(alignment_weight * terms["alignment"])
        if not warmup and self.calibration_weight > 0 and class_means is not None:
            terms["calibration"] = collapse_calibration_loss(
                output.projected_features,
                class_means,
                targets,
                seen=seen,
                positive_temperature=self.positive_temperature,
                contrast_temperature=self.contrast_temperature,
                normalisation=self.calibration_normalisation,
            )
            weighted.append(self.calibration_weight * terms["calibration"])
        if not warmup:
            terms[self.classification_name] = self.classification(output.logits, targets)
            weighted.append(terms[self.classification_name])
        total = weighted[0]
        for term in weighted[1:]:
            total = total + term
        return LossParts(total, terms)
