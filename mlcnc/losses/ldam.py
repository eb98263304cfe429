"""LDAM: binary cross-entropy whose positives must pass a margin, the larger the rarer the class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import (
    require_class_counts,
    require_floating,
    require_logits_and_labels,
    require_numbers,
    require_values,
)
from mlcnc.precision import at_least_float32


def ldam_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: Tensor,
    max_margin: float = 0.5,
    scale: float = 1.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Return (1/BC) sum w_c b(h - s D_c y, y), with D_c = D (min_k n_k / n_c)^(1/4) and b the cross-entropy.

    With h = s z this is b(s (z - D_c y), y): the margin is in units of z, and logits come as the network gives
    them, multiplied by s already.

    Args:
        logits: (B, C) float, h.
        targets: (B, C), 0 or 1.
        class_counts: (C,), n_c, at least 1 each.
        max_margin: D > 0, the margin of the rarest class.
        scale: s > 0, by which the logits were multiplied: 30 for cosines times 30, 1 for a linear layer.
        class_weights: (C,), at least 0, w_c of deferred re-weighting, on positives and negatives; None is 1.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch. Images and classes without a positive
        count like all others.

    Raises:
        ValueError: a shape or dtype does not fit, a label is not 0 or 1, or an argument is out of range.

    Source: Cao et al. (NeurIPS 2019), kaidic/LDAM-DRW, for margins and scale; see :func:`ldam_softmax_loss` for
        their loss.

    Departures: theirs is a softmax over classes of one label; this form, with a sigmoid a class and the margin
        on positives only, is ours. Deferred weights are divided by images and classes; their cross-entropy
        divides by the sum of the weights of the batch's images. A test reads h without margins.
    """
    require_logits_and_labels(logits, targets)
    values = at_least_float32(logits)
    margins = ldam_margins(class_counts, logits.shape[1], max_margin, scale).to(values.dtype)  # (C,)
    labels = targets.to(values.dtype)
    if class_weights is not None:
        require_shape("class_weights", class_weights.shape, (logits.shape[1],), like="logits")
        require_values("class_weights", class_weights, at_least=0.0)
        class_weights = class_weights.to(values.dtype)
    total = functional.binary_cross_entropy_with_logits(
        torch.addcmul(values, labels, margins, value=-1), labels, weight=class_weights, reduction="sum"
    )
    return total / max(logits.numel(), 1)


def ldam_softmax_loss(
    logits: Tensor, labels: Tensor, *, class_counts: Tensor, max_margin: float = 0.5, scale: float = 30.0
) -> Tensor:
    """Return the mean of -log softmax(h - s D_y e_y)_y: LDAM as published, for images of one label.

    Args:
        logits: (B, C) float, h = s z with cosines z.
        labels: (B,) whole numbers, the class of each image.
        class_counts, max_margin, scale: as for :func:`ldam_loss`.

    Returns:
        Scalar, float32 at least; 0 with a gradient for an empty batch.

    Raises:
        ValueError: a shape or dtype does not fit, a label is no class, or an argument is out of range.

    Source: Cao et al. (NeurIPS 2019).
    """
    require_shape("logits", logits.shape, ("B", "C"))
    require_floating("logits", logits)
    require_shape("labels", labels.shape, logits.shape[:1], like="logits")
    num_classes = logits.shape[1]
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be whole numbers, the class of each image, got {labels.dtype}")
    if labels.device.type == "cpu" and (wrong := (labels < 0) | (labels >= num_classes)).any():
        raise ValueError(f"labels must be classes from 0 to {num_classes - 1}, got {int(labels[wrong][0])}")
    values = at_least_float32(logits)
    margins = ldam_margins(class_counts, num_classes, max_margin, scale).to(values.dtype)  # (C,)
    true = functional.one_hot(labels.long(), num_classes).to(values.dtype)  # (B, C)
    return functional.cross_entropy(values - true * margins, labels.long(), reduction="sum") / max(
        len(labels), 1
    )


def ldam_margins(class_counts: Tensor, num_classes: int, max_margin: float, scale: float = 1.0) -> Tensor:
    """Return s D_c (C,) in float64 where the device has it, else float32: s D for the rarest class.

    Raises:
        ValueError: the counts do not fit, or a number is out of range.
    """
    require_class_counts(class_counts, num_classes)
    require_numbers(above=0.0, max_margin=max_margin, scale=scale)
    counts = class_counts.float() if class_counts.device.type == "mps" else class_counts.double()
    return (counts / counts.min()).pow_(-0.25).mul_(max_margin * scale)
