"""MLC-NC on the bench begins as it did before there was one: weights, images and losses of the first steps."""

import json

import numpy as np
import pytest
import torch

from mlcnc.config import ExperimentConfig, override
from mlcnc.methods.method import Moment
from mlcnc.training.build import build
from mlcnc.training.epoch import update
from tests.conftest import ROOT

GOLDEN = json.loads((ROOT / "tests" / "golden" / "first_step.json").read_text())["first_steps"]
SETTINGS = {
    "multihead": {"warmup_epochs": 0},
    "multihead warm-up": {"warmup_epochs": 1},
    "cosine": {"warmup_epochs": 0, "attention": "cosine", "attention_temperature": 0.1, "query_norm": 1.0},
    "trainable, linear": {"warmup_epochs": 0, "label_embedding": "trainable", "classifier": "linear"},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_weights_images_and_losses_are_those_of_before(case):
    config = override(
        ExperimentConfig(),
        {
            "data": {"flip": False, "shift": 0, "jitter": 0},
            "method": {
                "embedding_dim": 24,
                "num_heads": 2,
                "projection_dim": 7,
                "dropout": 0.0,
                **SETTINGS[case],
            },
            "training": {"epochs": 3, "num_threads": 1, "seed": 3},
        },
    )
    experiment, expected = build(config), GOLDEN[case]
    weights = {
        name: value
        for name, value in experiment.method.network.state_dict().items()
        if value.is_floating_point()
    }
    assert weights.keys() == expected["weights"].keys()
    for name, value in weights.items():
        found = [float(value.double().sum()), float(value.double().norm())]
        np.testing.assert_allclose(found, expected["weights"][name], rtol=1e-6, atol=1e-5, err_msg=name)
    experiment.step.train()
    batches = experiment.loaders[0].epoch(0)
    for number, losses in enumerate(expected["losses"]):
        batch = next(batches)
        if number == 0:
            assert batch.indices[:8].tolist() == expected["first_images"]
        found = experiment.step.loss([batch], Moment(0, number, 3))
        experiment.fabric.backward(found.total)
        update(experiment)
        terms = {"total": found.total, **found.terms}
        assert terms.keys() == losses.keys()
        # the optimiser is another kernel: later steps agree to its rounding
        tolerance = 1e-6 if number == 0 else 1e-3
        for name, value in terms.items():
            assert float(value.detach()) == pytest.approx(losses[name], rel=tolerance), (number, name)


def test_one_step_moves_what_has_a_gradient_and_nothing_else():
    config = override(ExperimentConfig(), {"training": {"num_threads": 1}})
    experiment = build(config)
    before = {name: value.clone() for name, value in experiment.method.named_parameters()}
    batch = next(experiment.loaders[0].epoch(0))
    losses = experiment.step.loss([batch], Moment(0, 0, 40))  # warm-up: the alignment alone
    experiment.fabric.backward(losses.total)
    update(experiment)
    moved = {
        name for name, value in experiment.method.named_parameters() if not torch.equal(value, before[name])
    }
    assert "network.head.attention.memory.weight" in moved
    assert not {name for name in moved if "projection" in name or "classifier" in name} - {
        name for name in moved if "in_projection" in name or "out_projection" in name
    }
