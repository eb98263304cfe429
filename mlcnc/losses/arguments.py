"""What every loss asks of logits, labels and class statistics, said in the same sentences.

Values are looked at where they lie in the memory of the host: on another device that would wait for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mlcnc.errors import require_shape


def require_logits_and_labels(logits: Tensor, targets: Tensor, *, soft: bool = False) -> None:
    """Check logits (B, C) and their labels.

    Args:
        logits: (B, C) float.
        targets: (B, C), 0 or 1.
        soft: whether anything between 0 and 1 is a label too.

    Raises:
        ValueError: a shape, the dtype of the logits or a label does not fit.
    """
    require_shape("logits", logits.shape, ("B", "C"))
    require_floating("logits", logits)
    require_shape("targets", targets.shape, logits.shape, like="logits")
    require_labels(targets, soft=soft)


def require_floating(name: str, values: Tensor) -> None:
    """Check that a tensor holds floating-point numbers.

    Raises:
        ValueError: it holds others.
    """
    if not values.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {values.dtype}; convert it with .float()")


def require_labels(targets: Tensor, *, soft: bool = False, name: str = "targets") -> None:
    """Check that labels are 0 or 1, or between them where they may be soft.

    Raises:
        ValueError: one is not; the message names it.
    """
    if soft:
        require_values(name, targets, at_least=0.0, at_most=1.0)
        return
    if targets.device.type != "cpu" or targets.dtype == torch.bool or torch.equal(targets * targets, targets):
        return
    raise ValueError(f"{name} must be 0 or 1, got {targets[targets * targets != targets][0].item():g}")


def require_of_classes(logits: Tensor, **values: Tensor) -> None:
    """Check that there is one number a class.

    Args:
        logits: (B, C).
        values: (C,) each, by name.

    Raises:
        ValueError: one has another shape.
    """
    for name, numbers in values.items():
        require_shape(name, numbers.shape, logits.shape[1:], like="logits")


def require_class_counts(
    class_counts: Tensor, num_classes: int | None = None, num_images: Tensor | None = None
) -> None:
    """Check the training images of every class, n_c.

    Args:
        class_counts: (C,), at least 1 each.
        num_classes: C, of the logits if they are there.
        num_images: (), N, at least any of them.

    Raises:
        ValueError: a shape does not fit, a class has no image, or one has more than there are.
    """
    if num_classes is None:
        require_shape("class_counts", class_counts.shape, ("C",))
    else:
        require_shape("class_counts", class_counts.shape, (num_classes,), like="logits")
    require_values("class_counts", class_counts, at_least=1.0, advice="; leave out such classes")
    if num_images is None:
        return
    require_shape("num_images", num_images.shape, ())
    if class_counts.device.type != "cpu" or class_counts.numel() == 0:
        return
    most, number = class_counts.max().item(), num_images.item()
    if not most <= number < math.inf:
        raise ValueError(
            f"num_images must be at least every class count, got {number:g} and {most:g}; "
            "take both from the same training set"
        )


def require_co_occurrence(co_occurrence: Tensor, num_classes: int) -> None:
    """Check the training images that have two classes, (C, C).

    Raises:
        ValueError: the shape does not fit, or a count is negative.
    """
    require_shape("co_occurrence", co_occurrence.shape, (num_classes, num_classes), like="class_counts")
    require_values("co_occurrence", co_occurrence, at_least=0.0, advice="; count the training set anew")


def require_focusing(focal_gamma: float, focal_scale: float) -> None:
    """Check power and scale of a focal loss.

    Raises:
        ValueError: gamma is negative, or the scale not positive.
    """
    require_numbers(at_least=0.0, focal_gamma=focal_gamma)
    require_numbers(above=0.0, focal_scale=focal_scale)


def require_asymmetry(negative_gamma: float, positive_gamma: float, margin: float) -> None:
    """Check the powers and the margin of an asymmetric loss.

    Raises:
        ValueError: a power is negative, or the margin outside [0, 1).
    """
    require_numbers(at_least=0.0, negative_gamma=negative_gamma, positive_gamma=positive_gamma)
    require_numbers(at_least=0.0, below=1.0, margin=margin)


def require_balance(
    weight_floor: float,
    weight_steepness: float,
    weight_midpoint: float,
    negative_scale: float,
    shift_scale: float,
) -> None:
    """Check the numbers of a distribution-balanced loss.

    Raises:
        ValueError: one is not finite, a or kappa is negative, or b or lambda not positive.
    """
    require_numbers(weight_midpoint=weight_midpoint)
    require_numbers(at_least=0.0, weight_floor=weight_floor, shift_scale=shift_scale)
    require_numbers(above=0.0, weight_steepness=weight_steepness, negative_scale=negative_scale)


def require_numbers(
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
    **numbers: float,
) -> None:
    """Check that numbers are finite and within bounds.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name, number in numbers.items():
        if not (above < number >= at_least and below > number <= at_most):
            raise ValueError(_out_of_range(name, number, at_least, above, at_most, below))


def require_values(
    name: str,
    values: Tensor,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    advice: str = "",
) -> None:
    """Check that the numbers in a tensor are finite and within bounds, where they lie on the host.

    Args:
        name: of the tensor.
        values: any shape; NaN is found because the least and the largest of numbers with a NaN are NaN.
        at_least, above, at_most: the bounds.
        advice: the end of the message.

    Raises:
        ValueError: one is not; the message names it.
    """
    if values.device.type != "cpu" or values.numel() == 0 or values.dtype == torch.bool:
        return
    least, most = (value.item() for value in values.aminmax())
    low = above < least >= at_least
    if not (low and math.inf > most <= at_most):
        wrong = most if low else least
        raise ValueError(_out_of_range(name, wrong, at_least, above, at_most, math.inf) + advice)


def _out_of_range(name: str, number: float, at_least: float, above: float, at_most: float, below: float) -> str:
    bounds = {"at least": at_least, "above": above, "at most": at_most, "below": below}
    wanted = [f"{words} {bound:g}" for words, bound in bounds.items() if math.isfinite(bound)]
    if not math.isfinite(number):
        wanted = ["finite"]
    return f"{name} must be {' and '.join(wanted)}, got {number:g}"
