"""Head and losses against what they gave before methods were separated from the bench; origin in the file."""

import json
from pathlib import Path

import pytest
import torch

from mlcnc.losses import MLCNCLoss
from mlcnc.models import MLCNCHead

STEPS = json.loads((Path(__file__).parent / "first_step.json").read_text())["head_steps"]


@pytest.mark.parametrize("name", STEPS)
def test_losses_and_gradients_are_those_of_before(name):
    expected = STEPS[name]
    torch.manual_seed(3)
    head = MLCNCHead(
        13, 7, embedding_dim=24, num_heads=2, projection_dim=5, dropout=0.0, **expected["settings"]
    )
    generator = torch.Generator().manual_seed(5)
    feature_map = torch.randn(6, 13, 3, 4, generator=generator).relu().requires_grad_()
    targets = (torch.rand(6, 7, generator=generator) < 0.3).float()
    targets[0], targets[1], targets[:, 2] = 0, 1, 0
    class_means = torch.randn(7, 5, generator=generator)
    seen = torch.tensor([True, True, True, True, False, True, True])
    parts = MLCNCLoss()(
        head(feature_map), targets, class_means=class_means, seen=seen, warmup=expected["warmup"]
    )
    parts.total.backward()
    parameters = {"feature_map": feature_map, **dict(head.named_parameters())}
    norms = {
        key: float(value.grad.double().norm()) for key, value in parameters.items() if value.grad is not None
    }
    assert float(parts.total.detach()) == pytest.approx(expected["total"], rel=1e-6)
    assert {key: float(value.detach()) for key, value in parts.terms.items()} == pytest.approx(
        expected["terms"], rel=1e-6
    )
    assert norms == pytest.approx(expected["gradient_norms"], rel=1e-5, abs=1e-7)
