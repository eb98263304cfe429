"""The learning rate of runs whose rise is a single step, by which torch would divide."""

import pytest

from mlcnc.training.build import build
from tests.conftest import tiny_config


@pytest.mark.parametrize(("num_samples", "lr_rise"), [(160, 0.2), (320, 0.1), (96, 1 / 3)])
def test_a_rise_of_one_step_rises_and_falls(num_samples, lr_rise):
    config = tiny_config({"warmup_epochs": 0}, epochs=1, lr_rise=lr_rise, lr=0.01)
    config = config.model_copy(update={"data": config.data.model_copy(update={"num_samples": num_samples})})
    experiment = build(config)
    rates = []
    for _ in range(num_samples // 32):
        rates.append(experiment.schedule.get_last_lr()[0])
        experiment.optimiser.step()
        experiment.schedule.step() if len(rates) < num_samples // 32 else None
    assert rates[0] == pytest.approx(0.0004)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[1] > 10 * rates[0]
