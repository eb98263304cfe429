"""MLC-NC."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from mlcnc.methods.settings.losses import TwoWaySettings
from mlcnc.methods.settings.registry import LossChoice, MethodSettings, register_method


@register_method
class MLCNCSettings(MethodSettings):
    """MLC-NC: class attention, per-class projection, ETF classifier and the losses of Eq. 14.

    Formula: f_c the attention of the label embedding l_c on the map (Eq. 3-5), mu_c its projection of unit norm
        (Eq. 7), h = gamma W [mu_1 .. mu_C] with W a fixed ETF (Eq. 10); L = alpha L_FLA + beta L_FPC + L_TW
        (Eq. 14), which draw f_c to l_c (Eq. 6), mu_c to the mean of its class (Eq. 9), and classify
        (Eq. 11-13).
    Source: Tao et al. (AAAI 2025), by its equations, for each of which README names a file, and its released
        code where both differ.
    Read: t1neo666/AAAI25_MLC-NC at 0b8ca16, train.py, src_files/attention and the losses.
    Departures: the defaults of query_norm, logit_scale and warmup_epochs are for small scenes; preset voc-lt
        has the paper's. What of the paper and of its released code is taken is said with each setting.
    """

    implementation: ClassVar[str] = "mlcnc.methods.mlc_nc:MLCNC"
    title: ClassVar[str] = "MLC-NC"
    streams: ClassVar[tuple[str, ...]] = ("class_aware",)
    label_vectors: ClassVar[str] = "simplex ETF"
    extra_network: ClassVar[str] = "class attention, projection a class"
    kind: Literal["mlc_nc"] = "mlc_nc"
    label_embedding: Literal["etf", "trainable", "glove"] = Field(
        "etf", description="l_c: fixed simplex ETF (Eq. 1), learned vectors, or fixed GloVe vectors"
    )
    embedding_dim: int = Field(
        128, ge=2, le=8192, description="d, dimension of label embedding and class features"
    )
    query_norm: float | None = Field(
        None,
        gt=0,
        description="norm of every label embedding as attention query; none means sqrt(d), which trains better "
        "than the unit norm (1.0) of paper and released code",
    )
    objectness: float = Field(
        0.0,
        ge=0,
        le=100,
        description="etf: length of one direction, orthogonal to the frame, added to all its unit vectors; "
        "0 is the simplex ETF",
    )
    queries: Literal["label_embedding", "trainable"] = Field(
        "label_embedding",
        description="what attends: l_c, or learned vectors beside it, while features still align to l_c "
        "(released code's Table 3 without the ETF classifier)",
    )
    glove_path: str | None = Field(
        None, description="text file of GloVe vectors; none means the MLCNC_GLOVE variable"
    )
    attention: Literal["multihead", "cosine"] = Field(
        "multihead",
        description="multihead is the released code's layer, cosine that of Eq. 3-5 (see input_map)",
    )
    input_map: Literal["linear", "none"] = Field(
        "linear",
        description="what the map passes before the cosine attention: a trained linear layer, or none, "
        "which is Eq. 3-5 to the letter and needs embedding_dim to be the channels of the backbone",
    )
    num_heads: int = Field(8, ge=1, description="heads of the multihead attention; divides d")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout on multihead attention weights")
    attention_temperature: float = Field(
        1.0, gt=0, description="temperature of the cosine attention; the paper's Eq. 3 has 1.0"
    )
    projection_dim: int | None = Field(
        20, ge=1, le=8192, description="p of Eq. 7; none leaves class features unprojected"
    )
    classifier: Literal["fixed", "init_only", "block_aligned", "linear"] = Field(
        "fixed",
        description="fixed ETF over the concatenation (Eq. 10), trained from an ETF start (released code), "
        "fixed ETF with one block a class, or a trainable linear layer (Table 3)",
    )
    logit_scale: float = Field(10.0, gt=0, description="start of the learned gamma in Eq. 10 (released code 1)")
    classification: LossChoice = Field(
        TwoWaySettings(), description="loss of the logits, the last term of Eq. 14"
    )
    alignment_weight: float = Field(0.5, ge=0, description="alpha of Eq. 14 (paper 0.5)")
    calibration_weight: float = Field(0.2, ge=0, description="beta of Eq. 14 (paper 0.2, released code 0.1)")
    positive_temperature: float = Field(0.5, gt=0, description="tau_1 of Eq. 9 (paper 0.5)")
    contrast_temperature: float = Field(0.5, gt=0, description="tau_2 of Eq. 9 (paper 0.5)")
    calibration_normalisation: Literal["image", "pair"] = Field(
        "image", description="divide Eq. 9 by images (paper) or by positive pairs (released code)"
    )
    class_means: Literal["per_epoch", "cumulative"] = Field(
        "per_epoch", description="Eq. 8 (paper), or the mean over all epochs (released code)"
    )
    warmup_epochs: int = Field(
        3, ge=0, description="first epochs with the alignment loss only (released code 5)"
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> MLCNCSettings:
        if self.attention == "multihead" and self.embedding_dim % self.num_heads:
            raise ValueError(
                f"num_heads must divide embedding_dim = {self.embedding_dim}, got {self.num_heads}"
            )
        if self.attention == "multihead" and self.input_map == "none":
            raise ValueError(
                "input_map none goes with the cosine attention; the multihead layer has its own map"
            )
        if self.objectness and self.label_embedding != "etf":
            raise ValueError(
                f"objectness is of label_embedding etf, got {self.objectness:g} with {self.label_embedding}"
            )
        return self

    @property
    def needs_glove(self) -> bool:
        """Whether the label embedding is made of GloVe vectors."""
        return self.label_embedding == "glove"

    def name_parts(self) -> list[str]:
        """Return label embedding, and classifier, attention and loss where they are unusual."""
        parts: list[str] = [self.label_embedding]
        parts += [self.classifier] if self.classifier != "fixed" else []
        parts += [self.attention] if self.attention != "multihead" else []
        parts += self.unusual_loss()
        return [part.replace("_", "-") for part in parts]

    def problem_with_classes(self, num_classes: int) -> str | None:
        """Return that an ETF of so many classes has no room in the label embedding, where it has none."""
        least = num_classes - 1 + (self.objectness > 0)
        if self.label_embedding != "etf" or self.embedding_dim >= least:
            return None
        what = f"an ETF of {num_classes} classes" + (" and objectness" if self.objectness else "")
        return f"embedding_dim must be at least {least} for {what}, got {self.embedding_dim}"

    def problem_with(self, num_epochs: int) -> str | None:
        """Return that the warm-up would never end, where it would not."""
        if self.warmup_epochs < num_epochs:
            return None
        return (
            f"warmup_epochs must be below training.epochs = {num_epochs}, got {self.warmup_epochs}; "
            "give it a smaller value, 0 for no warm-up"
        )
