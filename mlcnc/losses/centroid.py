"""The centroid loss of OLTR: features near the centroids of their classes and far from the others."""

from __future__ import annotations

import torch
from torch import Tensor

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import require_floating, require_labels, require_numbers
from mlcnc.precision import at_least_float32, without_autocast


def centroid_loss(
    image_features: Tensor,
    centroids: Tensor,
    targets: Tensor,
    *,
    repel_margin: float = 10.0,
    repel_weight: float = 0.01,
) -> Tensor:
    """Return 1/2 mean over positive pairs of |v_i - c_k|^2 + w max(0, m - R).

    R is (C - 1)/C times the mean over negative pairs (i, k) of |v_i - c_k|^2.

    Args:
        image_features: (B, D) float, v.
        centroids: (C, D) float, c.
        targets: (B, C), 0 or 1.
        repel_margin: m >= 0.
        repel_weight: w >= 0.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch. Without a positive pair the first term
        is 0, without a negative pair the second one.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Liu et al. (CVPR 2019), whose images have one label: on such targets this is their loss.

    Departures: pairs of an image and one of its classes in place of images, and the mean over negative pairs,
        are ours. Of the first term a centroid gets the gradient of the centre-loss rule in place of its own,
        as in the public code: the sum of c_k - v_i over the n_k images of class k, divided by (1 + n_k) P with
        P all positive pairs. A weight of the whole loss, 0.01 in OLTR, scales that gradient as it scales the
        others; in the public code it does not.
    """
    require_shape("image_features", image_features.shape, ("B", "D"))
    require_shape("centroids", centroids.shape, ("C", image_features.shape[1]), "image_features")
    require_floating("image_features", image_features)
    require_floating("centroids", centroids)
    require_shape("targets", targets.shape, (len(image_features), len(centroids)), "centroids")
    require_labels(targets)
    require_numbers(at_least=0.0, repel_margin=repel_margin, repel_weight=repel_weight)
    features = at_least_float32(image_features)  # (B, D)
    means = centroids.to(features.dtype)  # (C, D)
    if len(features) == 0:
        return features.sum() + means.sum() * 0.0
    positive = targets.to(features.dtype)  # (B, C)
    negative = 1 - positive
    with without_autocast(features):
        fixed = means.detach()
        counts = positive.sum(dim=0)  # (C,)
        num_positive = counts.sum().clamp(min=1)
        attract = (positive * _squared_distances(features, fixed)).sum() / (2 * num_positive)
        pull = counts[:, None] * fixed - positive.T @ features.detach()  # (C, D)
        pull = pull / (num_positive * (1 + counts[:, None]))
        attract = attract + ((means - fixed) * pull).sum()  # 0 with the gradient of the rule
        num_negative = negative.sum()
        apart = (negative * _squared_distances(features, means)).sum() / num_negative.clamp(min=1)
        repel = (repel_margin - (1 - 1 / len(means)) * apart).clamp(min=0)
        return attract + repel_weight * torch.where(num_negative > 0, repel, 0.0)


def _squared_distances(features: Tensor, means: Tensor) -> Tensor:
    lengths = features.square().sum(dim=1, keepdim=True) + means.square().sum(dim=1)  # (B, C)
    return torch.addmm(lengths, features, means.T, alpha=-2)
