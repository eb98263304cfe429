"""No step of any method waits for the device: on ``meta``, reading a value on the host raises."""

from dataclasses import replace

import pytest
import torch

from mlcnc.config import ExperimentConfig, override
from mlcnc.data import dataset_facts
from mlcnc.data.loader import Batch
from mlcnc.methods.method import Moment
from mlcnc.training.build import _moving_average, build
from mlcnc.training.epoch import update
from mlcnc.training.loss_record import LossRecord
from mlcnc.training.optimisation import build_optimiser, build_schedule
from tests.processes.small_training import glove_file

VOC_NAMES = dataset_facts("pictogram-lt").class_names
META = torch.device("meta")
SMALL = {"embedding_dim": 24, "num_heads": 2, "projection_dim": 7, "warmup_epochs": 1}


def on_meta(method, training):
    """Return an experiment whose weights have no values."""
    config = override(
        ExperimentConfig(),
        {"method": method, "training": {"num_threads": 1, "device": "cpu", **training}},
    )
    experiment, settings = build(config), config.training
    experiment.method.to(META)
    optimiser = build_optimiser(settings, experiment.method.parameter_groups(settings.weight_decay), META)
    return replace(
        experiment,
        optimiser=optimiser,  # Fabric wraps none of weights without values
        schedule=build_schedule(settings, optimiser, 2),
        average=_moving_average(experiment.method, settings.ema_decay),
    )


@pytest.mark.parametrize(
    ("method", "training", "terms"),
    [
        ({"kind": "erm"}, {}, {"bce"}),
        ({"kind": "rw"}, {}, {"rw"}),
        ({"kind": "cb_focal"}, {}, {"cb_focal"}),
        ({"kind": "db_focal"}, {}, {"db_focal"}),
        ({"kind": "mfm"}, {"ema_decay": 0.9}, {"mfm"}),
        ({"kind": "rs", "classification": {"kind": "db_class"}}, {}, {"db_class"}),
        (
            {**SMALL, "classification": {"kind": "asl"}},
            {},
            {"alignment", "calibration", "asl"},
        ),
        ({"kind": "ldam", "deferred_from": 0.5}, {}, {"ldam"}),
        ({"kind": "oltr"}, {"ema_decay": 0.9}, {"bce", "centroid"}),
        ({"kind": "ml_gcn"}, {}, {"bce"}),
        ({"kind": "erm"}, {"optimiser": "sgd", "schedule": "step", "ema_decay": 0.9}, {"bce"}),
        ({"kind": "bbn"}, {}, {"bce"}),
        ({"kind": "urs"}, {"ema_decay": 0.9}, {"uniform", "rebalanced", "consistency"}),
        ({"kind": "plm"}, {}, {"masked_bce"}),
        (SMALL, {}, {"alignment", "calibration", "two_way"}),
        (
            {**SMALL, "attention": "cosine", "label_embedding": "trainable", "classifier": "linear"},
            {"optimiser": "adam", "ema_decay": 0.9},
            {"alignment", "calibration", "two_way"},
        ),
    ],
)
def test_a_whole_step_runs_without_values(method, training, terms, tmp_path, monkeypatch):
    if method.get("kind") == "ml_gcn":
        monkeypatch.setenv("MLCNC_GLOVE", str(glove_file(tmp_path, words=VOC_NAMES)))
    experiment = on_meta(method, training)
    experiment.step.train()
    targets = torch.empty(4, experiment.dataset.train.targets.shape[1], device=META)
    batch = Batch(torch.empty(4, 3, 64, 64, device=META), targets, torch.arange(4))
    batches = [batch for _ in experiment.method.settings.streams]
    for epoch in (0, 1):
        if epoch and hasattr(experiment.method, "class_means"):
            experiment.method.class_means.any_seen = True  # as after the end of an epoch, which may wait
        record = LossRecord(epoch)
        for step in (0, 1):
            losses = experiment.step.loss(batches, Moment(epoch, step, 2))
            experiment.fabric.backward(losses.total)
            assert any(weight.grad is not None for weight in experiment.method.parameters())
            update(experiment)
            record.add(losses, 4)
    assert losses.terms.keys() == terms
    with pytest.raises((NotImplementedError, RuntimeError)):
        record.check()  # what waits, and is seldom called
