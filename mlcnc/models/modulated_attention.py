"""Attention that modulates a map by where in the image it lies (OLTR)."""

from __future__ import annotations

from torch import Tensor, nn

from mlcnc.errors import require_shape


class ModulatedAttention(nn.Module):
    """x + a * W softmax(theta(x) phi(x)^T) g(x), a the softmax over positions of a linear map of all of x.

    Args:
        channels: of the map x.
        map_size: (h, w), which the linear map fixes.

    Source: Liu et al. (CVPR 2019); theta, phi and g are 1 x 1 convolutions to half of the channels (Kaiming
        normal, bias 0), W goes back without bias and starts at 0, where the whole is the identity.
    """

    def __init__(self, channels: int, map_size: tuple[int, int]) -> None:
        super().__init__()
        self.channels = channels
        self.map_size = map_size
        inner = max(channels // 2, 1)
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        for layer in (self.theta, self.phi, self.g):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # there is one
        self.back = nn.Conv2d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.back.weight)
        positions = map_size[0] * map_size[1]
        self.spatial = nn.Linear(channels * positions, positions)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return the modulated map (B, channels, h, w) of one."""
        require_shape("feature_map", feature_map.shape, ("B", self.channels, *self.map_size))
        theta, phi, g = (layer(feature_map).flatten(2) for layer in (self.theta, self.phi, self.g))  # (B, e, K)
        between = (theta.transpose(1, 2) @ phi).softmax(dim=2)  # (B, K, K)
        gathered = (g @ between.transpose(1, 2)).unflatten(2, self.map_size)  # (B, e, h, w)
        where = self.spatial(feature_map.flatten(1)).softmax(dim=1).unflatten(1, (1, *self.map_size))
        modulated: Tensor = feature_map + where * self.back(gathered)
        return modulated
