"""Reading one file of arrays by name or slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from mlcnc.errors import RunFormatError


class ArrayFile:
    """Arrays of one safetensors file, mapped into memory and read by name or slice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="numpy") as stream:
                self._names = frozenset(stream.keys())
        except FileNotFoundError:
            raise RunFormatError(f"{path.name} of run {_run_of(path)} is missing") from None
        except (SafetensorError, OSError, ValueError) as error:
            raise RunFormatError(f"{path.name} of run {_run_of(path)} is damaged: {error}") from error

    def keys(self) -> frozenset[str]:
        """Return the names of the arrays."""
        return self._names

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def get(self, name: str, index: Any = slice(None)) -> NDArray[Any]:
        """Return an array, or the part ``index`` of its first axis; only that part is read.

        Raises:
            KeyError: no array has that name.
            RunFormatError: the file is damaged.
        """
        if name not in self._names:
            raise KeyError(name)
        try:
            with safe_open(self.path, framework="numpy") as stream:
                part = stream.get_slice(name)
                if not part.get_shape():
                    return np.asarray(stream.get_tensor(name))
                if isinstance(index, int):
                    return np.asarray(part[index : index + 1])[0]
                return np.asarray(part[index])
        except (SafetensorError, OSError, ValueError) as error:
            raise RunFormatError(f"{self.path.name} of run {_run_of(self.path)} is damaged: {error}") from error


def _run_of(path: Path) -> str:
    return path.parent.parent.name if path.parent.name == "epochs" else path.parent.name
