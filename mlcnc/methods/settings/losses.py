"""Settings of the classification losses, one a pure function of ``mlcnc.losses``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mlcnc.methods.settings.registry import LossSettings, register_loss


@register_loss
class TwoWaySettings(LossSettings):
    """The two-way loss, which separates labels within an image and images within a class (Eq. 11-13)."""

    function: ClassVar[str] = "mlcnc.losses.two_way:two_way_loss"
    title: ClassVar[str] = "two-way"
    kind: Literal["two_way"] = "two_way"
    two_way_temperature: float = Field(4.0, gt=0, description="T of Eq. 11-12, on positives (released code 4)")
    two_way_mean: Literal["present", "all"] = Field(
        "present",
        description="divide Eq. 13 by the images and classes with a positive in the batch (released code), or "
        "all: by all of them, 1/M and 1/C to the letter",
    )


@register_loss
class LDAMLossSettings(LossSettings):
    """Binary cross-entropy whose positives must pass a margin, the larger the rarer the class."""

    function: ClassVar[str] = "mlcnc.losses.ldam:ldam_loss"
    title: ClassVar[str] = "LDAM"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts",)
    kind: Literal["ldam"] = "ldam"
    max_margin: float = Field(0.5, gt=0, le=1e3, description="D, the margin of the rarest class (paper 0.5)")
    scale: float = Field(
        1.0,
        gt=0,
        le=1e3,
        description="s, of the margins: what the method multiplies cosines by; 1 for logits of a linear layer",
    )


@register_loss
class BinaryCrossEntropySettings(LossSettings):
    """The mean binary cross-entropy over images and classes."""

    function: ClassVar[str] = "mlcnc.losses.binary_cross_entropy:binary_cross_entropy_loss"
    title: ClassVar[str] = "BCE"
    kind: Literal["bce"] = "bce"


@register_loss
class ClassWeightedSettings(LossSettings):
    """Binary cross-entropy with every class weighted by its rarity."""

    function: ClassVar[str] = "mlcnc.losses.class_weighted:class_weighted_loss"
    title: ClassVar[str] = "RW"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "num_images")
    kind: Literal["rw"] = "rw"
    weight_power: float = Field(
        0.5,
        ge=0,
        le=4,
        description="of the weight (N/n_c)^power; 0.5 is the smooth form, 1 the inverse",
    )


class FocusedSettings(LossSettings):
    """What focal losses have in common."""

    focal_gamma: float = Field(
        2.0, ge=0, le=20, description="gamma: how far well classified entries are turned down; 0 not at all"
    )
    focal_scale: float = Field(
        2.0,
        gt=0,
        le=1e3,
        description="s in front; a larger step of SGD (DB's trainer 2, its other form 0.25)",
    )


@register_loss
class FocalLossSettings(FocusedSettings):
    """Binary cross-entropy with well classified entries turned down."""

    function: ClassVar[str] = "mlcnc.losses.focal:focal_loss"
    title: ClassVar[str] = "focal"
    kind: Literal["focal"] = "focal"


class AsymmetricPowers(LossSettings):
    """What ASL and MFM have in common."""

    negative_gamma: float = Field(4.0, ge=0, le=20, description="g-, power in front of negatives")
    positive_gamma: float = Field(0.0, ge=0, le=20, description="g+, power in front of positives")
    margin: float = Field(0.05, ge=0, lt=1, description="m: what is added to the probability of a negative")
    stop_gradient: bool = Field(
        True,
        description="take the powers as constants of the step, as in the released code, or differentiate",
    )
    normalisation: Literal["entry", "image", "none"] = Field(
        "entry",
        description="divide the sum by images times classes, which is the scale of BCE, by the images, or by "
        "nothing (paper), where it grows with the batch and the learning rate must shrink",
    )


@register_loss
class AsymmetricLossSettings(AsymmetricPowers):
    """Positives and negatives turned down by powers of their own, easy negatives dropped."""

    function: ClassVar[str] = "mlcnc.losses.asymmetric:asymmetric_loss"
    title: ClassVar[str] = "ASL"
    kind: Literal["asl"] = "asl"


@register_loss
class ClassBalancedFocalLossSettings(FocusedSettings):
    """Focal loss with every image weighted by the effective number of its classes' images."""

    function: ClassVar[str] = "mlcnc.losses.class_balanced_focal:class_balanced_focal_loss"
    title: ClassVar[str] = "CB-Focal"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts",)
    kind: Literal["cb_focal"] = "cb_focal"
    cb_beta: float = Field(
        0.9, gt=0, lt=1, description="beta; the nearer to 1 the more the weights of classes differ (DB 0.9)"
    )


