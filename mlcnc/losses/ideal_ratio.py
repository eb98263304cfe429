"""How PLM moves its ideal ratios: histograms of predicted probabilities, held against those of the labels."""

from __future__ import annotations

import torch
from torch import Tensor

from mlcnc.errors import require_shape
from mlcnc.losses.arguments import require_floating, require_labels, require_numbers, require_values
from mlcnc.precision import at_least_float32

NUM_BINS = 10
"""Of equal width over [0, 1]."""

EPSILON = 2.0**-52
"""In place of an empty bin of the labels: the machine epsilon of float64."""


@torch.no_grad()
def probability_histograms(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Return how many predicted probabilities of negatives and of positives fall into ten bins, by class.

    Args:
        probabilities: (B, C) float, from 0 to 1.
        targets: (B, C), 0 or 1.

    Returns:
        (2, C, 10) of whole numbers in float32, exact up to 2^24 images; negatives first. The upper bound of a
        bin is in the next one, 1 in the last.

    Raises:
        ValueError: a shape, the dtype, a probability or a label does not fit.
    """
    require_shape("probabilities", probabilities.shape, ("B", "C"))
    require_shape("targets", targets.shape, probabilities.shape, like="probabilities")
    require_floating("probabilities", probabilities)
    require_values("probabilities", probabilities, at_least=0.0, at_most=1.0)
    require_labels(targets)
    num_classes = targets.shape[1]
    bins = (at_least_float32(probabilities) * NUM_BINS).long().clamp(0, NUM_BINS - 1)  # (B, C)
    classes = torch.arange(num_classes, device=targets.device)  # (C,)
    places = ((targets > 0) * num_classes + classes) * NUM_BINS + bins  # (B, C)
    counts = torch.zeros(2 * num_classes * NUM_BINS, device=targets.device)
    counts.scatter_add_(0, places.flatten(), torch.ones_like(places, dtype=counts.dtype).flatten())
    return counts.view(2, num_classes, NUM_BINS)  # (2, C, 10)


@torch.no_grad()
def updated_ratio(ideal_ratio: Tensor, histograms: Tensor, *, rate: float, lowest: float) -> Tensor:
    """Return r*_c exp(lambda (D+_c - D-_c)), D the divergences KL(predictions || labels), standardised.

    Args:
        ideal_ratio: r* (C,), above 0 and at most 1.
        histograms: (2, C, 10) from :func:`probability_histograms`, of a whole epoch. Those of the labels
            need no counting: all negatives lie in the first bin and all positives in the last.
        rate: lambda, at least 0.
        lowest: the result stays at or above it; above 0 and at most 1.

    Returns:
        (C,) in the dtype of ``ideal_ratio``, from ``lowest`` to 1. D of a class without a positive, or a
        negative, is 0, as is that of all classes where they do not differ.

    Raises:
        ValueError: a shape or an argument does not fit.

    Source: Duarte et al. (CVPR-W 2021), as in mamo3gr/partial_label_masking (its NumPy version).

    Departures: the bounds; a ratio that moves the same way every epoch would leave (0, 1], where it is no share
        of images. The variance over classes is divided by C, as there.
    """
    require_shape("histograms", histograms.shape, (2, "C", NUM_BINS))
    require_shape("ideal_ratio", ideal_ratio.shape, histograms.shape[1:2], like="histograms")
    require_values("ideal_ratio", ideal_ratio, above=0.0, at_most=1.0)
    require_values("histograms", histograms, at_least=0.0)
    require_numbers(at_least=0.0, rate=rate)
    require_numbers(above=0.0, at_most=1.0, lowest=lowest)
    totals = histograms.sum(dim=2)  # (2, C)
    shares = histograms / totals.clamp(min=1)[..., None]  # (2, C, 10)
    own = torch.stack([shares[0, :, 0], shares[1, :, -1]])  # (2, C), share in the bin of the labels
    off_label = torch.tensor(EPSILON, dtype=shares.dtype, device=shares.device).log()
    divergence = torch.xlogy(shares, shares).sum(dim=2) - (1 - own) * off_label  # (2, C)
    known = totals > 0  # (2, C)
    number = known.sum(dim=1, keepdim=True).clamp(min=1)
    centred = torch.where(known, divergence, 0.0)
    centred = torch.where(known, divergence - centred.sum(dim=1, keepdim=True) / number, 0.0)
    deviation = (centred.square().sum(dim=1, keepdim=True) / number).sqrt()  # (2, 1)
    # rounding alone makes equal divergences differ
    alike = deviation <= 1e-6 * divergence.abs().amax(dim=1, keepdim=True).clamp(min=1e-6)
    negative, positive = torch.where(alike, 0.0, centred / deviation.clamp(min=EPSILON))  # (C,) each
    ratio = ideal_ratio * ((positive - negative) * rate).exp()  # (C,)
    return ratio.clamp(lowest, 1.0).to(ideal_ratio.dtype)
