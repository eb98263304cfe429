"""Every setting of an experiment: one tree of frozen, checked models, and the presets.

The command line and the launch form are generated from these fields, and a run stores the whole
tree. Precedence: command line over file over preset.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from mlcnc.errors import ConfigError

MOST_SEED = 2**53 - 1
"""The largest whole number that torch, NumPy, JSON and a browser all hold exactly."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DataConfig(_Section):
    """What is trained on."""

    dataset: str = Field("pictogram-lt", description="data set: pictogram-lt or digits-lt")
    image_size: int = Field(64, ge=32, le=1024, description="side of the images in pixels")
    seed: int = Field(
        0, ge=0, le=MOST_SEED, description="seed of the drawn scenes, apart from the training seed"
    )
    flip: bool = Field(True, description="flip training images left to right at random")
    shift: int = Field(4, ge=0, le=64, description="largest random shift in pixels")
    jitter: float = Field(0.2, ge=0, le=1, description="strength of random brightness, contrast and colour")
    sampler: Literal["class_aware", "uniform"] = Field(
        "class_aware",
        description="class_aware draws a class first, then one of its images; uniform draws images",
    )
    num_samples: int | None = Field(
        None, ge=1, le=10_000_000, description="images drawn an epoch; none means the size of the training set"
    )


class ModelConfig(_Section):
    """The network: backbone, class attention, projection and classifier."""

    backbone: Literal["small", "resnet18", "resnet34", "resnet50"] = Field(
        "small", description="small is for 64-pixel scenes, the others are torchvision's"
    )
    weights: Literal["none", "imagenet"] = Field("none", description="where a torchvision backbone starts from")
    label_embedding: Literal["etf", "trainable", "glove"] = Field(
        "etf", description="l_c: fixed simplex ETF (Eq. 1), learned vectors, or fixed GloVe vectors"
    )
    embedding_dim: int = Field(
        128, ge=2, le=8192, description="d, dimension of label embedding and class features"
    )
    query_norm: float | None = Field(
        None,
        gt=0,
        description="norm of every label embedding as attention query; none means sqrt(d)",
    )
    glove_path: str | None = Field(
        None, description="text file of GloVe vectors; none means the MLCNC_GLOVE variable"
    )
    attention: Literal["multihead", "cosine"] = Field(
        "multihead",
        description="multihead is the released code's layer, cosine is Eq. 3-5 to the letter",
    )
    num_heads: int = Field(8, ge=1, description="heads of the multihead attention; divides d")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout on multihead attention weights")
    attention_temperature: float = Field(
        1.0, gt=0, description="temperature of the cosine attention; the paper's Eq. 3 has 1.0"
    )
    projection_dim: int | None = Field(
        20, ge=1, description="p of Eq. 7; none leaves class features unprojected"
    )
    classifier: Literal["fixed", "init_only", "block_aligned", "linear"] = Field(
        "fixed",
        description="fixed ETF over the concatenation (Eq. 10), trained from an ETF start, fixed "
        "ETF with one block a class, or a trainable linear layer (Table 3)",
    )
    logit_scale: float = Field(10.0, gt=0, description="start of the learned gamma in Eq. 10")

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> ModelConfig:
        if self.attention == "multihead" and self.embedding_dim % self.num_heads:
            raise ValueError(
                f"num_heads must divide embedding_dim = {self.embedding_dim}, got {self.num_heads}"
            )
        return self


class LossConfig(_Section):
    """The three terms of Eq. 14 and their constants."""

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
    two_way_temperature: float = Field(4.0, gt=0, description="T of Eq. 11-12, on positives (released code 4)")


