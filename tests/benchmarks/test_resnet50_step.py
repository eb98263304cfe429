"""What MLC-NC adds to a training step of ResNet-50 at 224 pixels.

One thread, and both steps in turn with the order changing every round: two threads on a machine that
does something else wait for each other, and the difference sought is smaller than that.
"""

from __future__ import annotations

import statistics
import time

import pytest
import torch
from torch import nn

from mlcnc.losses import MLCNCLoss
from mlcnc.models import MLCNCHead, MLCNCNetwork, build_backbone

BATCH, ROUNDS = 8, 9


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_step_against_plain_backbone_with_bce(say):
    torch.manual_seed(0)
    backbone = build_backbone("resnet50")
    ours = MLCNCNetwork(backbone, MLCNCHead(backbone.out_channels, 20, embedding_dim=768))
    linear = nn.Linear(backbone.out_channels, 20)
    images, targets = torch.randn(BATCH, 3, 224, 224), (torch.rand(BATCH, 20) < 0.1).float()
    class_means = nn.functional.normalize(torch.randn(20, 20), dim=1)
    loss, bce = MLCNCLoss(), nn.BCEWithLogitsLoss()
    plain_parameters = [*backbone.parameters(), *linear.parameters()]
    plain_optimiser = torch.optim.AdamW(plain_parameters, lr=1e-5)
    our_optimiser = torch.optim.AdamW(ours.parameter_groups(1e-4), lr=1e-5)

    def plain_step():
        plain_optimiser.zero_grad()
        bce(linear(backbone(images).mean(dim=(2, 3))), targets).backward()
        plain_optimiser.step()

    def our_step():
        our_optimiser.zero_grad()
        loss(ours(images), targets, class_means=class_means).total.backward()
        our_optimiser.step()

    works = (plain_step, our_step)
    wall, processor = ([], []), ([], [])
    for turn in range(ROUNDS + 1):
        for which in (0, 1) if turn % 2 else (1, 0):
            started, used = time.perf_counter(), time.process_time()
            works[which]()
            if turn:  # the first round warms up
                wall[which].append(time.perf_counter() - started)
                processor[which].append(time.process_time() - used)
    plain, whole = (statistics.median(times) for times in wall)
    share = statistics.median(processor[1]) / statistics.median(processor[0])
    say(
        f"step with resnet50 at 224, batch {BATCH}, one thread: backbone + BCE {plain:.3f} s, "
        f"MLC-NC {whole:.3f} s, ratio {whole / plain:.3f} (at most 1.10; in processor time {share:.3f})"
    )
    assert whole / plain <= 1.10
