"""The plain classifier: global average pool and a linear layer, or another classifier in its place."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from mlcnc.models.backbone import Backbone
from mlcnc.models.cosine_classifier import CosineClassifier
from mlcnc.precision import at_least_float32, without_autocast


class PooledClassifier(nn.Module):
    """Logits from the mean of the backbone's map, one linear layer with bias.

    The classifier is float32, whatever the precision of the backbone.

    Args:
        backbone: gives maps (B, out_channels, h, w).
        num_classes: C.
        neck_dim: outputs of a linear layer, followed by batch norm and dropout, before the classifier; None has
            no such neck. With one the layers start as in DB's trainer: Kaiming normal by fan-out, and
            normal(0, 0.01).
        neck_dropout: of the neck.
        classifier: makes what stands in place of the linear layer, from the dimension of its features.

    Source: Wu et al. (ECCV 2020) for the neck.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        neck_dim: int | None = None,
        neck_dropout: float = 0.5,
        classifier: Callable[[int], CosineClassifier] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck: nn.Sequential | None = None
        if neck_dim is not None:
            linear = nn.Linear(backbone.out_channels, neck_dim)
            nn.init.kaiming_normal_(linear.weight, mode="fan_out")
            nn.init.zeros_(linear.bias)
            self.neck = nn.Sequential(linear, nn.BatchNorm1d(neck_dim), nn.Dropout(neck_dropout))
        self.classifier: nn.Linear | CosineClassifier
        if classifier is not None:
            self.classifier = classifier(neck_dim or backbone.out_channels)
            return
        linear = nn.Linear(neck_dim or backbone.out_channels, num_classes)
        if neck_dim is not None:
            nn.init.normal_(linear.weight, std=0.01)
            nn.init.zeros_(linear.bias)
        self.classifier = linear

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, C) and image features z (B, d) of images (B, 3, H, W); d is the neck's, if any."""
        feature_map = self.backbone(images)  # (B, out_channels, h, w)
        # bfloat16 would leave images with equal scores, which no ranking tells apart
        with without_autocast(feature_map):
            image_features = at_least_float32(feature_map).mean(dim=(2, 3))  # (B, d)
            if self.neck is not None:
                image_features = self.neck(image_features)
            return self.classifier(image_features), image_features
