"""Every setting of an experiment: one tree of frozen, checked models.

The command line and the launch form are generated from these fields, and a run stores the whole
tree. Precedence: command line over file over preset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator
from pydantic.fields import FieldInfo

from mlcnc.errors import ConfigError, closest, counted, explained
from mlcnc.methods.settings import (
    LOSSES,
    METHODS,
    MOST_SEED,
    LossSettings,
    MethodSettings,
    MLCNCSettings,
    Section,
    SectionError,
    kind_of,
    method_settings,
)
from mlcnc.written_numbers import plain_number


def _whole_numbers(value: Any) -> Any:
    """Return the numbers of a list, or of a text such as ``5,7``; what is neither is left to pydantic."""
    if isinstance(value, str):
        value = [part.strip() for part in value.strip("()[] ").split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    if any(isinstance(part, bool) for part in value):
        raise ValueError(f"must be whole numbers, got {value}")
    return [plain_number(part) if isinstance(part, str) else part for part in value]


class DataConfig(Section):
    """What is trained on."""

    dataset: str = Field(
        "pictogram-lt",
        max_length=120,
        description="data set: pictogram-lt and digits-lt are drawn, the others are photographs on disk",
        examples=["pictogram-lt", "digits-lt", "voc07-lt", "voc-lt", "coco-lt", "vg200", "folder"],
    )
    root: str | None = Field(
        None,
        max_length=4096,
        description="photographs: folder in which the data set lies, or a folder of its name; none takes the "
        "MLCNC_DATA variable",
    )
    annotations: str | None = Field(
        None,
        max_length=4096,
        description="folder: labels as a CSV or COCO JSON, below data.root; none looks for one, or for VOC XML",
    )
    difficult: bool = Field(
        True, description="VOC: objects marked difficult count as labels, as in the published tables"
    )
    test_images: Literal["all", "labelled"] = Field(
        "all",
        description="coco-lt: all 5,000 test images (DB), or the 4,952 that have a label (MLC-NC's code)",
    )
    damaged: Literal["stop", "skip"] = Field(
        "stop",
        description="photographs that are missing or cannot be read end the run, or are left out and counted",
    )
    image_size: int | None = Field(
        None,
        ge=32,
        le=1024,
        description="side of the images in pixels; none takes that of the backbone, 64 for small",
    )
    augmentation: str | None = Field(
        None,
        max_length=120,
        description="of photographs: light, crop, db, mlc_nc or vg200, with its test view; none takes the data "
        "set's own, else light",
        examples=["light", "crop", "db", "mlc_nc", "vg200"],
    )
    test_mirror: bool = Field(
        False,
        description="photographs: mirror every second test image at random, as MLC-NC's code does",
    )
    seed: int = Field(
        0, ge=0, le=MOST_SEED, description="seed of the drawn scenes, apart from the training seed"
    )
    flip: bool = Field(True, description="flip training images left to right at random")
    shift: int = Field(4, ge=0, le=64, description="light: largest random shift in pixels")
    jitter: float = Field(
        0.2, ge=0, le=1, description="light: strength of random brightness, contrast and colour"
    )
    sampler: str | None = Field(
        None,
        max_length=120,
        description="uniform draws every image equally often; class_aware takes the classes in turn and draws "
        "an image of each (class_aware_triples: three); reversed draws a class, the more often the fewer "
        "images it has, then one of its images; none takes what the method draws from",
        examples=["class_aware", "class_aware_triples", "reversed", "uniform"],
    )
    num_samples: int | None = Field(
        None, ge=1, le=10_000_000, description="images drawn an epoch; none means the size of the training set"
    )
    num_workers: int | None = Field(
        None,
        ge=0,
        le=256,
        description="processes that read image files; none means one a core, at most 4. Images that lie in "
        "memory need none",
    )


class ModelConfig(Section):
    """The backbone, on which any method stands."""

    backbone: str = Field(
        "small",
        max_length=120,
        description="small is for 64-pixel scenes, the resnets are torchvision's, timm/NAME is any of timm's",
        examples=[
            "small",
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "efficientnet_lite0",
            "timm/resnet50",
        ],
    )
    stage: int | None = Field(
        None,
        ge=0,
        le=64,
        description="timm: which of its feature maps, from 0; none takes the last one",
    )
    weights: Literal["none", "imagenet"] = Field("none", description="what the backbone starts from")
    weights_file: str | None = Field(
        None,
        max_length=4096,
        description="file or address of weights of the backbone, in place of weights",
    )
    frozen: Literal["nothing", "stem_and_norms", "all"] = Field(
        "nothing",
        description="stem_and_norms keeps stem, first stage and the statistics of all batch norms (DB's rule), "
        "all keeps the whole backbone but trained_blocks",
    )
    trained_blocks: int = Field(
        0, ge=0, le=1000, description="frozen all: so many last blocks of the backbone are trained all the same"
    )
    cache_maps: bool = Field(
        True,
        description="frozen all: what the frozen part makes of each image is computed once and kept on disk",
    )
    cached_draws: int = Field(
        2,
        ge=0,
        le=100,
        description="cached maps: so many random draws of the augmentation of each training image are kept, "
        "beside the plain and the mirrored one",
    )


class TrainingConfig(Section):
    """Optimiser, schedule, measurement and device."""

    epochs: int = Field(40, ge=1, le=10_000, description="epochs in all, a warm-up of the method included")
    batch_size: int = Field(32, ge=1, description="images a step and stream, over all devices")
    accumulation: int = Field(
        1, ge=1, le=10_000, description="steps whose gradients are averaged into one update"
    )
    optimiser: Literal["adamw", "adam", "sgd"] = Field("adamw", description="adamw decouples its decay")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(False, description="sgd: look ahead along the momentum")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of the schedule")
    backbone_lr_factor: float = Field(
        1.0, gt=0, le=1000, description="learning rate of the backbone, as a multiple of lr"
    )
    schedule: Literal["one_cycle", "step", "cosine"] = Field(
        "one_cycle",
        description="one_cycle rises and falls once; step is constant but for lr_drops; cosine falls to 0",
    )
    lr_rise: float = Field(0.2, gt=0, lt=1, description="one_cycle: share of updates before the peak")
    lr_drops: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_whole_numbers)] = Field(
        (), description="step: epochs after which the rate is multiplied by lr_drop_factor, e.g. 5,7"
    )
    lr_drop_factor: float = Field(0.1, gt=0, le=1, description="step: see lr_drops")
    lr_warmup_updates: int = Field(
        0,
        ge=0,
        description="step, cosine: first updates, over which the rate rises linearly from a third of lr",
    )
    weight_decay: float = Field(1e-4, ge=0, description="not on biases, norms, label embedding and logit scale")
    clip_norm: float | None = Field(5.0, gt=0, description="largest gradient norm; none is off")
    ema_decay: float | None = Field(
        None, gt=0, lt=1, description="measure a moving average of the weights; none is off"
    )
    seed: int = Field(0, ge=0, le=MOST_SEED, description="seed of initial weights, sampling and augmentation")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto", description="auto takes CUDA, then MPS, then the CPU, and says which"
    )
    devices: int = Field(
        1,
        ge=1,
        le=4096,
        description="processes that share every batch, one a device; started here, else by torchrun or srun, "
        "whose number goes before it",
    )
    sync_batchnorm: bool = Field(
        False, description="several devices: batch norms see the whole batch, not the part of each device"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="bfloat16 is autocast, losses and logits stay float32; auto takes it on CUDA only"
    )
    compile: bool = Field(
        False, description="torch.compile of the backbone: slow first steps, then quicker ones"
    )
    num_threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of torch; none keeps torch's choice"
    )
    measure_every: int = Field(
        5, ge=1, description="measure train, validation and test every so many epochs, first and last too"
    )
    num_measured_train: int = Field(
        5000, ge=1, description="of a larger training set, a fixed sample of so many images is measured"
    )
    arrays_every: int = Field(
        5, ge=0, description="measure and store arrays every so many epochs, first and last too; 0 is never"
    )
    class_arrays: bool = Field(
        False,
        description="at measured epochs without arrays store the small part of them: AP, class means and "
        "alignment of every class, Gram matrices",
    )
    measure_untrained: bool = Field(
        False,
        description="measure the untrained network too, beside which alignment is read",
    )
    num_sample_pairs: int = Field(600, ge=0, le=4000, description="image-label pairs whose features are stored")
    num_probes: int = Field(24, ge=0, le=200, description="images whose attention is stored")
    num_pictures: int = Field(
        2000, ge=0, le=20000, description="small pictures kept for the dashboard, sampled images first"
    )
    checkpoint: bool = Field(True, description="write checkpoints/last.pt after every epoch")

    @model_validator(mode="after")
    def _momentum_fits(self) -> TrainingConfig:
        if self.nesterov and self.optimiser == "sgd" and self.momentum == 0:
            raise ValueError("momentum must be above 0 with nesterov, got 0")
        return self


class ExperimentConfig(Section):
    """The whole of one experiment, as a run stores it."""

    name: str | None = Field(None, max_length=120, description="display name of the run")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    method: Annotated[SerializeAsAny[MethodSettings], BeforeValidator(method_settings)] = MLCNCSettings()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _method_ends(self) -> ExperimentConfig:
        if (problem := self.method.problem_with(self.training.epochs)) is not None:
            raise ValueError(f"method.{problem}")
        return self

    def problem_with_batches(self, num_images: int, devices: int = 1) -> str | None:
        """Return why a method cannot be trained on batches of so many images an epoch, None where it can."""
        size, least = self.training.batch_size, self.method.least_batch
        # every device needs an image, and batch norms that are not synchronised see those of one alone
        least = max(least, devices) if self.training.sync_batchnorm else least * devices
        smallest = num_images // max(1, -(-num_images // size))  # batches differ by one image at most
        if num_images == 0 or smallest >= least:
            return None
        where = f" on {counted(devices, 'device')}" if devices > 1 else ""
        return (
            f"training.batch_size must give every batch of {self.method.title} at least {least} images with "
            f"these settings{where}, got {size} for {counted(num_images, 'image')} an epoch, of which a batch "
            f"has {smallest}; give it another value, or more images"
        )


def parse(tree: Mapping[str, Any]) -> ExperimentConfig:
    """Return the checked config of a nested mapping.

    Raises:
        ConfigError: an unknown key (with the nearest known one) or a bad value, named by its path.
    """
    given, problems = dict(tree), []
    try:
        # by itself: the kinds are open to the outside, and each names its own settings
        given["method"] = method_settings(given.get("method", {}))
    except SectionError as error:
        problems = [_explain(item, ("method", *error.path), error.kind) for item in error.error.errors()]
        del given["method"]
    try:
        config = ExperimentConfig.model_validate(given)
    except ValidationError as error:
        # of a method that could not be read nothing can be said
        found = error.errors() if "method" in given else [item for item in error.errors() if item["loc"]]
        problems += [_explain(item) for item in found]
    if problems:
        raise ConfigError("; ".join(problems))
    return config


def override(config: ExperimentConfig, changes: Mapping[str, Any]) -> ExperimentConfig:
    """Return ``config`` with a nested mapping of changes applied and everything checked again.

    A method or loss of another kind starts from the defaults of that kind.

    Raises:
        ConfigError: as for :func:`parse`.

    Example:
        >>> override(ExperimentConfig(), {"training": {"epochs": 7}}).training.epochs
        7
    """
    return parse(_merged(config.model_dump(), changes))


def at_rate(config: ExperimentConfig, rate: float) -> ExperimentConfig:
    """Return ``config`` with another learning rate, and the weight decay that keeps their product.

    By that product AdamW shrinks the weights at every update.

    Example:
        >>> config = override(ExperimentConfig(), {"training": {"weight_decay": 10.0}})
        >>> at_rate(config, 0.004).training.weight_decay
        2.5
    """
    decay = config.training.weight_decay * config.training.lr / rate
    return override(config, {"training": {"lr": rate, "weight_decay": float(f"{decay:.6g}")}})


def default_stem(config: ExperimentConfig) -> str:
    """Return data set, what tells runs of the method apart, and seed as a run id."""
    parts = [config.data.dataset, *config.method.name_parts(), f"s{config.training.seed}"]
    return "-".join(part.replace("_", "-") for part in parts)


def nested(flat: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return values by path as the nested mapping that :func:`override` takes.

    Example:
        >>> nested({("training", "lr"): 0.1, ("name",): "mine"})
        {'training': {'lr': 0.1}, 'name': 'mine'}
    """
    tree: dict[str, Any] = {}
    for (*sections, leaf), value in flat.items():
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    return tree


