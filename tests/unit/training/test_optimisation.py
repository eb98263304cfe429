"""The schedules against their definitions."""

import pytest
import torch

from mlcnc.config import TrainingConfig
from mlcnc.training.optimisation import build_optimiser, build_schedule


def rates(updates_an_epoch, **settings):
    training = TrainingConfig(**settings)
    optimiser = build_optimiser(
        training, [{"params": [torch.nn.Parameter(torch.ones(2))]}], torch.device("cpu")
    )
    schedule = build_schedule(training, optimiser, updates_an_epoch)
    found = []
    for _ in range(updates_an_epoch * training.epochs):
        found.append(schedule.get_last_lr()[0])
        optimiser.step()
        if len(found) < updates_an_epoch * training.epochs:
            schedule.step()
    return found


def test_steps_drop_after_their_epochs_and_rise_from_a_third():
    found = rates(
        5, epochs=4, schedule="step", lr=0.9, lr_drops=(2, 3), lr_drop_factor=0.1, lr_warmup_updates=4
    )
    assert found[:5] == pytest.approx([0.3, 0.45, 0.6, 0.75, 0.9])
    assert found[5:10] == pytest.approx([0.9] * 5)
    assert found[10:15] == pytest.approx([0.09] * 5)
    assert found[15:] == pytest.approx([0.009] * 5)


def test_one_cycle_peaks_once():
    found = rates(5, epochs=4, lr=0.9, lr_rise=0.5)
    assert max(found) == pytest.approx(0.9)
    assert found.index(max(found)) == 9
    assert found[0] == pytest.approx(0.9 / 25)


def test_sgd_has_its_momentum():
    training = TrainingConfig(optimiser="sgd", momentum=0.8, lr=0.1)
    weight = torch.nn.Parameter(torch.zeros(()))
    optimiser = build_optimiser(training, [{"params": [weight], "weight_decay": 0.0}], torch.device("cpu"))
    for _ in range(2):
        weight.grad = torch.ones(())
        optimiser.step()
    assert float(weight.detach()) == pytest.approx(-0.1 * (1 + 1.8))


def test_sgd_keeps_its_momentum_under_one_cycle():
    training = TrainingConfig(optimiser="sgd", momentum=0.7, epochs=3)
    optimiser = build_optimiser(
        training, [{"params": [torch.nn.Parameter(torch.ones(2))]}], torch.device("cpu")
    )
    schedule = build_schedule(training, optimiser, 5)
    for _ in range(7):
        assert optimiser.param_groups[0]["momentum"] == 0.7
        optimiser.step()
        schedule.step()
