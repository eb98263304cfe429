"""Settings of every method and classification loss, told apart by ``kind``; free of torch.

Beside each settings class stand the name of the code that it belongs to and the streams of images that the
method draws from, so that command line, launch page and trainer need no list of methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from mlcnc.errors import ConfigError, nearest


class Section(BaseModel):
    """A part of the tree of settings: frozen, checked, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class SectionError(ConfigError):
    """Settings of a kind do not fit it.

    Args:
        path: from the method to the section, empty for the method itself.
        kind: of the section.
        error: what pydantic found.
    """

    def __init__(self, path: tuple[str, ...], kind: str, error: ValidationError) -> None:
        super().__init__(f"settings of {kind!r}: {error}")
        self.path = path
        self.kind = kind
        self.error = error


class LossSettings(Section):
    """Settings of a classification loss: the keyword arguments of its function.

    Attributes:
        function: ``module:name`` of a pure function of logits (B, C), targets (B, C) and these settings.
        title: what a person calls it.
        statistics: names of what the function also takes of the training set, as tensors: ``class_counts``
            (C,), ``co_occurrence`` (C, C), ``num_images`` ().
        sampler: of images, for a loss that brings its own; None leaves it to the method.
    """

    function: ClassVar[str]
    title: ClassVar[str]
    statistics: ClassVar[tuple[str, ...]] = ()
    sampler: ClassVar[str | None] = None
    kind: str


L = TypeVar("L", bound=type[LossSettings])
LOSSES: dict[str, type[LossSettings]] = {}
"""From kind to settings; filled by :func:`register_loss`."""


def kind_of(section: type[Section]) -> str:
    """Return the kind that a class of settings stands for."""
    return str(section.model_fields["kind"].default)


def register_loss(settings: L) -> L:
    """Make a loss known by its kind, from outside the package too, and return its settings class.

    Raises:
        ConfigError: another loss has that kind.
    """
    _register(LOSSES, settings, "loss")
    return settings


def _register(known: dict[str, Any], settings: type[Section], what: str) -> None:
    kind = kind_of(settings)
    if known.get(kind, settings) is not settings:
        raise ConfigError(f"a {what} of kind {kind!r} is registered already: {known[kind].__name__}")
    known[kind] = settings


def loss_settings(value: Any, default: str = "bce") -> LossSettings:
    """Return the checked settings of a mapping with ``kind``, or of a kind alone.

    Args:
        value: what was given.
        default: the kind where a mapping names none.

    Raises:
        ConfigError: no loss of that kind is registered.
        SectionError: an unknown key or a bad value.
    """
    if isinstance(value, LossSettings):
        return value
    tree = {"kind": default, **value} if isinstance(value, Mapping) else {"kind": value}
    found = _of_kind(LOSSES, tree["kind"], "method.classification")
    return _checked(found, tree, ("classification",))


def _of_kind(known: Mapping[str, Any], kind: object, name: str) -> Any:
    if not isinstance(kind, str) or kind not in known:
        hint = nearest(kind, known) if isinstance(kind, str) else ""
        hint += "; one from outside is known where MLCNC_PLUGINS names its module" if not hint else ""
        raise ConfigError(f"{name}.kind must be one of {', '.join(known)}, got {kind!r:.100}{hint}")
    return known[kind]


S = TypeVar("S", bound=Section)


def _checked(section: type[S], tree: Mapping[str, Any], path: tuple[str, ...]) -> S:
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        raise SectionError(path, kind_of(section), error) from None


@register_loss
class TwoWaySettings(LossSettings):
    """The two-way loss of Eq. 11-13."""

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
class BinaryCrossEntropySettings(LossSettings):
    """The mean binary cross-entropy over images and classes."""

    function: ClassVar[str] = "mlcnc.losses.binary_cross_entropy:binary_cross_entropy_loss"
    title: ClassVar[str] = "BCE"
    kind: Literal["bce"] = "bce"


