"""Values as a training loop has them, turned into what a run folder holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.store.schema import ARRAY_NAME


def as_number(name: str, value: Any) -> float | int | None:
    """Return a scalar as JSON holds it; None where it is not finite.

    Raises:
        ValueError: it is not one number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if hasattr(value, "detach"):
        value = value.detach()  # a loss still tied to its graph
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"metric {name!r} must be one number, got {type(value).__name__}; "
            "log arrays through the arrays argument"
        ) from None
    return number if math.isfinite(number) else None


def as_arrays(arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return NumPy arrays or torch tensors as NumPy arrays.

    Raises:
        ValueError: a name has other characters, or an array is not numeric.
    """
    result = {}
    for name, value in arrays.items():
        if not ARRAY_NAME.fullmatch(name):
            raise ValueError(f"array name {name!r} must be letters, digits, _ and . in parts split by /")
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"array {name!r} must be numeric, got dtype {array.dtype}")
        result[name] = array
    return result
