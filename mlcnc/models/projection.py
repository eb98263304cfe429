"""Per-class projection to the unit sphere, mu_i^c = P_c f_i^c / |P_c f_i^c| (Eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlcnc.directions import unit_vectors
from mlcnc.errors import require_shape


class ClassProjection(nn.Module):
    """One linear map per class, then L2 normalisation.

    Args:
        num_classes: C.
        in_dim: d.
        out_dim: p, or None to normalise the class features unprojected.

    Attributes:
        out_dim: p, or d where unprojected.

    Source: Eq. 7; initial values (Xavier-normal weight, zero bias) of the released code.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, num_classes: int, in_dim: int, out_dim: int | None) -> None:
        super().__init__()
        if out_dim is not None and out_dim < 1:
            raise ValueError(f"projection_dim must be at least 1 or None, got {out_dim}")
        self.num_classes = num_classes
        self.in_dim = in_dim
        self.out_dim = in_dim if out_dim is None else out_dim
        if out_dim is None:
            self.weight = self.bias = None
        else:
            # torch reads (C, d, p) as fan-in d*p and fan-out C*p; the released code starts like that
            self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(num_classes, in_dim, out_dim)))
            self.bias = nn.Parameter(torch.zeros(num_classes, out_dim))

    def forward(self, class_features: Tensor) -> Tensor:
        """Return unit vectors (B, C, p); a zero vector stays zero with a zero gradient.

        Args:
            class_features: (B, C, d).
        """
        require_shape("class_features", class_features.shape, ("B", self.num_classes, self.in_dim))
        projected = class_features
        if self.weight is not None and self.bias is not None:
            by_class = torch.bmm(class_features.transpose(0, 1), self.weight)  # (C, B, p)
            projected = by_class.transpose(0, 1) + self.bias  # (B, C, p)
        return unit_vectors(projected)