LossChoice = Annotated[SerializeAsAny[LossSettings], BeforeValidator(loss_settings)]


class MethodSettings(Section):
    """Settings of a method.

    Attributes:
        implementation: ``module:name`` of its :class:`~mlcnc.methods.method.Method`, imported when it is built.
        title: what a person calls it.
        streams: the samplers that it draws batches from, one batch of each a step.
    """

    implementation: ClassVar[str]
    title: ClassVar[str]
    streams: ClassVar[tuple[str, ...]] = ("uniform",)
    kind: str

    def name_parts(self) -> list[str]:
        """Return what tells runs of the method apart in the name of a run, most telling first."""
        return [self.kind.replace("_", "-")]

    def problem_with(self, num_epochs: int) -> str | None:
        """Return why the method cannot be trained for so many epochs, None where it can."""
        return None


M = TypeVar("M", bound=type[MethodSettings])
METHODS: dict[str, type[MethodSettings]] = {}
"""From kind to settings; filled by :func:`register_method`."""


def register_method(settings: M) -> M:
    """Make a method known by its kind, from outside the package too, and return its settings class.

    Raises:
        ConfigError: another method has that kind.
    """
    _register(METHODS, settings, "method")
    return settings


def method_title(kind: str) -> str:
    """Return what a person calls the method of a kind; the kind itself where none is registered."""
    return METHODS[kind].title if kind in METHODS else kind


def method_settings(value: Any) -> MethodSettings:
    """Return the checked settings of a mapping with ``kind``, or of a kind alone; the default is ``mlc_nc``.

    Raises:
        ConfigError: no method or loss of that kind is registered.
        SectionError: an unknown key or a bad value.
    """
    if isinstance(value, MethodSettings):
        return value
    tree = {"kind": "mlc_nc", **value} if isinstance(value, Mapping) else {"kind": value}
    found: type[MethodSettings] = _of_kind(METHODS, tree["kind"], "method")
    field = found.model_fields.get("classification")
    if field is not None and "classification" in tree and isinstance(field.default, LossSettings):
        tree["classification"] = loss_settings(tree["classification"], field.default.kind)
    return _checked(found, tree, ())


@register_method
class MLCNCSettings(MethodSettings):
    """MLC-NC: class attention, per-class projection, ETF classifier and the losses of Eq. 14."""

    implementation: ClassVar[str] = "mlcnc.methods.mlc_nc:MLCNC"
    title: ClassVar[str] = "MLC-NC"
    streams: ClassVar[tuple[str, ...]] = ("class_aware",)
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
        description="fixed ETF over the concatenation (Eq. 10), trained from an ETF start, fixed "
        "ETF with one block a class, or a trainable linear layer (Table 3)",
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
        return self

    def name_parts(self) -> list[str]:
        """Return label embedding, and classifier, attention and loss where they are unusual."""
        parts: list[str] = [self.label_embedding]
        parts += [self.classifier] if self.classifier != "fixed" else []
        parts += [self.attention] if self.attention != "multihead" else []
        parts += [self.classification.kind] if self.classification.kind != "two_way" else []
        return [part.replace("_", "-") for part in parts]

    def problem_with(self, num_epochs: int) -> str | None:
        """Return that the warm-up would never end, where it would not."""
        if self.warmup_epochs < num_epochs:
            return None
        return (
            f"warmup_epochs must be below training.epochs = {num_epochs}, got {self.warmup_epochs}; "
            "give it a smaller value, 0 for no warm-up"
        )


@register_method
class ERMSettings(MethodSettings):
    """ERM: global average pool and a linear layer, mean binary cross-entropy, images drawn alike."""

    implementation: ClassVar[str] = "mlcnc.methods.erm:ERM"
    title: ClassVar[str] = "ERM"
    kind: Literal["erm"] = "erm"
    classification: LossChoice = Field(
        BinaryCrossEntropySettings(), description="loss of the logits (ERM itself: bce)"
    )
