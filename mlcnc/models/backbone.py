"""Backbones that turn images into a map of features, (B, 3, H, W) -> (B, d, h, w)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn

from mlcnc.errors import ConfigError, WeightsUnavailableError
from mlcnc.torchvision_guard import import_torchvision

Weights = Literal["none", "imagenet"]
Colour = tuple[float, float, float]


class Backbone(nn.Module):
    """A stack of layers, the number of channels it ends in, and how its images are normalised.

    Args:
        layers: maps (B, 3, H, W) to (B, out_channels, h, w).
        out_channels: channels of the resulting map.
        mean, std: of the three colours in [0, 1], with which the images of pre-trained weights were
            normalised; None leaves it to the data set. The layers do not normalise.
    """

    def __init__(
        self,
        layers: nn.Module,
        out_channels: int,
        mean: Colour | None = None,
        std: Colour | None = None,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.out_channels = out_channels
        self.mean = mean
        self.std = std

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map."""
        feature_map: Tensor = self.layers(images)  # (B, d, h, w)
        return feature_map


def small(weights: Weights) -> Backbone:
    """Return three 3x3 convolutions with max-pooling for 64-pixel scenes: stride 8, 64 channels.

    Pooling instead of strided convolutions is worth about ten points of mAP on drawn scenes; pooling
    before the normalisation leaves it a quarter of the work.
    """
    if weights != "none":
        raise ConfigError("model.weights: the small backbone has no pre-trained weights; use none")
    layers: list[nn.Module] = []
    channels = 3
    for width in (16, 32, 64):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        channels = width
    return Backbone(nn.Sequential(*layers), channels)


def build_backbone(name: str, *, weights: Weights = "none") -> Backbone:
    """Return the backbone of that name.

    Args:
        name: a key of ``BACKBONES``.
        weights: ``none`` (random start) or ``imagenet`` (torchvision's default weights).

    Raises:
        ConfigError: unknown name; the message lists the known ones.
        WeightsUnavailableError: the weights are neither cached nor downloadable.
    """
    if name not in BACKBONES:
        raise ConfigError(f"model.backbone must be one of {', '.join(BACKBONES)}, got {name!r}")
    return BACKBONES[name](weights)


def _resnet(name: str) -> Callable[[Weights], Backbone]:
    def build(weights: Weights) -> Backbone:
        models = import_torchvision().models
        network = getattr(models, name)(weights=None)
        out_channels = int(network.fc.in_features)
        trunk = nn.Sequential(*list(network.children())[:-2])
        if weights == "none":
            return Backbone(trunk, out_channels)
        origin = models.get_model_weights(name).DEFAULT
        network.load_state_dict(_state_of(origin, name))
        images = origin.transforms()
        return Backbone(
            trunk, out_channels, mean=cast(Colour, tuple(images.mean)), std=cast(Colour, tuple(images.std))
        )

    return build


def _state_of(origin: Any, name: str) -> dict[str, Tensor]:
    file_name = origin.url.rsplit("/", 1)[-1]
    try:
        state: dict[str, Tensor] = origin.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = f"{torch.hub.get_dir()}/checkpoints"
        raise WeightsUnavailableError(
            f"the ImageNet weights of {name} are not on this machine and could not be downloaded "
            f"({error}); place the file {file_name} in {folder} by hand, or set model.weights none"
        ) from error
    return state


BACKBONES: dict[str, Callable[[Weights], Backbone]] = {
    "small": small,
    "resnet18": _resnet("resnet18"),
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
}
