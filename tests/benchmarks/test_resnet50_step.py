"""What MLC-NC adds to a training step of ResNet-50 at 224 pixels."""

from __future__ import annotations

import torch
from torch import nn

from mlcnc.losses import MLCNCLoss
from mlcnc.models import MLCNCHead, MLCNCNetwork, build_backbone
from tests.benchmarks.conftest import interleaved

BATCH = 8


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

    plain, whole = interleaved(plain_step, our_step, repeats=7)
    say(
        f"step with resnet50 at 224, batch {BATCH}: backbone + BCE {plain:.3f} s, MLC-NC {whole:.3f} s, "
        f"ratio {whole / plain:.3f} (at most 1.10)"
    )
    assert whole / plain <= 1.10
