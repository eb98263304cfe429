"""The classification and consistency terms of URS."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import require_class_counts, require_floating, require_labels, require_values
from mlcnc.precision import at_least_float32


@torch.no_grad()
def frequency_weights(class_counts: Tensor, num_images: int) -> Tensor:
    """Return exp(1 - rho_c) for y = 1 and exp(rho_c) for y = 0, with rho_c = n_c / N.

    Args:
        class_counts: n_c (C,), at least 1 and at most N.
        num_images: N.

    Returns:
        (2, C) float32, positives first.

    Raises:
        ValueError: a shape or a count does not fit.

    Source: Guo et al. (CVPR 2019), hguosc/visual_attention_consistency.
    """
    require_shape("class_counts", class_counts.shape, ("C",))
    require_class_counts(class_counts, len(class_counts))
    ratio = class_counts / num_images  # (C,)
    if ratio.device.type == "cpu" and not bool((ratio <= 1).all()):
        raise ValueError(
            f"class_counts must be at most num_images = {num_images}, got {class_counts.max().item():g}"
        )
    return torch.stack([1 - ratio, ratio]).exp()  # (2, C)


def logit_compensation_loss(
    logits: Tensor, targets: Tensor, compensation: Tensor, *, weights: Tensor | None = None
) -> Tensor:
    """Return the mean over B*C of omega b(s h + m, y), with scale and shift of positives or of negatives.

    Args:
        logits: h (B, C) float, raw.
        targets: y (B, C), 0 or 1.
        compensation: (4, C) float: s and m where y = 1, then s and m where y = 0.
        weights: omega (2, C), where y = 1, then where y = 0, at least 0; None is 1 everywhere.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or a weight is negative.

    Source: Guo and Wang (CVPR 2021), by the equation in a reproduction (CENG502, spring 2022).
    """
    require_shape("logits", logits.shape, ("B", "C"))
    require_floating("logits", logits)
    require_shape("targets", targets.shape, logits.shape, like="logits")
    require_labels(targets)
    require_shape("compensation", compensation.shape, (4, logits.shape[1]), like="logits")
    require_floating("compensation", compensation)
    if weights is not None:
        require_shape("weights", weights.shape, (2, logits.shape[1]), like="logits")
        require_values("weights", weights, at_least=0.0)
    values = at_least_float32(logits)  # (B, C)
    labels = targets.to(values.dtype)
    scale, shift, other_scale, other_shift = compensation.to(values.dtype)  # (C,) each
    # as differences from the negatives': half the operations of both forms and a choice between them
    compensated = torch.addcmul(
        torch.addcmul(other_shift, values, other_scale),
        labels,
        torch.addcmul(shift - other_shift, values, scale - other_scale),
    )  # (B, C)
    if weights is not None:
        positive, negative = weights.to(values.dtype)  # (C,) each
        weights = torch.addcmul(negative, labels, positive - negative)  # (B, C)
    total = functional.binary_cross_entropy_with_logits(compensated, labels, weights, reduction="sum")
    return total / max(logits.numel(), 1)


def consistency_loss(logits: Tensor, other_logits: Tensor) -> Tensor:
    """Return the mean squared difference of two branches' logits of the same images.

    Args:
        logits, other_logits: (B, C) float, raw.

    Returns:
        Scalar, float32 at least, with a gradient into both; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit.

    Source: Guo and Wang (CVPR 2021), as the mean squared error of a reproduction (CENG502, spring 2022).
    """
    require_shape("logits", logits.shape, ("B", "C"))
    require_shape("other_logits", other_logits.shape, logits.shape, like="logits")
    require_floating("logits", logits)
    require_floating("other_logits", other_logits)
    values, others = at_least_float32(logits), at_least_float32(other_logits)
    return functional.mse_loss(values, others, reduction="sum") / max(logits.numel(), 1)