class BalancedSettings(LossSettings):
    """What the forms of DB have in common."""

    weight_floor: float = Field(0.1, ge=0, le=1e3, description="a, added to every weight (0.1)")
    weight_steepness: float = Field(10.0, gt=0, le=1e4, description="b, of the sigmoid of the weights (10)")
    weight_midpoint: float = Field(0.3, description="mu, its middle (VOC-LT 0.3, COCO-LT 0.2)")
    negative_scale: float = Field(
        5.0, gt=0, le=1e3, description="lambda, tolerance towards negatives (VOC-LT 5, COCO-LT 2); 1 for none"
    )
    shift_scale: float = Field(
        0.05, ge=0, le=1e3, description="kappa, of the shift of logits (0.05); 0 for none"
    )


@register_loss
class DistributionBalancedSettings(BalancedSettings):
    """Weights against the co-occurrence of labels, and tolerance towards negatives."""

    function: ClassVar[str] = "mlcnc.losses.distribution_balanced:distribution_balanced_loss"
    prepare: ClassVar[str | None] = "mlcnc.losses.distribution_balanced:distribution_balanced_statistics"
    title: ClassVar[str] = "DB"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "num_images")
    kind: Literal["db"] = "db"


@register_loss
class DistributionBalancedFocalSettings(FocusedSettings, BalancedSettings):
    """DB with well classified entries turned down."""

    function: ClassVar[str] = "mlcnc.losses.distribution_balanced:distribution_balanced_loss"
    prepare: ClassVar[str | None] = "mlcnc.losses.distribution_balanced:distribution_balanced_statistics"
    title: ClassVar[str] = "DB-Focal"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "num_images")
    kind: Literal["db_focal"] = "db_focal"


@register_loss
class ClassWiseDistributionBalancedSettings(BalancedSettings):
    """DB as the code of MLC-NC has it: one weight a class, whatever the image; Table 2's DB."""

    function: ClassVar[str] = (
        "mlcnc.losses.class_wise_distribution_balanced:class_wise_distribution_balanced_loss"
    )
    prepare: ClassVar[str | None] = "mlcnc.losses.class_wise_distribution_balanced:class_wise_statistics"
    title: ClassVar[str] = "DB a class"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "co_occurrence")
    kind: Literal["db_class"] = "db_class"
    weight_midpoint: float = Field(0.2, description="mu, the middle of the sigmoid of the weights")


@register_loss
class MultiFocalSettings(AsymmetricPowers):
    """Powers by label, class and co-occurrence with the image's labels."""

    function: ClassVar[str] = "mlcnc.losses.multi_focal:multi_focal_loss"
    prepare: ClassVar[str | None] = "mlcnc.losses.multi_focal:multi_focal_statistics"
    title: ClassVar[str] = "MFM"
    statistics: ClassVar[tuple[str, ...]] = ("class_counts", "co_occurrence")
    kind: Literal["mfm"] = "mfm"
    negative_gamma: float = Field(
        3.0, ge=0, le=20, description="g-, power in front of negatives beside w_c (COMIC 3, MLC-NC's code 2)"
    )
    positive_gamma: float = Field(
        0.0, ge=0, le=20, description="g+, power in front of positives (COMIC 0, MLC-NC's code 1)"
    )
