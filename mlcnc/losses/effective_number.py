"""Weights of classes by the effective number of their images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlcnc.losses.arguments import require_class_counts, require_numbers


def effective_number_weights(class_counts: NDArray[Any], beta: float) -> NDArray[np.float64]:
    """Return (C,) weights proportional to (1 - beta) / (1 - beta^n_c), which sum to C.

    Args:
        class_counts: (C,), n_c, at least 1 each.
        beta: in (0, 1); near 0 all weights are alike, near 1 they are as 1 / n_c.

    Raises:
        ValueError: an argument is out of range.

    Source: Cui et al. (CVPR 2019).

    Example:
        >>> effective_number_weights(np.array([1, 100]), 0.9999).round(3).tolist()
        [1.98, 0.02]
    """
    require_numbers(above=0.0, below=1.0, beta=beta)
    counts = np.asarray(class_counts, dtype=np.float64)
    require_class_counts(torch.from_numpy(counts), len(counts))
    weights: NDArray[np.float64] = -1 / np.expm1(counts * math.log(beta))
    return weights / weights.mean()
