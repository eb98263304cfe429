"""The errors a caller may want to recover from, and what words them and other sentences alike."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class MlcncError(Exception):
    """Base of every error that mlcnc raises on purpose and that a caller may recover from."""


class ConfigError(MlcncError):
    """A setting is unknown, has the wrong type or does not fit the others."""


class UnknownDatasetError(ConfigError):
    """No data set is registered under the given name."""


class DataError(MlcncError):
    """A data file is missing, damaged or does not hold what its format promises."""


class WeightsUnavailableError(MlcncError):
    """Pre-trained weights are neither on disk nor reachable over the network."""


class StoreError(MlcncError):
    """A run folder could not be written (disk full, read-only, name taken)."""


class RunNotFoundError(StoreError):
    """No run has this id under the runs folder."""


class RunFormatError(StoreError):
    """A run folder exists but cannot be read: damaged, or written by a newer version."""


class LaunchError(MlcncError):
    """A job cannot be queued, started or stopped as asked; the message says what to change."""


class JobNotFoundError(LaunchError):
    """No job has this id in the queue of the runs folder."""


class ProcessLostError(MlcncError):
    """Another process of a run ended, so that this one cannot go on; what was logged is kept."""


class NonFiniteLossError(MlcncError):
    """A loss term became NaN or infinite; training stops and says which, when and where.

    Args:
        term: name of the first term that is not finite, e.g. ``alignment``.
        epoch: epoch index, from 0.
        batch: batch index within the epoch, from 0.
    """

    def __init__(self, term: str, epoch: int, batch: int, value: float) -> None:
        super().__init__(
            f"the {term} loss became {value} in epoch {epoch + 1}, batch {batch + 1}; lower --training.lr, "
            "keep --training.clip_norm on, or check the images for non-finite values"
        )
        self.term = term
        self.epoch = epoch
        self.batch = batch


def explained(item: Mapping[str, Any], name: str) -> str:
    """Return as a sentence what pydantic found wrong with a field.

    Args:
        item: one of ``ValidationError.errors()``.
        name: of the field, as the user knows it; empty where it is none alone.
    """
    message = str(item["msg"]).removeprefix("Value error, ")
    message = f"{name}: " * bool(name) + message[:1].lower() + message[1:]
    return message if item["type"] == "value_error" else f"{message}, got {item['input']!r:.200}"


def require_shape(name: str, actual: Sequence[int], expected: Sequence[int | str], like: str = "") -> None:
    """Check a shape against names and numbers, e.g. ``("B", 20)``; a string fits any size.

    Args:
        name: the argument as the caller knows it, e.g. ``targets``.
        actual: the shape that came.
        expected: one entry an axis: a size, or a letter where any size will do.
        like: what fixes the expected sizes, for the message, e.g. ``logits``.

    Raises:
        ValueError: the number of axes or a size differs; the message names all four.

    Example:
        >>> require_shape("targets", (32, 80), ("B", 20), like="logits")
        Traceback (most recent call last):
            ...
        ValueError: targets must have shape (B, 20) like logits, got (32, 80)
    """
    if actual == expected:
        return
    fits = len(actual) == len(expected) and all(
        isinstance(want, str) or want == have for have, want in zip(actual, expected, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join(str(size) for size in expected) + ")"
        came = "(" + ", ".join(str(size) for size in actual) + ")"
        suffix = f" like {like}" if like else ""
        raise ValueError(f"{name} must have shape {wanted}{suffix}, got {came}")


def closest(
    name: str, known: Iterable[str], also: Mapping[str, str] | None = None, *, cutoff: float = 0.6
) -> str | None:
    """Return the known name that is most like a given one, None where none is alike.

    Args:
        also: known names by what others call them.
        cutoff: how alike they must be, of 1; two letters of three are 0.67.
    """
    also = also or {}
    close = difflib.get_close_matches(name, [*known, *also], n=1, cutoff=cutoff)
    return also.get(close[0], close[0]) if close else None


def nearest(
    name: str, known: Iterable[str], also: Mapping[str, str] | None = None, *, cutoff: float = 0.6
) -> str:
    """Return ``; did you mean 'x'?`` for the :func:`closest` known name, or the empty string."""
    found = closest(name, known, also, cutoff=cutoff)
    return f"; did you mean {found!r}?" if found else ""


def number_or_dash(value: float, digits: int = 1) -> str:
    """Return a number with so many digits after the point, or a dash where it is undefined.

    Example:
        >>> number_or_dash(71.25), number_or_dash(float("nan"))
        ('71.2', '-')
    """
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts.

    Args:
        one: of the things counted.
        many: its plural; empty takes an s.

    Example:
        >>> counted(1, "epoch"), counted(2000, "class", "classes")
        ('1 epoch', '2,000 classes')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