def leaf_fields(of: ExperimentConfig | None = None) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield ``(path, field)`` for every single setting, e.g. ``("training", "lr")``.

    Args:
        of: whose settings; None takes those of every method and loss, of equal paths the first.
    """
    seen: set[tuple[str, ...]] = set()
    for path, field in _leaves(ExperimentConfig, of, ()):
        if path not in seen:
            seen.add(path)
            yield path, field


def _leaves(
    section: type[BaseModel], of: BaseModel | None, at: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in section.model_fields.items():
        choices = _sections_of(field)
        if not choices:
            yield (*at, name), field
            continue
        value = None if of is None else getattr(of, name)
        if "kind" in choices[0].model_fields:
            kinds = [kind_of(choice) for choice in choices]
            titles = ", ".join(f"{kind} ({choice.title})" for kind, choice in zip(kinds, choices, strict=True))
            yield (
                (*at, name, "kind"),
                FieldInfo(
                    annotation=Literal[tuple(kinds)],  # type: ignore[arg-type]  # the kinds of now
                    default=field.default.kind,
                    description=f"{field.description or 'what is trained'}: {titles}",
                ),
            )
        for choice in choices if value is None else [type(value)]:
            for path, inner in _leaves(choice, value, (*at, name)):
                if path[-1] != "kind" or len(path) > len(at) + 2:
                    yield path, inner


def _sections_of(field: FieldInfo) -> list[Any]:
    """Return the models that a field may hold; empty for a single setting."""
    annotation = field.annotation
    if annotation is MethodSettings:
        return list(METHODS.values())
    if annotation is LossSettings:
        return list(LOSSES.values())
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    if "kind" in changes and changes["kind"] != base.get("kind"):
        base = {}  # settings of another kind say nothing of this one
    result = dict(base)
    for key, value in changes.items():
        inner = result.get(key)
        if isinstance(value, Mapping):
            result[key] = _merged(inner if isinstance(inner, Mapping) else {}, value)
        elif value is None and isinstance(inner, Mapping):
            continue  # a section without settings, as a file has it where all of them are comments
        else:
            result[key] = value
    return result


def kinds_having(path: Sequence[str]) -> list[str]:
    """Return the methods, or the losses, that have a setting; empty where it is of neither.

    Example:
        >>> kinds_having(("method", "classification", "two_way_mean"))
        ['two_way']
    """
    known: Mapping[str, type[Section]] = {}
    if len(path) == 2 and path[0] == "method":
        known = METHODS
    elif len(path) == 3 and path[:2] == ("method", "classification"):
        known = LOSSES
    return [kind for kind, section in known.items() if path[-1] in section.model_fields]


def _explain(item: Any, at: Sequence[str] = (), kind: str = "") -> str:
    path = (*at, *(str(part) for part in item["loc"]))
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        return _unknown(path, at, kind)
    if item["type"] == "model_type":
        return f"{name} must be a section of settings, got {item['input']!r:.100}"
    return explained(item, name) + ("" if item["type"] == "value_error" else _of_none(path))


def _unknown(path: tuple[str, ...], at: Sequence[str], kind: str) -> str:
    """Return that there is no such setting, and which one may be meant.

    Args:
        path: of the setting.
        at: path of the method or the loss that was given it, empty for a setting that all methods share.
        kind: of that method or loss.
    """
    said = f"unknown setting {'.'.join(path)!r}"
    known = [leaf for leaf, _ in leaf_fields()]
    if (parts := tuple(".".join(path).split("."))) in known and not at:
        return f"{said}; write{_nesting(parts)}"
    beside = {leaf[: len(path)] for leaf in known if leaf[: len(path) - 1] == path[:-1]}
    if at:
        what = "method" if len(at) == 1 else "loss"
        said += f" of the {what} {kind}"
        if having := kinds_having(path):
            return f"{said}; leave it out, or take a {what} that has it: {', '.join(having)}"
        section = (METHODS if len(at) == 1 else LOSSES)[kind]
        beside = {(*at, field) for field in section.model_fields}
    # where sections and settings of the first version went
    elif (moved := ("method",) if path == ("loss",) else ("method", path[-1])) in (("method",), *known):
        return f"{said}: it is {'.'.join(moved)!r} now, in a file{_nesting(moved)}"
    # by last parts, for what stands before them makes all alike
    meant = [leaf for leaf in known if leaf[-1] == path[-1] != "kind"]
    for names in (beside, known):
        near = closest(path[-1], sorted({leaf[-1] for leaf in names}))
        meant = meant or [leaf for leaf in names if leaf[-1] == near]
    if not meant:
        return said
    hint = f" (in a file:{_nesting(meant[0])})" if len(path) == 1 and meant[0][-1] == path[-1] else ""
    return f"{said}; did you mean {' or '.join(map(_with_kinds, meant))}{hint}?"


def _with_kinds(path: Sequence[str]) -> str:
    having = kinds_having(path)
    return repr(".".join(path)) + (f" (of {', '.join(having)})" if having else "")


def _nesting(path: Sequence[str]) -> str:
    """Return how a setting is written in a file, after a space."""
    *sections, leaf = path
    return f" {''.join(f'{part}: {{' for part in sections)}{leaf}: ...{'}' * len(sections)}"


def _of_none(path: Sequence[str]) -> str:
    """Return what ``none`` does as a value of a setting that may have it; follows a sentence."""
    field = dict(leaf_fields()).get(tuple(path))
    if field is None or type(None) not in get_args(field.annotation):
        return ""
    words = re.search(r"\bnone (?:is|means|takes|has|leaves|keeps|looks)\b[^;,]*", field.description or "")
    return f"; {words[0]}" if words else "; none is a value too"