class TrainingConfig(_Section):
    """Optimiser, schedule, measurement and device."""

    epochs: int = Field(40, ge=1, le=10_000, description="epochs in all, warm-up included")
    warmup_epochs: int = Field(3, ge=0, description="first epochs with the alignment loss only")
    batch_size: int = Field(32, ge=1, description="images a step")
    optimiser: Literal["adamw", "adam"] = Field("adamw", description="adamw decouples its decay")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of the one-cycle schedule")
    weight_decay: float = Field(1e-4, ge=0, description="not on biases, norms, label embedding and logit scale")
    lr_rise: float = Field(0.2, gt=0, lt=1, description="share of steps before the peak")
    clip_norm: float | None = Field(5.0, gt=0, description="largest gradient norm; none is off")
    ema_decay: float | None = Field(
        None, gt=0, lt=1, description="measure a moving average of the weights; none is off"
    )
    seed: int = Field(0, ge=0, le=MOST_SEED, description="seed of initial weights, sampling and augmentation")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto", description="auto takes CUDA, then MPS, then the CPU, and says which"
    )
    mixed_precision: bool = Field(True, description="bfloat16 autocast, on CUDA only")
    num_threads: int | None = Field(
        None, ge=1, le=1024, description="CPU threads of torch; none keeps torch's choice"
    )
    arrays_every: int = Field(
        5, ge=0, description="store arrays every so many epochs, first and last too; 0 is never"
    )
    num_sample_pairs: int = Field(600, ge=0, le=4000, description="image-label pairs whose features are stored")
    num_probes: int = Field(24, ge=0, le=200, description="images whose attention is stored")
    num_pictures: int = Field(
        2000, ge=0, le=20000, description="small pictures kept for the dashboard, sampled images first"
    )
    checkpoint: bool = Field(True, description="write checkpoints/last.pt after every epoch")

    @model_validator(mode="after")
    def _warmup_ends(self) -> TrainingConfig:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs must be below epochs = {self.epochs}, got {self.warmup_epochs}")
        return self


class ExperimentConfig(_Section):
    """The whole of one experiment, as a run stores it."""

    name: str | None = Field(None, max_length=120, description="display name of the run")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()


def pictogram_lt() -> ExperimentConfig:
    """Return the default: pictogram-lt, small backbone, under two minutes on two cores."""
    return ExperimentConfig()


def pictogram_lt_cosine() -> ExperimentConfig:
    """Return pictogram-lt with the attention of Eq. 3-5, sharpened by a temperature of 0.1."""
    return override(
        ExperimentConfig(),
        {"model": {"attention": "cosine", "attention_temperature": 0.1, "query_norm": 1.0}},
    )


def digits_lt() -> ExperimentConfig:
    """Return digits-lt: handwritten digits are not mirrored."""
    return override(
        ExperimentConfig(),
        {"data": {"dataset": "digits-lt", "flip": False}},
    )


def quick() -> ExperimentConfig:
    """Return a few epochs of pictogram-lt, to see the parts work; too short for good numbers."""
    return override(ExperimentConfig(), {"training": {"epochs": 4, "warmup_epochs": 1, "arrays_every": 1}})


def demo() -> ExperimentConfig:
    """Return a demonstration of about a minute on two idle cores, start and drawing of data included.

    Arrays are stored at every epoch, so that the geometry plays; but for length and warm-up it is the full run.
    """
    return override(
        ExperimentConfig(), {"training": {"epochs": DEMO_EPOCHS, "warmup_epochs": 2, "arrays_every": 1}}
    )


def comparison() -> ExperimentConfig:
    """Return the recipe of a comparison of label embeddings, about 100 seconds a run on two idle cores.

    Only ``model.label_embedding`` (and ``model.glove_path``) differ between its runs. The width is that of
    the published 300-dimensional GloVe vectors; for a file of other width see :func:`with_width`.
    """
    return override(
        with_width(ExperimentConfig(), GLOVE_DIM),
        {"training": {"epochs": COMPARISON_EPOCHS, "warmup_epochs": 3, "arrays_every": 5}},
    )


