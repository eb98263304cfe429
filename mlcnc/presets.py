"""Whole experiments by name, from which the command line and the launch page start."""

from __future__ import annotations

from typing import Any

from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import ConfigError

GLOVE_DIM = 300
DEMO_EPOCHS = 24
COMPARISON_EPOCHS = 30

PHOTOGRAPHS: dict[str, Any] = {
    "data": {"dataset": "voc07-lt", "augmentation": "crop"},
    "model": {"backbone": "efficientnet_lite0", "weights": "imagenet", "frozen": "all", "cached_draws": 4},
    "training": {"num_pictures": 0},
}
"""What all runs on voc07-lt share; learning rate and weight decay are chosen for each method."""


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
    method = {"embedding_dim": GLOVE_DIM, "num_heads": 10, "alignment_weight": 50.0, "dropout": 0.3}
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

    Source: mlc_nc notes, section 4; 100 epochs of 15,500 draws are for a GPU.
    """
    return override(ExperimentConfig(), _published("voc-lt", num_samples=15_500))


def coco_lt() -> ExperimentConfig:
    """Return MLC-NC on COCO-LT as published, measured on the 4,952 test images that have a label."""
    changes = _published("coco-lt", num_samples=90_240)
    return override(override(ExperimentConfig(), changes), {"data": {"test_images": "labelled"}})


def vg200() -> ExperimentConfig:
    """Return MLC-NC on VG200 as published, at 448 pixels."""
    changes = _published("vg200", num_samples=55_600)
    return override(
        override(ExperimentConfig(), changes), {"data": {"augmentation": "vg200", "image_size": 448}}
    )


def _published(dataset: str, num_samples: int) -> dict[str, Any]:
    return {
        "data": {"dataset": dataset, "augmentation": "mlc_nc", "num_samples": num_samples},
        "model": {"backbone": "resnet50", "weights": "imagenet"},
        "method": {
            "embedding_dim": 768,
            "num_heads": 8,
            "query_norm": 1.0,
            "logit_scale": 1.0,
            "warmup_epochs": 5,
        },
        "training": {
            "epochs": 100,
            "batch_size": 64,
            "optimiser": "adam",
            "lr": 1e-4,
            "clip_norm": None,
            "num_pictures": 0,
        },
    }


PRESETS = {
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
}


def preset(name: str) -> ExperimentConfig:
    """Return the preset of that name.

    Raises:
        ConfigError: no such preset; the message lists the known ones.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]()
