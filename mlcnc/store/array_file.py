"""Reading one file of arrays by name or slice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from mlcnc.errors import RunFormatError
from mlcnc.store.array_rules import impossible, misfit, sizes_in
from mlcnc.store.regular_files import require_regular, said_of

MOST_HEADER_BYTES = 8 * 2**20
MOST_VALUES = 2**26
"""Of what is read at once, 512 MiB where it is computed on in double precision.

A sparse file of a few bytes may claim terabytes, while scores of fifty thousand images and a thousand classes,
and the classifier of five hundred classes in 128 dimensions each, still fit.
"""


class ArrayFile:
    """Arrays of one safetensors file, mapped into memory and read by name or slice.

    Arrays that pages know are checked against ``array_rules`` when they are read, so that whoever asks gets
    arrays that fit each other, or one sentence.

    Args:
        path: of the file.
        known: sizes fixed elsewhere in the run, by letter of the rules, e.g. ``C`` for the classes.

    Raises:
        RunFormatError: the file is missing, damaged or no regular file.
    """

    def __init__(self, path: Path, known: Mapping[str, int] | None = None) -> None:
        self.path = path
        self._known = known or {}
        try:
            require_regular(path)
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
            if length > MOST_HEADER_BYTES:
                raise ValueError(f"its header would have {length} bytes")
            with safe_open(path, framework="numpy") as stream:
                self.about: dict[str, str] = dict(stream.metadata() or {})
                parts = {name: stream.get_slice(name) for name in stream.keys()}  # noqa: SIM118
                self._header = {
                    name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()
                }
        except FileNotFoundError:
            raise RunFormatError(f"{said_of(path)} is missing") from None
        except (SafetensorError, OSError, ValueError) as error:
            raise self.damaged(getattr(error, "strerror", None) or error) from error

    def keys(self) -> frozenset[str]:
        """Return the names of the arrays."""
        return frozenset(self._header)

    def __contains__(self, name: object) -> bool:
        return name in self._header

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes by letter of the rules, of those letters that all arrays agree on."""
        return {letter: next(iter(found)) for letter, found in self._sizes.items() if len(found) == 1}

    @cached_property
    def _sizes(self) -> dict[str, set[int]]:
        return sizes_in(self._header)

    def get(self, name: str, index: Any = slice(None)) -> NDArray[Any]:
        """Return an array, or the part ``index`` of its first axis; only that part is read.

        Raises:
            RunFormatError: the file is damaged, no array has that name, or it does not fit the run.
        """
        if name not in self._header:
            raise self.damaged(f"it holds no array {name}")
        dtype, shape = self._header[name]
        problem = misfit(name, dtype, shape, self._sizes, self._known)
        if problem is not None:
            raise self.damaged(problem)
        if _num_values(shape, index) > MOST_VALUES:
            raise self.damaged(f"{name} of shape {shape} is larger than what can be read at once")
        if isinstance(index, slice) and shape:
            start, stop, step = index.indices(shape[0])
            index = slice(start, stop, step) if start < stop else slice(0, 0)
        try:
            with safe_open(self.path, framework="numpy") as stream:
                part = stream.get_slice(name)
                if not shape or shape[0] == 0:  # nothing to slice
                    found = np.asarray(stream.get_tensor(name))
                elif isinstance(index, int):
                    found = np.asarray(part[index : index + 1])[0]
                else:
                    found = np.asarray(part[index])
        except (SafetensorError, OSError, ValueError, IndexError, TypeError) as error:
            raise self.damaged(getattr(error, "strerror", None) or error) from error
        problem = impossible(name, found, self._known)
        if problem is not None:
            raise self.damaged(problem)
        return found

    def damaged(self, reason: object) -> RunFormatError:
        """Return the error that says what is wrong with the file, for whoever finds that it does not add up."""
        return RunFormatError(f"{said_of(self.path)} is damaged: {reason}")


def _num_values(shape: tuple[int, ...], index: Any) -> int:
    rows = shape[0] if shape else 1
    if isinstance(index, int):
        rows = 1
    elif isinstance(index, slice):
        rows = len(range(*index.indices(rows)))
    return rows * math.prod(shape[1:])
