"""A step in bfloat16 on a processor without it: emulated product by product, rounded around float32, and in float32."""

from __future__ import annotations

import pytest
import torch

from mlcnc.models import MLCNCHead
from mlcnc.precision import RoundedProducts
from mlcnc.training.device import is_emulated
from tests.benchmarks.conftest import seconds

LEAST = 3.0


def step(model, images, *, is_half):
    with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
        logits = model(images).logits
    logits.float().square().mean().backward()
    model.zero_grad(set_to_none=True)


def test_rounded_products_are_quicker_than_emulated_ones(say):
    if not is_emulated("bfloat16", torch.device("cpu")):
        pytest.skip("this processor does not emulate bfloat16")
    torch.manual_seed(0)
    head = MLCNCHead(num_classes=20, in_channels=128, embedding_dim=300, num_heads=10, projection_dim=20)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(32, 128, 3, 2, 1), torch.nn.ReLU(), head
    )  # fmt: skip
    images = torch.randn(32, 3, 32, 32)
    plain = seconds(lambda: step(model, images, is_half=False))
    emulated = seconds(lambda: step(model, images, is_half=True))
    with RoundedProducts():
        rounded = seconds(lambda: step(model, images, is_half=True))
    say(
        f"a step in bfloat16: {1e3 * rounded:.1f} ms rounded, {1e3 * emulated:.1f} ms emulated, "
        f"{1e3 * plain:.1f} ms in float32: {emulated / rounded:.1f} times quicker, {rounded / plain:.2f} of float32"
    )
    assert emulated > LEAST * rounded
