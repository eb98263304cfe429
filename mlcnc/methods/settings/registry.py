"""What settings of methods and losses are, and how they become known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BeforeValidator,
    SerializeAsAny,
    ValidationError,
)

from mlcnc.errors import ConfigError, nearest
from mlcnc.methods.settings.section import Section


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
        prepare: ``module:name`` of what makes of them, once, the tensors that the function takes instead.
        sampler: of images, for a loss that brings its own; None leaves it to the method.
    """

    function: ClassVar[str]
    title: ClassVar[str]
    statistics: ClassVar[tuple[str, ...]] = ()
    prepare: ClassVar[str | None] = None
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
        # as tables write them: DB-Focal
        hint = nearest(kind.lower().replace("-", "_"), known) if isinstance(kind, str) else ""
        hint += "; one from outside is known where MLCNC_PLUGINS names its module" if not hint else ""
        raise ConfigError(f"{name}.kind must be one of {', '.join(known)}, got {kind!r:.100}{hint}")
    return known[kind]


S = TypeVar("S", bound=Section)


def _checked(section: type[S], tree: Mapping[str, Any], path: tuple[str, ...]) -> S:
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        raise SectionError(path, kind_of(section), error) from None


LossChoice = Annotated[SerializeAsAny[LossSettings], BeforeValidator(loss_settings)]


class MethodSettings(Section):
    """Settings of a method.

    Attributes:
        implementation: ``module:name`` of its :class:`~mlcnc.methods.method.Method`, imported when it is built.
        title: what a person calls it.
        streams: the samplers that it draws batches from, one batch of each a step.
        statistics: names of what it takes of the training set beside what its loss takes, as a loss names them.
        label_vectors: what stands for the classes in its network, e.g. ``GloVe``; empty where nothing does.
        extra_network: what it has beside backbone, pooling and a linear layer; empty where it has nothing.
    """

    implementation: ClassVar[str]
    title: ClassVar[str]
    streams: ClassVar[tuple[str, ...]] = ("uniform",)
    statistics: ClassVar[tuple[str, ...]] = ()
    label_vectors: ClassVar[str] = ""
    extra_network: ClassVar[str] = ""
    kind: str

    @property
    def needs_glove(self) -> bool:
        """Whether it reads a file of GloVe vectors, that of a setting ``glove_path`` or of MLCNC_GLOVE."""
        return False

    @property
    def least_batch(self) -> int:
        """How many images a batch must have, e.g. two where a batch norm sees one number an image."""
        return 1

    def sampler_of(self, stream: int, epoch: int, num_epochs: int) -> str:
        """Return the sampler of a stream at an epoch, from 0, of so many; all must draw equally many images."""
        return self.streams[stream]

    def name_parts(self) -> list[str]:
        """Return what tells runs of the method apart in the name of a run, most telling first."""
        return [self.kind.replace("_", "-"), *self.unusual_loss()]

    def unusual_loss(self) -> list[str]:
        """Return the kind of the loss of its logits where that is another than its own, else nothing."""
        field = type(self).model_fields.get("classification")
        if field is None or not isinstance(field.default, LossSettings):
            return []
        chosen: LossSettings = self.classification  # type: ignore[attr-defined]  # the field is there
        return [] if chosen.kind == field.default.kind else [chosen.kind.replace("_", "-")]

    def problem_with_classes(self, num_classes: int) -> str | None:
        """Return why the method cannot be trained on so many classes, None where it can."""
        return None

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
