"""The plain classifier: global average pool and a linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from mlcnc.models.backbone import Backbone
from mlcnc.precision import at_least_float32, without_autocast


class PooledClassifier(nn.Module):
    """Logits from the mean of the backbone's map, one linear layer with bias.

    Args:
        backbone: gives maps (B, out_channels, h, w).
        num_classes: C.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Linear(backbone.out_channels, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, C) and image features z (B, d), d = out_channels, of images (B, 3, H, W)."""
        feature_map = self.backbone(images)  # (B, d, h, w)
        # bfloat16 would leave images with equal scores, which no ranking tells apart
        with without_autocast(feature_map):
            image_features = at_least_float32(feature_map).mean(dim=(2, 3))  # (B, d)
            return self.classifier(image_features), image_features
