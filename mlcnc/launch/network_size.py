"""How large the network of a config is, counted from its layers without building it."""

from __future__ import annotations

from dataclasses import dataclass

from mlcnc.config import ModelConfig

FLOAT = 4


@dataclass(frozen=True)
class BackboneSize:
    """What a backbone takes.

    Attributes:
        parameters: without the last layer that torchvision's classifiers have.
        outputs: numbers that its convolutions give for an image, per pixel of the image.
        alive: numbers that a pass without gradients holds at once, per pixel of the image.
        channels, stride: of the resulting map.
    """

    parameters: int
    outputs: float
    alive: float
    channels: int
    stride: int


BACKBONE_SIZES = {
    "small": BackboneSize(23_696, 28.0, 23.0, 64, 8),
    "resnet18": BackboneSize(11_176_512, 49.5, 35.0, 512, 32),
    "resnet34": BackboneSize(21_284_672, 74.5, 35.0, 512, 32),
    "resnet50": BackboneSize(23_508_032, 221.5, 56.0, 2048, 32),
}
"""A test counts them again in the layers themselves."""


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of a network; numbers are of float32.

    Attributes:
        parameters: learned numbers.
        buffers: fixed ones: label embedding and classifier where they are not learned.
        classifier_numbers: of the classifier's weight, learned or not.
        stride: image pixels per position of the feature map.
        outputs_per_image: numbers that the convolutions and the head give for one image.
        alive_per_image: numbers that a pass without gradients holds at once for one image.
    """

    num_classes: int
    embedding_dim: int
    projected_dim: int
    parameters: int
    buffers: int
    classifier_numbers: int
    stride: int
    outputs_per_image: int
    alive_per_image: int

    def checkpoint_bytes(self, averaged: bool) -> int:
        """Return the size of checkpoints/last.pt: weights, two moments a parameter, class means."""
        weights = self.parameters + self.buffers
        kept = weights + 2 * self.parameters + (weights if averaged else 0)
        return FLOAT * (kept + self.num_classes * (self.embedding_dim + 3 * self.projected_dim)) + 40_000


def network_size(model: ModelConfig, num_classes: int, image_size: int) -> NetworkSize:
    """Return the size of the network of a config."""
    backbone = BACKBONE_SIZES[model.backbone]
    d, heads = model.embedding_dim, model.num_heads
    p = d if model.projection_dim is None else model.projection_dim
    side = max(1, -(-image_size // backbone.stride))
    positions = side * side
    parameters = backbone.parameters + (backbone.channels + 1) * d + 1  # map to d, logit scale
    if model.attention == "multihead":
        parameters += 4 * d * (d + 1)
    else:
        heads = 1
    if model.projection_dim is not None:
        parameters += num_classes * (d + 1) * p
    linear = model.classifier == "linear"
    classifier = num_classes * (d if linear else num_classes * p)
    buffers = 0
    if linear or model.classifier == "init_only":
        parameters += classifier + (num_classes if linear else 0)
    else:
        buffers += classifier
    if model.label_embedding == "trainable":
        parameters += num_classes * d
    else:
        buffers += num_classes * d
    attended = heads * num_classes * d if num_classes < positions else positions * d
    head = positions * d + 3 * heads * num_classes * positions + attended + 3 * num_classes * (d + p)
    return NetworkSize(
        num_classes=num_classes,
        embedding_dim=d,
        projected_dim=p,
        parameters=parameters,
        buffers=buffers,
        classifier_numbers=classifier,
        stride=backbone.stride,
        outputs_per_image=int(backbone.outputs * image_size**2) + head,
        alive_per_image=max(int(backbone.alive * image_size**2), head),
    )
