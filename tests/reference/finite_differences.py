"""Gradients by central differences."""

from __future__ import annotations

import numpy as np


def finite_difference(function, point, step=1e-6):
    """Return the gradient of a scalar function of an array, one entry at a time."""
    slope = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[index] += step
        down[index] -= step
        slope[index] = (function(up) - function(down)) / (2 * step)
    return slope
