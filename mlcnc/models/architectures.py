"""The backbones by name: a small one, torchvision's ResNets, EfficientNet-Lite0, and all of timm's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn

from mlcnc.errors import ConfigError, WeightsUnavailableError
from mlcnc.models.backbone import Backbone, Colour, Frozen, Weights
from mlcnc.models.blocks import Blocks, grouped, pieces
from mlcnc.models.lite0_weights import lite0_file, load_lite0
from mlcnc.models.timm_network import INSTALL, converted, create, map_of
from mlcnc.models.weights_file import fitting, load_weights, read_weights
from mlcnc.torchvision_guard import import_torchvision

TIMM = "timm/"


@dataclass(frozen=True)
class BackboneRequest:
    """What a backbone is asked for.

    Args:
        weights: ``none`` (random start) or ``imagenet``.
        weights_file: file or address of weights, in place of ``weights``.
        stage: which map of those that have several; None takes the last.
        image_size: side of the images, for backbones that are built for one size; None takes their own.
    """

    weights: Weights = "none"
    weights_file: str | None = None
    stage: int | None = None
    image_size: int | None = None


def build_backbone(
    name: str,
    *,
    weights: Weights = "none",
    weights_file: str | None = None,
    stage: int | None = None,
    frozen: Frozen = "nothing",
    trained_blocks: int = 0,
    image_size: int | None = None,
) -> Backbone:
    """Return the backbone of that name.

    Args:
        name: a key of ``BACKBONES``, or ``timm/NAME`` or ``timm/NAME.TAG``.
        weights, weights_file, stage, image_size: as for :class:`BackboneRequest`.
        frozen, trained_blocks: as for :meth:`Backbone.freeze`.

    Raises:
        ConfigError: unknown name (the message lists the known ones), or a setting does not fit it.
        WeightsUnavailableError: the weights are neither on this machine nor downloadable.
    """
    request = BackboneRequest(weights, weights_file, stage, image_size)
    if name.startswith(TIMM):
        backbone = _of_timm(name.removeprefix(TIMM), name, request)
    elif name in BACKBONES:
        backbone = BACKBONES[name](request)
    else:
        raise ConfigError(f"model.backbone must be one of {', '.join(BACKBONES)} or timm/NAME, got {name!r}")
    return backbone.freeze(frozen, trained_blocks)


def small(request: BackboneRequest) -> Backbone:
    """Return three 3x3 convolutions with max-pooling for 64-pixel scenes: stride 8, 64 channels.

    Pooling instead of strided convolutions is worth about ten points of mAP on drawn scenes; pooling
    before the normalisation leaves it a quarter of the work.
    """
    if request.weights != "none" or request.weights_file is not None:
        setting = "weights" if request.weights_file is None else "weights_file"
        raise ConfigError(f"model.{setting}: the small backbone has no pre-trained weights; use none")
    _refuse_stage("small", request)
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
    return Backbone(nn.Sequential(*layers), channels, size=64, blocks=Blocks(grouped(layers)))


def _refuse_stage(name: str, request: BackboneRequest) -> None:
    if request.stage is not None:
        raise ConfigError(
            f"model.stage must be none for {name}, which has one map, got {request.stage}; "
            "efficientnet_lite0 and timm/NAME have several"
        )


def _resnet(name: str) -> Callable[[BackboneRequest], Backbone]:
    def build(request: BackboneRequest) -> Backbone:
        _refuse_stage(name, request)
        models = import_torchvision().models
        network = getattr(models, name)(weights=None)
        out_channels = int(network.fc.in_features)
        trunk = nn.Sequential(*list(network.children())[:-2])
        blocks = Blocks(grouped(list(pieces([trunk]))))
        if request.weights_file is None and request.weights == "none":
            return Backbone(trunk, out_channels, blocks=blocks)
        origin = models.get_model_weights(name).DEFAULT
        if request.weights_file is None:
            network.load_state_dict(_state_of(origin, name))
        else:
            network.fc = nn.Identity()
            load_weights(network, read_weights(request.weights_file), request.weights_file, name)
        images = origin.transforms()
        mean, std = (cast(Colour, tuple(colour)) for colour in (images.mean, images.std))
        return Backbone(
            trunk, out_channels, mean, std, images.crop_size[0], images.interpolation.value, blocks=blocks
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


def efficientnet_lite0(request: BackboneRequest) -> Backbone:
    """Return timm's EfficientNet-Lite0: 1280 channels, stride 32; stage 4 is the map of 320 channels before.

    Its ImageNet weights come from the installed package, which needs no network, else from timm's hub.
    """
    name, path = "tf_efficientnet_lite0", lite0_file()
    if request.weights_file is not None or request.weights == "none":
        return _of_timm(name, "efficientnet_lite0", request)
    if path is not None:
        network = create(name, pretrained=False)
        load_lite0(network, path)
        return _of_network(network, "efficientnet_lite0", request)
    try:
        return _of_timm(name, "efficientnet_lite0", request)
    except WeightsUnavailableError as error:
        raise WeightsUnavailableError(
            f"the ImageNet weights of efficientnet_lite0 are neither installed nor downloadable: {INSTALL}"
        ) from error


def _of_timm(name: str, label: str, request: BackboneRequest) -> Backbone:
    """Return the backbone of a network of timm; the label is what the user calls it."""
    place = request.weights_file
    network = create(name, pretrained=request.weights != "none" and place is None)
    if place is not None:
        given = read_weights(place)
        layers, _, _, left_out = map_of(network, label, request.stage, _own_size(network))
        wanted = layers.network.state_dict()
        if fitting(wanted, given, left_out)[1] and (other := converted(name, given, wanted)):
            network = other
        else:
            load_weights(layers.network, given, place, label, left_out)
    return _of_network(network, label, request)


def _own_size(network: Any) -> int:
    return int(network.pretrained_cfg["input_size"][-1])


def _of_network(network: Any, label: str, request: BackboneRequest) -> Backbone:
    own, facts = _own_size(network), network.pretrained_cfg
    size = request.image_size or own
    if size != own and hasattr(network, "set_input_size"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of timm's own calls of torch
            network.set_input_size(img_size=(size, size))
    layers, out_channels, blocks, _ = map_of(network, label, request.stage, size)
    pretrained = request.weights != "none" or request.weights_file is not None
    return Backbone(
        layers,
        out_channels,
        cast(Colour, tuple(facts["mean"])) if pretrained else None,
        cast(Colour, tuple(facts["std"])) if pretrained else None,
        size,
        "bilinear" if facts["interpolation"] == "bilinear" else "bicubic",
        blocks,
    )


BACKBONES: dict[str, Callable[[BackboneRequest], Backbone]] = {
    "small": small,
    "resnet18": _resnet("resnet18"),
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
    "resnet101": _resnet("resnet101"),
    "efficientnet_lite0": efficientnet_lite0,
}
