"""The recipe of each method's own paper or public code, carried to VOC-LT as far as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlcnc.config import ExperimentConfig, override

EPOCH_IMAGES = 3_875
"""Images an epoch of every recipe but MLC-NC's: what DB's class-aware sampling draws on VOC-LT. With plain
sampling its 1,142 images would make eight epochs shorter than DB's warm-up; so iterations are equal."""


@dataclass(frozen=True)
class Recipe:
    """How a method was trained by its authors.

    Attributes:
        source: where that was read.
        changes: of the settings, over those that all recipes share and the method's own defaults.
        not_done: what of it this trainer does in another way, or not at all; empty where nothing.
        not_recorded: what is not known, and what stands in its place; empty where nothing.
    """

    source: str
    changes: dict[str, Any]
    not_done: str = ""
    not_recorded: str = ""


_SHARED: dict[str, Any] = {
    "data": {"dataset": "voc-lt", "num_samples": EPOCH_IMAGES, "augmentation": "db", "image_size": 224},
    "model": {"backbone": "resnet50", "weights": "imagenet"},
    "training": {"num_pictures": 0, "clip_norm": None, "optimiser": "sgd", "schedule": "step"},
}

_DB = "the trainer of Wu et al. (ECCV 2020), wutong16/DistributionBalancedLoss"
_DECAY = "decay of biases and norms too"
_NOT_OF_DB_PLAIN = f"{_DECAY}, batches of one orientation"
_PLAIN = "how long plain sampling was trained; here as long as class-aware sampling"
_DB_TRAINER: dict[str, Any] = {
    "model": {"frozen": "stem_and_norms"},
    "training": {
        "epochs": 8,
        "batch_size": 32,
        "lr": 0.02,
        "lr_warmup_updates": 500,
        "lr_drops": (5, 7),
        "clip_norm": 35.0,
    },
}
_WITH_NECK: dict[str, Any] = {**_DB_TRAINER, "method": {"neck_dim": 256}}

