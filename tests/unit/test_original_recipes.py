"""The recipes of papers: each is there, fits its method and its backbone, and says what of it is not ours to do."""

import numpy as np
import pytest
import torch

from mlcnc.data import dataset_facts
from mlcnc.data.augmentation_presets import AUGMENTATIONS
from mlcnc.data.samplers import SAMPLERS
from mlcnc.methods.method import TrainingStatistics, build_method
from mlcnc.methods.settings import METHODS
from mlcnc.models import build_backbone
from mlcnc.original_recipes import EPOCH_IMAGES, ORIGINALS, RECIPES, original_config
from mlcnc.presets import PRESETS, preset
from tests.processes.small_training import glove_file

VOC = dataset_facts("voc-lt")


def test_every_method_has_the_recipe_of_its_paper_as_a_preset():
    assert set(ORIGINALS.values()) == METHODS.keys()
    for name, kind in ORIGINALS.items():
        assert name == f"original-{kind.replace('_', '-')}"
        assert PRESETS[name]() == original_config(kind)
        assert preset(name).method.kind == kind


@pytest.mark.parametrize("kind", ORIGINALS.values())
def test_a_recipe_names_what_there_is_and_its_schedule_ends_within_its_epochs(kind):
    config, training = original_config(kind), original_config(kind).training
    assert config.data.dataset == "voc-lt"
    assert config.data.augmentation in AUGMENTATIONS
    assert config.data.sampler in {None, *SAMPLERS}
    assert config.method.problem_with(training.epochs) is None
    assert all(drop < training.epochs for drop in training.lr_drops)
    assert bool(training.lr_drops) <= (training.schedule == "step")
    updates = -(-config.data.num_samples // training.batch_size) * training.epochs
    assert training.lr_warmup_updates < updates
    assert RECIPES[kind].source


def test_recipes_of_the_common_trainer_are_as_long_as_class_aware_sampling():
    db, erm = (original_config(kind) for kind in ("plm", "erm"))
    assert (db.training, db.model) == (erm.training, erm.model)
    assert erm.method.neck_dim == 256
    # floor(largest count x classes / 4) of VOC-LT: one epoch of DB's class-aware sampler
    assert erm.data.num_samples == EPOCH_IMAGES == 775 * len(VOC.class_names) // 4
    # 122 updates an epoch; its two drops come after the warm-up
    assert -(-EPOCH_IMAGES // erm.training.batch_size) == 122
    assert 122 * min(erm.training.lr_drops) > erm.training.lr_warmup_updates


@pytest.mark.parametrize("kind", ORIGINALS.values())
def test_the_network_of_a_recipe_can_be_built(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_GLOVE", str(glove_file(tmp_path, words=VOC.class_names)))
    config, model = original_config(kind), original_config(kind).model
    num_classes, size = len(VOC.class_names), config.data.image_size
    statistics = TrainingStatistics(
        VOC.class_names, np.arange(num_classes) + 2, np.eye(num_classes), 1_142, (3, size or 224, size or 224)
    )
    # without values, which are slow to draw; those of an ETF are computed with
    with torch.device("cpu" if kind == "mlc_nc" else "meta"):
        backbone = build_backbone(model.backbone, weights="none", frozen=model.frozen, image_size=size)
        method = build_method(config.method, backbone, statistics, seed=0)
    still = [name for name, weight in method.named_parameters() if not weight.requires_grad]
    assert bool(still) == (model.frozen != "nothing")
