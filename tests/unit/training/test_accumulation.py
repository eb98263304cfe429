"""Accumulated gradients are means over the steps of their update, the last and shorter one too."""

import pytest
import torch

from mlcnc.methods.method import Moment
from mlcnc.training import epoch
from mlcnc.training.build import build
from mlcnc.training.epoch import train_epoch
from tests.processes.small_training import small_config, use_few_images


@pytest.mark.parametrize("accumulation", [1, 2, 3, 50])
def test_gradients_are_means_over_their_steps(monkeypatch, accumulation):
    use_few_images(monkeypatch)
    plain = {"clip_norm": None, "batch_size": 5, "accumulation": accumulation}
    off = {"flip": False, "shift": 0, "jitter": 0}
    experiment = build(small_config(method={"kind": "erm"}, data=off, training=plain))
    steps, sums, found = [], [], []

    def kept(experiment):
        found.append(experiment.method.network.classifier.bias.grad.clone())
        experiment.optimiser.zero_grad()

    monkeypatch.setattr(epoch, "update", kept)
    train_epoch(experiment, 0, lambda progress: None)
    experiment.step.train()
    for index, batch in enumerate(experiment.loaders[0].epoch(0)):
        experiment.method.loss([batch], Moment(0, index, 1)).total.backward()
        steps.append(experiment.method.network.classifier.bias.grad.clone())
        experiment.method.zero_grad()
    for first in range(0, len(steps), accumulation):
        sums.append(torch.stack(steps[first : first + accumulation]).mean(dim=0))
    assert len(found) == len(sums)
    for one, other in zip(found, sums, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
