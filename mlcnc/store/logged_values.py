"""Values as a training loop has them, turned into what a run folder holds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.store.schema import ARRAY_NAME, MOST_COUNT, RunFailure

MOST_MESSAGE = 10_000
"""Characters of a failure that are kept."""


def as_count(name: str, value: Any, most: int = MOST_COUNT) -> int:
    """Return a whole number that readers accept.

    Raises:
        ValueError: it is below 0 or above ``most``.
    """
    number = int(value)
    if not 0 <= number <= most:
        raise ValueError(f"{name} must be 0 to {most}, got {value}")
    return number


def as_metrics(metrics: Mapping[str, Any]) -> dict[str, float | int | None]:
    """Return the scalars of one epoch as JSON holds them.

    Raises:
        ValueError: a value is not one number, or a name cannot be kept.
    """
    found = {str(name): as_number(str(name), value) for name, value in metrics.items()}
    if "epoch" in found:
        raise ValueError("a metric cannot be called 'epoch', which is the number of the line; rename it")
    for name in found:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the metric name {name!a} cannot be encoded in UTF-8; rename it") from None
    return found


def as_number(name: str, value: Any) -> float | int | None:
    """Return a scalar as JSON holds it; None where it is not finite.

    Raises:
        ValueError: it is not one number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST_COUNT:
        return value
    if hasattr(value, "detach"):
        value = value.detach()  # a loss still tied to its graph
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        return None
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


def as_failure(error: BaseException | RunFailure) -> RunFailure:
    """Return why a run failed, as status.json holds it: what no reader takes is cut or written otherwise."""
    kind, message = type(error).__name__, ""
    if isinstance(error, RunFailure):
        kind, message = error.type, error.message
    else:
        try:
            message = str(error)
        except Exception as inner:  # an error may not even say what it is
            message = f"its message cannot be shown: {type(inner).__name__}"
    return RunFailure(
        type=_shown(kind),
        message=_shown(message),
        epoch=_count_or_none(getattr(error, "epoch", None)),
        batch=_count_or_none(getattr(error, "batch", None)),
    )


def _shown(text: str) -> str:
    # a file name of another encoding has lone surrogates
    whole = text.encode(errors="backslashreplace").decode()
    return re.sub(r"([0-9]{300})[0-9]+", "\\1...", whole)[:MOST_MESSAGE]


def _count_or_none(value: Any) -> int | None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return int(value) if whole and 0 <= value <= MOST_COUNT else None