def with_width(config: ExperimentConfig, dim: int) -> ExperimentConfig:
    """Return ``config`` with label embeddings of ``dim`` numbers and as many heads, at most 10, as divide it.

    Every run of a comparison takes the width of the GloVe file, so that kinds of embedding differ in kind only.

    Raises:
        ConfigError: ``dim`` is out of range.

    Example:
        >>> with_width(ExperimentConfig(), 50).model.num_heads
        10
    """
    heads = max((heads for heads in range(1, 11) if dim % heads == 0), default=1)
    return override(config, {"model": {"embedding_dim": dim, "num_heads": heads}})


GLOVE_DIM = 300
DEMO_EPOCHS = 24
COMPARISON_EPOCHS = 30

PRESETS = {
    "demo": demo,
    "comparison": comparison,
    "pictogram-lt": pictogram_lt,
    "pictogram-lt-cosine": pictogram_lt_cosine,
    "digits-lt": digits_lt,
    "quick": quick,
}


def preset(name: str) -> ExperimentConfig:
    """Return the preset of that name.

    Raises:
        ConfigError: no such preset; the message lists the known ones.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]()


def parse(tree: Mapping[str, Any]) -> ExperimentConfig:
    """Return the checked config of a nested mapping.

    Raises:
        ConfigError: an unknown key (with the nearest known one) or a bad value, named by its path.
    """
    try:
        return ExperimentConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(item) for item in error.errors())) from None


def override(config: ExperimentConfig, changes: Mapping[str, Any]) -> ExperimentConfig:
    """Return ``config`` with a nested mapping of changes applied and everything checked again.

    Raises:
        ConfigError: as for :func:`parse`.

    Example:
        >>> override(ExperimentConfig(), {"training": {"epochs": 7}}).training.epochs
        7
    """
    return parse(_merged(config.model_dump(), changes))


def read_file(path: str | Path) -> dict[str, Any]:
    """Return the settings of a YAML or JSON file as a nested mapping; nothing is executed.

    Raises:
        ConfigError: the file is missing, is not YAML or JSON, or does not hold a mapping.
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"config file {path} is not valid YAML or JSON: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path} must hold a mapping, got {type(tree).__name__}")
    return tree


def default_stem(config: ExperimentConfig) -> str:
    """Return data set, label embedding, unusual classifier or attention, and seed as a run id."""
    model = config.model
    parts = [config.data.dataset, model.label_embedding]
    parts += [model.classifier.replace("_", "-")] if model.classifier != "fixed" else []
    parts += [model.attention] if model.attention != "multihead" else []
    return "-".join([*parts, f"s{config.training.seed}"])


def leaf_fields() -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield ``(path, field)`` for every single setting, e.g. ``("training", "lr")``."""
    for name, field in ExperimentConfig.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for leaf, leaf_field in section.model_fields.items():
                yield (name, leaf), leaf_field
        else:
            yield (name,), field


def nearest(
    name: str, known: Iterable[str], also: Mapping[str, str] | None = None, *, cutoff: float = 0.5
) -> str:
    """Return ``; did you mean 'x'?`` for the closest known name, or the empty string.

    Args:
        also: known names by what others call them.
        cutoff: how alike they must be, of 1.
    """
    also = also or {}
    close = difflib.get_close_matches(name, [*known, *also], n=1, cutoff=cutoff)
    return f"; did you mean {also.get(close[0], close[0])!r}?" if close else ""


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        inner = result.get(key)
        both = isinstance(value, Mapping) and isinstance(inner, dict)
        result[key] = _merged(inner, value) if both and isinstance(inner, dict) else value
    return result


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = [".".join(leaf) for leaf, _ in leaf_fields()]
        hint = nearest(name, known) or nearest(path[-1], [leaf.split(".")[-1] for leaf in known])
        return f"unknown setting {name!r}{hint}"
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if item["type"] == "value_error":
        return f"{name}: {message}"
    return f"{name}: {message}, got {item['input']!r}"
