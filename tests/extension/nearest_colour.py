"""A method and a data set as somebody outside the package writes them: one file each, here in one."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from mlcnc.data import DatasetFacts, DatasetRequest
from mlcnc.data.protocol import ArraySplit, MultiLabelDataset
from mlcnc.methods.method import Losses, Method, Observations, Output
from mlcnc.methods.settings import MethodSettings

COLOURS = np.array([[220, 40, 40], [40, 200, 60], [50, 60, 220], [220, 200, 40]], dtype=np.float64)
NAMES = ("red", "green", "blue", "yellow")
FACTS = DatasetFacts(NAMES, 48, 12, 16, (32,))


def coloured_noise(request: DatasetRequest) -> MultiLabelDataset:
    """Return noise in one or two of four colours, the later ones rare."""

    seed, size = request.seed, request.size or 32

    def split(name: str, number: int, shares: list[float], turn: int) -> ArraySplit:
        rng = np.random.default_rng([seed, turn])
        targets = (rng.random((number, 4)) < shares).astype(np.uint8)
        targets[targets.sum(axis=1) == 0, 0] = 1
        targets[:4] = np.eye(4, dtype=np.uint8)
        base = (targets @ COLOURS) / targets.sum(axis=1, keepdims=True)
        images = base[:, None, None] + rng.normal(0, 20, (number, size, size, 3))
        return ArraySplit(name, images.clip(0, 255).astype(np.uint8), targets)

    even = [0.4] * 4
    return MultiLabelDataset(
        "coloured-noise",
        NAMES,
        split("train", 48, [0.6, 0.3, 0.15, 0.05], 1),
        split("validation", 12, even, 2),
        split("test", 16, even, 3),
        (20, 8),
    )


class NearestColourSettings(MethodSettings):
    """Distance of the mean colour to one learned colour a class."""

    implementation: ClassVar[str] = "tests.extension.nearest_colour:NearestColour"
    title: ClassVar[str] = "nearest colour"
    streams: ClassVar[tuple[str, ...]] = ("uniform", "class_aware")
    kind: Literal["nearest_colour"] = "nearest_colour"
    pull: float = Field(0.1, ge=0, description="weight of the pull of the second stream")


class NearestColour(Method):
    """Logits are minus squared distances to a learned colour; two streams, two terms, a state of its own."""

    def __init__(self, settings, backbone, statistics, *, seed):
        super().__init__(settings)
        self.colours = torch.nn.Parameter(torch.randn(statistics.num_classes, 3))
        self.bias = torch.nn.Parameter(torch.zeros(statistics.num_classes))
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    def forward(self, images):
        mean = images.mean(dim=(2, 3))  # (B, 3)
        gaps = (mean[:, None] - self.colours).square().sum(dim=2)  # (B, C)
        return Output(self.bias - gaps, image_spaces={"colour": mean})

    def loss(self, batches, moment):
        uniform, even = batches
        logits = self(uniform.images).logits
        hit = torch.nn.functional.binary_cross_entropy_with_logits(logits, uniform.targets)
        pull = (-self(even.images).logits * even.targets).mean()
        self.num_steps += 1
        return Losses(hit + self.settings.pull * pull, {"hit": hit, "pull": pull})

    def observe(self, measured):
        return Observations({"colour/steps": float(self.num_steps)})
