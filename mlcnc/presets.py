"""Whole experiments by name, from which the command line and the launch page start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from mlcnc.config import ExperimentConfig, at_rate, override
from mlcnc.data import dataset_facts
from mlcnc.errors import ConfigError, nearest
from mlcnc.original_recipes import ORIGINALS, original_config

GLOVE_DIM = 300
DEMO_EPOCHS = 24
COMPARISON_EPOCHS = 30

PHOTOGRAPHS: dict[str, Any] = {
    "data": {"dataset": "voc07-lt", "augmentation": "crop"},
    "model": {"backbone": "efficientnet_lite0", "weights": "imagenet", "frozen": "all", "cached_draws": 4},
    "training": {"num_pictures": 0},
}
"""What all runs on voc07-lt share; learning rate and weight decay are chosen for each method."""


class Raced(NamedTuple):
    """What a recorded race found of a method.

    Attributes:
        rate: the learning rate that was best on validation.
        seconds: of a run on the two cores of the race, without its start.
    """

    rate: float
    seconds: int


def pictogram_lt() -> ExperimentConfig:
    """Return the default: MLC-NC on pictogram-lt, small backbone, about a minute on two cores."""
    return ExperimentConfig()


def pictogram_lt_cosine() -> ExperimentConfig:
    """Return pictogram-lt with the attention of Eq. 3-5, sharpened by a temperature of 0.1."""
    return override(
        ExperimentConfig(),
        {"method": {"attention": "cosine", "attention_temperature": 0.1, "query_norm": 1.0}},
    )


def digits_lt() -> ExperimentConfig:
    """Return digits-lt: handwritten digits are not mirrored."""
    return override(
        ExperimentConfig(),
        {"data": {"dataset": "digits-lt", "flip": False}},
    )


def quick() -> ExperimentConfig:
    """Return a few epochs of pictogram-lt, to see the parts work; too short for good numbers."""
    return override(
        ExperimentConfig(), {"method": {"warmup_epochs": 1}, "training": {"epochs": 4, "arrays_every": 1}}
    )


def erm() -> ExperimentConfig:
    """Return ERM on pictogram-lt, the plain baseline, with the recipe of the default run."""
    return override(ExperimentConfig(), {"method": {"kind": "erm"}})


def demo() -> ExperimentConfig:
    """Return a demonstration of about a minute on two idle cores, start and drawing of data included.

    Arrays are stored at every epoch, so that the geometry plays; but for length and warm-up it is the full run.
    """
    return override(
        ExperimentConfig(),
        {"method": {"warmup_epochs": 2}, "training": {"epochs": DEMO_EPOCHS, "arrays_every": 1}},
    )


def comparison() -> ExperimentConfig:
    """Return the recipe of a comparison of label embeddings, about 100 seconds a run on two idle cores.

    Only ``method.label_embedding`` (and ``method.glove_path``) differ between its runs. The width is that of
    the published 300-dimensional GloVe vectors; for a file of other width see :func:`with_width`.
    """
    return override(
        with_width(ExperimentConfig(), GLOVE_DIM),
        {"training": {"epochs": COMPARISON_EPOCHS}},
    )


def with_width(config: ExperimentConfig, dim: int) -> ExperimentConfig:
    """Return ``config`` with label embeddings of ``dim`` numbers and as many heads, at most 10, as divide it.

    Every run of a comparison takes the width of the GloVe file, so that kinds of embedding differ in kind only.

    Raises:
        ConfigError: ``dim`` is out of range.

    Example:
        >>> with_width(ExperimentConfig(), 50).method.num_heads
        10
    """
    heads = max((heads for heads in range(1, 11) if dim % heads == 0), default=1)
    return override(config, {"method": {"embedding_dim": dim, "num_heads": heads}})


def voc07_lt() -> ExperimentConfig:
    """Return MLC-NC on photographs by a frozen EfficientNet-Lite0, a minute and a half once its maps are there.

    The alignment weighs 50, not the paper's 0.5, so that the label embedding has a say; with attention dropout
    and weight decay it was chosen on the validation split, one seed each (docs/photographs.md).
    """
    method = {**WIDTH_ON_PHOTOGRAPHS, "alignment_weight": 50.0, "dropout": 0.3}
    return override(
        override(ExperimentConfig(), PHOTOGRAPHS), {"method": method, "training": {"weight_decay": 10.0}}
    )


def voc07_lt_last_blocks() -> ExperimentConfig:
    """Return the same with the last two blocks of the backbone trained, at a tenth of the learning rate."""
    return override(voc07_lt(), {"model": {"trained_blocks": 2}, "training": {"backbone_lr_factor": 0.1}})


def voc07_lt_erm() -> ExperimentConfig:
    """Return ERM on the same photographs and maps, its learning rate and decay chosen on validation too."""
    return override(
        override(ExperimentConfig(), PHOTOGRAPHS),
        {"method": {"kind": "erm"}, "training": {"lr": 1e-2, "weight_decay": 1.0}},
    )


def voc_lt() -> ExperimentConfig:
    """Return MLC-NC on VOC-LT as published: ResNet-50, the recipe of the released code, the paper's losses.

    Source: t1neo666/AAAI25_MLC-NC, train.py; 100 epochs of 15,500 draws are for a GPU.
    """
    return original_config("mlc_nc")


def coco_lt() -> ExperimentConfig:
    """Return MLC-NC on COCO-LT as published, measured on the 4,952 test images that have a label."""
    data = {"dataset": "coco-lt", "num_samples": 90_240, "test_images": "labelled"}
    return override(voc_lt(), {"data": data})


def vg200() -> ExperimentConfig:
    """Return MLC-NC on VG200 as published, at 448 pixels."""
    data = {"dataset": "vg200", "num_samples": 55_600, "augmentation": "vg200", "image_size": 448}
    return override(voc_lt(), {"data": data})


def bench() -> ExperimentConfig:
    """Return what all methods share in a race on pictogram-lt; measured at the first epoch and the last."""
    return override(
        ExperimentConfig(), {"training": {"measure_every": 40, "arrays_every": 40, "num_pictures": 0}}
    )


def bench_voc07_lt() -> ExperimentConfig:
    """Return what all methods share in a race on voc07-lt: a frozen backbone, its maps, and a strong decay.

    The learning rate times the weight decay, by which AdamW shrinks weights at an update, is that of voc07-lt.
    """
    training = {"weight_decay": 10.0, "measure_every": 40, "arrays_every": 40}
    return override(override(ExperimentConfig(), PHOTOGRAPHS), {"training": training})


WIDTH_ON_PHOTOGRAPHS = {"embedding_dim": GLOVE_DIM, "num_heads": 10}
"""Of MLC-NC: its default width is for small scenes, on photographs it costs three points of validation mAP."""

ALIGNED: dict[str, Any] = {"method": {"alignment_weight": 100.0}, "training": {"weight_decay": 5.0}}
"""On the bench of voc07-lt: f of training images lies on its label embedding, to a mean cosine of 0.9."""

ALIGNED_SCENES: dict[str, Any] = {
    "method": {"alignment_weight": 100.0}, "training": {"weight_decay": 1.0, "epochs": 120},
}  # fmt: skip
"""The same on pictogram-lt, whose backbone is trained with the head: three times the epochs."""

RACED = {
    "pictogram-lt": {
        "mlc_nc": Raced(0.001, 52), "erm": Raced(0.064, 30), "rs": Raced(0.064, 31), "rw": Raced(0.064, 31),
        "ml_gcn": Raced(0.004, 30), "focal": Raced(0.064, 32), "asl": Raced(0.064, 34),
        "oltr": Raced(0.016, 42), "ldam": Raced(0.064, 29), "cb_focal": Raced(0.064, 31),
        "bbn": Raced(0.016, 38), "db": Raced(0.064, 31), "db_focal": Raced(0.064, 33),
        "urs": Raced(0.256, 39), "mfm": Raced(0.064, 31), "plm": Raced(0.064, 31), "tw": Raced(0.064, 30),
    },
    "voc07-lt": {
        "mlc_nc": Raced(0.001, 84), "erm": Raced(0.016, 10), "rs": Raced(0.004, 10), "rw": Raced(0.016, 10),
        "ml_gcn": Raced(0.004, 23), "focal": Raced(0.004, 13), "asl": Raced(0.004, 14),
        "oltr": Raced(6.25e-05, 181), "ldam": Raced(0.004, 8), "cb_focal": Raced(0.004, 9),
        "bbn": Raced(0.004, 65), "db": Raced(0.001, 9), "db_focal": Raced(0.001, 9), "urs": Raced(0.004, 125),
        "mfm": Raced(0.004, 9), "plm": Raced(0.016, 8), "tw": Raced(0.004, 8),
    },
}  # fmt: skip
"""What the recorded races (docs/bench) found of every method; by data set."""

BENCHES = {"pictogram-lt": "bench", "voc07-lt": "bench-voc07-lt"}
"""From data set to the preset that all methods share in a race on it."""


def bench_config(dataset: str, kind: str) -> ExperimentConfig:
    """Return a method on the bench of a data set, with its own defaults; MLC-NC is wider on photographs.

    A method of several streams draws as many images an epoch as the others, in as many steps, and so fewer of
    each stream. One that copies the last blocks of the backbone trains those of a frozen one,
    at a tenth of the learning rate.

    Args:
        dataset: one of ``BENCHES``.
        kind: of the method.
    """
    base = preset(BENCHES[dataset])
    wide = base.model.frozen == "all" and kind == "mlc_nc"
    config = override(base, {"method": {"kind": kind, **(WIDTH_ON_PHOTOGRAPHS if wide else {})}})
    changes: dict[str, Any] = {}
    if (streams := len(config.method.streams)) > 1:
        changes["data"] = {"num_samples": dataset_facts(dataset).num_train // streams}
        changes["training"] = {"batch_size": base.training.batch_size // streams}
    if base.model.frozen == "all" and "branch_blocks" in type(config.method).model_fields:
        changes["model"] = {"trained_blocks": 1}
        changes["training"] = {**changes.get("training", {}), "backbone_lr_factor": 0.1}
    return override(config, changes)


def at_raced_rate(config: ExperimentConfig) -> ExperimentConfig | None:
    """Return a config at the learning rate that a race chose for its method, where it has that of MLC-NC.

    Returns:
        With the weight decay that went with the rate. None where somebody chose another rate, where the race
        chose this one, and where none was held for the method with this backbone, optimiser and data set.

    Example:
        >>> at_raced_rate(erm()).training.lr, at_raced_rate(pictogram_lt())
        (0.064, None)
    """
    dataset = config.data.dataset
    raced = RACED.get(dataset, {}).get(config.method.kind)
    given = config.training.lr
    if raced is None or given != ExperimentConfig().training.lr or raced.rate == given:
        return None
    base = preset(BENCHES[dataset])
    like = config.model.frozen == base.model.frozen and config.training.optimiser == base.training.optimiser
    return at_rate(config, raced.rate) if like else None


def raced_rate_sentence(config: ExperimentConfig) -> str:
    """Return what a reader must know of the learning rate of a run; empty where no race chose another one."""
    raced = at_raced_rate(config)
    if raced is None:
        return ""
    return (
        f"the learning rate {config.training.lr:g} was chosen for MLC-NC; for {config.method.title} on "
        f"{config.data.dataset} the recorded race chose {raced.training.lr:g} on validation, with a decay of "
        f"{raced.training.weight_decay:g}"
    )


def orthogonal(loss: str) -> ExperimentConfig:
    """Return MLC-NC with the loss of another method in place of its own, on the bench of pictogram-lt.

    Args:
        loss: its kind.
    """
    return override(bench(), {"method": {"classification": {"kind": loss}}})


PRESETS: dict[str, Callable[[], ExperimentConfig]] = {
    "demo": demo,
    "comparison": comparison,
    "pictogram-lt": pictogram_lt,
    "pictogram-lt-cosine": pictogram_lt_cosine,
    "digits-lt": digits_lt,
    "erm": erm,
    "quick": quick,
    "voc07-lt": voc07_lt,
    "voc07-lt-last-blocks": voc07_lt_last_blocks,
    "voc07-lt-erm": voc07_lt_erm,
    "voc-lt": voc_lt,
    "coco-lt": coco_lt,
    "vg200": vg200,
    "bench": bench,
    "bench-voc07-lt": bench_voc07_lt,
    "mlc-nc-asl": partial(orthogonal, "asl"),
    "mlc-nc-db-focal": partial(orthogonal, "db_focal"),
    "mlc-nc-mfm": partial(orthogonal, "mfm"),
    **{name: partial(original_config, kind) for name, kind in ORIGINALS.items()},
}


def preset_names() -> str:
    """Return the names of the presets, the recipes of papers as one."""
    return f"{', '.join(name for name in PRESETS if name not in ORIGINALS)} or original-METHOD"


def preset(name: str) -> ExperimentConfig:
    """Return the preset of that name.

    Raises:
        ConfigError: no such preset; the message lists the known ones.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {preset_names()}, got {name!r}{nearest(name, PRESETS)}")
    return PRESETS[name]()