RECIPES: dict[str, Recipe] = {
    "erm": Recipe(_DB, _WITH_NECK, _NOT_OF_DB_PLAIN, _PLAIN),
    "rs": Recipe(_DB, {**_WITH_NECK, "data": {"sampler": "class_aware_triples"}}, _DECAY),
    "rw": Recipe(_DB, _WITH_NECK, _NOT_OF_DB_PLAIN, _PLAIN),
    "ml_gcn": Recipe(
        "megvii-research/ML-GCN, for VOC2007 at 448 pixels",
        {
            "data": {"augmentation": "vg200", "image_size": 448},
            "model": {"backbone": "resnet101"},
            "training": {
                "epochs": 20,
                "batch_size": 16,
                "lr": 0.1,
                "backbone_lr_factor": 0.1,
                "clip_norm": 10.0,
            },
        },
        "crops of five scales of the shorter side, at one of thirteen places; here of three scales, anywhere "
        f"in an image that was squashed to 448 pixels; {_DECAY}",
    ),
    "focal": Recipe(_DB, _WITH_NECK, _NOT_OF_DB_PLAIN, _PLAIN),
    "asl": Recipe(
        "Alibaba-MIIL/ASL, for COCO 2014",
        {
            "method": {"classification": {"normalisation": "none"}},
            "training": {
                "epochs": 80,
                "batch_size": 128,
                "optimiser": "adam",
                "schedule": "one_cycle",
                "lr": 1e-4,
                "ema_decay": 0.9938,
            },
        },
        "Cutout and RandAugment in place of DB's augmentation, pixels without normalisation, a TResNet, an end "
        "after half of the cycle; its moving average of 0.9997 keeps 0.82 over an epoch of 641 updates, as "
        "0.9938 does over 31",
    ),
    "oltr": Recipe(
        "zhmiao/OpenLongTailRecognition-OLTR, for ImageNet-LT",
        {
            "data": {"augmentation": "mlc_nc"},
            "training": {
                "epochs": 90,
                "batch_size": 128,
                "lr": 0.1,
                "backbone_lr_factor": 0.1,
                "lr_drops": (50, 70),
                "weight_decay": 5e-4,
            },
        },
        "an optimiser for each part, and a schedule for each stage: the drops are those of the second, the "
        "rate of the first is constant, where theirs falls too; a ResNet-10 from random weights; ImageNet's "
        f"mean and deviation of pixels; {_DECAY}",
    ),
    "ldam": Recipe(
        "kaidic/LDAM-DRW, for CIFAR",
        {
            "data": {"augmentation": "crop"},
            "training": {
                "epochs": 200,
                "batch_size": 128,
                "lr": 0.1,
                "lr_warmup_updates": 155,
                "lr_drops": (160, 180),
                "lr_drop_factor": 0.01,
                "weight_decay": 2e-4,
            },
        },
        "warm-up from a fifth of the rate, here from a third; a ResNet-32 from random weights on 32 pixels, "
        f"cut out after padding by 4; {_DECAY}",
    ),
    "cb_focal": Recipe(_DB, _WITH_NECK, _NOT_OF_DB_PLAIN, _PLAIN),
    "bbn": Recipe(
        "megvii-research/BBN, for iNaturalist 2018",
        {
            "data": {"augmentation": "crop"},
            "training": {
                "epochs": 180,
                "batch_size": 128,
                "lr": 0.05,
                "lr_drops": (120, 160),
                "nesterov": True,
            },
        },
        "random weights at the start; alpha of 200 epochs where 180 are trained; crops of 8 % to the whole of "
        f"an image, here of 40 % at least; a test on the centre of the image; {_DECAY}",
        "the recipe of its published row, which is of URS's authors",
    ),
    "db": Recipe(_DB, _WITH_NECK, _DECAY),
    "db_focal": Recipe(_DB, _WITH_NECK, _DECAY),
    "urs": Recipe(
        "CENG502, spring 2022, Project_Gulmez-Koc, which names rate, momentum and decay",
        {
            **_DB_TRAINER,
            "method": {"branch_blocks": 3, "compensation": True},
            "training": {**_DB_TRAINER["training"], "lr": 0.01},
        },
        _NOT_OF_DB_PLAIN,
        "batch size, epochs, what is done to images and what is frozen; here those of DB's trainer",
    ),
    "mfm": Recipe(
        "wannature/COMIC",
        {
            "data": {"augmentation": "crop"},
            "method": {"classification": {"normalisation": "none"}},
            "training": {
                "epochs": 40,
                "batch_size": 32,
                "optimiser": "adam",
                "lr": 1e-4,
                "lr_drops": (18, 36),
            },
        },
        "label correction, networks of head and tail, attention and a layer of features at a rate of 1e-3; a "
        "frozen backbone, here trained at the rate of the classifier; crops of half to the whole of an image, "
        "here of 40 % at least, rotations, RandAugment in one stream of three; a test on the centre of the "
        "image",
    ),
    "plm": Recipe(_DB, _WITH_NECK, _NOT_OF_DB_PLAIN, "its own recipe; here that of ERM"),
    "tw": Recipe(
        "tk1980/TwoWayMultiLabelLoss, for COCO 2014",
        {
            "data": {"augmentation": "mlc_nc"},
            "training": {
                "epochs": 40,
                "batch_size": 512,
                "lr": 0.01,
                "backbone_lr_factor": 0.1,
                "nesterov": True,
                "schedule": "cosine",
            },
        },
        f"PCA lighting; {_DECAY}; ImageNet's mean and deviation of pixels",
    ),
    "mlc_nc": Recipe(
        "the released code of Tao et al. (AAAI 2025), with the paper's losses; also preset voc-lt",
        {
            "data": {"augmentation": "mlc_nc", "num_samples": 15_500, "image_size": None},
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
                "schedule": "one_cycle",
                "lr": 1e-4,
            },
        },
        "Eq. 9 weighted by 0.1, divided by pairs and with means over all epochs; a classifier that trains from "
        "its ETF start",
    ),
}
"""From kind to recipe, in the order of the published tables."""


def original_config(kind: str) -> ExperimentConfig:
    """Return a method as its authors trained it, on VOC-LT.

    VOC-LT has no validation split, so no epoch is chosen and the last one counts.

    Args:
        kind: one of ``RECIPES``.
    """
    recipe = RECIPES[kind].changes
    method = {"kind": kind, **recipe.get("method", {})}
    return override(override(ExperimentConfig(), _SHARED), {**recipe, "method": method})


def original_name(kind: str) -> str:
    """Return the name of the preset of a method, e.g. ``original-db-focal``."""
    return f"original-{kind.replace('_', '-')}"


ORIGINALS = {original_name(kind): kind for kind in RECIPES}
"""From preset to kind."""
