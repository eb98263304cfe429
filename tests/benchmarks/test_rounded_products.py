"""A step in bfloat16 on a processor without it: emulated product by product, rounded around float32, and in float32."""

from __future__ import annotations

import pytest
import torch

from mlcnc.models import MLCNCHead
from mlcnc.training.device import is_emulated
from mlcnc.training.rounded_products import RoundedProducts
from tests.benchmarks.alternation import alternate, steady  # noqa: F401  # a fixture, found by its name

LEAST, MOST = 3.0, 1.5


def step(model, optimiser, images, *, is_half):
    with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
        logits = model(images).logits
    logits.float().square().mean().backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def test_rounded_products_are_quicker_than_emulated_ones(say, steady):  # noqa: F811
    if not is_emulated("bfloat16", torch.device("cpu")):
        pytest.skip("this processor does not emulate bfloat16")
    torch.manual_seed(0)
    head = MLCNCHead(num_classes=20, in_channels=128, embedding_dim=300, num_heads=10, projection_dim=20)
    layers = []
    for inner, outer in ((3, 32), (32, 128)):
        layers += [torch.nn.Conv2d(inner, outer, 3, 2, 1), torch.nn.BatchNorm2d(outer), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, head)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.randn(32, 3, 64, 64)

    def within_rounded():
        with RoundedProducts():
            step(model, optimiser, images, is_half=True)

    works = (
        within_rounded,
        lambda: step(model, optimiser, images, is_half=True),
        lambda: step(model, optimiser, images, is_half=False),
    )
    rounded, emulated, plain = alternate(works, 5)
    say(
        f"a step in bfloat16: {emulated.over(rounded):.1f} times quicker rounded than emulated, "
        f"{rounded.over(plain):.2f} times as long as in float32"
    )
    assert emulated.over(rounded) > LEAST
    assert rounded.over(plain) < MOST
