"""How BBN mixes its two branches: the weight of an epoch, the features, and the loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import require_floating, require_labels, require_numbers
from mlcnc.losses.binary_cross_entropy import binary_cross_entropy_loss


def mixing_weight(epoch: int, num_epochs: int) -> float:
    """Return alpha = 1 - (t / t_max)^2, from 1 at the first epoch down (parabolic decay).

    Args:
        epoch: t, from 0.
        num_epochs: t_max.

    Raises:
        ValueError: the epoch is not one of them.

    Source: Zhou et al. (CVPR 2020); megvii-research/BBN, which divides by 100 and 200 in place of 90 and
        180 epochs.

    Example:
        >>> [mixing_weight(epoch, 8) for epoch in (0, 4, 7)]
        [1.0, 0.75, 0.234375]
    """
    if not 0 <= epoch < num_epochs:
        raise ValueError(f"epoch must be at least 0 and below num_epochs = {num_epochs}, got {epoch}")
    return 1.0 - (epoch / num_epochs) ** 2


def mixed_features(conventional: Tensor, rebalancing: Tensor, alpha: float) -> Tensor:
    """Return [2 alpha f_c ; 2 (1 - alpha) f_r], side by side.

    Args:
        conventional: f_c (B, d) float, of images that were drawn alike.
        rebalancing: f_r (B, e) float, of images of the reversed sampler.
        alpha: from 0 to 1; 1/2 leaves both as they are.

    Returns:
        (B, d + e).

    Raises:
        ValueError: the numbers of images differ, a dtype does not fit, or alpha is out of range.
    """
    require_numbers(at_least=0.0, at_most=1.0, alpha=alpha)
    require_shape("conventional", conventional.shape, ("B", "d"))
    require_shape("rebalancing", rebalancing.shape, (len(conventional), "e"), like="conventional")
    require_floating("conventional", conventional)
    require_floating("rebalancing", rebalancing)
    return torch.cat([2 * alpha * conventional, 2 * (1 - alpha) * rebalancing], dim=1)  # (B, d + e)


def bilateral_mixing_loss(
    logits: Tensor,
    conventional_targets: Tensor,
    rebalancing_targets: Tensor,
    *,
    alpha: float,
    classification: Callable[[Tensor, Tensor], Tensor] = binary_cross_entropy_loss,
) -> Tensor:
    """Return alpha L(h, y_c) + (1 - alpha) L(h, y_r): the same mixed logits answer for both images.

    Args:
        logits: h (B, C) float, of the mixed features.
        conventional_targets: y_c (B, C), 0 or 1.
        rebalancing_targets: y_r (B, C), 0 or 1.
        alpha: from 0 to 1; at either end the term without weight is not computed.
        classification: L, of logits and labels.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: alpha is out of range, or a shape, dtype or label does not fit L.

    Source: Zhou et al. (CVPR 2020). Departures: L is the mean binary cross-entropy in place of the softmax
        cross-entropy of one label an image.
    """
    require_numbers(at_least=0.0, at_most=1.0, alpha=alpha)
    for name, targets in (
        ("conventional_targets", conventional_targets),
        ("rebalancing_targets", rebalancing_targets),
    ):
        require_shape(name, targets.shape, logits.shape, like="logits")
        require_labels(targets, name=name)
    if alpha == 1.0:
        return classification(logits, conventional_targets)
    if alpha == 0.0:
        return classification(logits, rebalancing_targets)
    conventional = classification(logits, conventional_targets)
    return alpha * conventional + (1 - alpha) * classification(logits, rebalancing_targets)
