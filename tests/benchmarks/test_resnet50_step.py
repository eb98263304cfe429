"""What MLC-NC adds to a training step of ResNet-50 at 224 pixels, over average pool, linear and BCE.

One thread, both steps in turn, and the best of each: the difference sought is smaller than what two
threads wait for each other on a machine that does something else.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlcnc.losses import MLCNCLoss, binary_cross_entropy_loss
from mlcnc.models import MLCNCHead, MLCNCNetwork, build_backbone
from tests.benchmarks.alternation import alternate, steady  # noqa: F401  # a fixture, found by its name

BATCH, ROUNDS, MOST = 16, 9, 1.05


@pytest.mark.usefixtures("steady")
def test_step_against_plain_backbone_with_bce(say):
    torch.manual_seed(0)
    backbone = build_backbone("resnet50").to(memory_format=torch.channels_last)  # as the trainer has it
    ours = MLCNCNetwork(backbone, MLCNCHead(backbone.out_channels, 20, embedding_dim=768))
    linear = nn.Linear(backbone.out_channels, 20)
    images, targets = torch.randn(BATCH, 3, 224, 224), (torch.rand(BATCH, 20) < 0.1).float()
    images = images.to(memory_format=torch.channels_last)
    class_means = nn.functional.normalize(torch.randn(20, 20), dim=1)
    loss = MLCNCLoss()
    plain_optimiser = torch.optim.AdamW([*backbone.parameters(), *linear.parameters()], lr=1e-5)
    our_optimiser = torch.optim.AdamW(ours.parameter_groups(1e-4), lr=1e-5)

    def plain_step():
        plain_optimiser.zero_grad()
        binary_cross_entropy_loss(linear(backbone(images).mean(dim=(2, 3))), targets).backward()
        plain_optimiser.step()

    def our_step():
        our_optimiser.zero_grad()
        loss(ours(images), targets, class_means=class_means).total.backward()
        our_optimiser.step()

    plain, whole = alternate((plain_step, our_step), ROUNDS)
    wall = min(whole.wall) / min(plain.wall)
    ratio = whole.over(plain)
    say(
        f"step with resnet50 at 224, batch {BATCH}, one thread: backbone + BCE "
        f"{min(plain.wall):.3f} s, MLC-NC {min(whole.wall):.3f} s, ratio {wall:.3f}, "
        f"in processor time {ratio:.3f} (at most {MOST})"
    )
    assert ratio <= MOST
