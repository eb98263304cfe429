"""Arrays out of .npz, .safetensors and .pt files, their sizes known before anything is unpacked.

Nothing in a file is executed, and what nobody asks for is not read. Each kind of file gives the names it holds
and, for one of them, what is stored under it.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import DataError
from mlcnc.torch_archive import is_archive, why_not_plain

if TYPE_CHECKING:
    import torch

MOST_HEADER_BYTES = 8 * 2**20
"""Of a .safetensors file: names, dtypes and shapes of tens of thousands of arrays."""

_NPY_HEADER_BYTES = 2**16
_ENCRYPTED = 1
_OF_TORCH = (".pt", ".pth")
_SAVE = "save a dict of tensors with torch.save, or of NumPy arrays with np.savez"


@dataclass(frozen=True)
class Stored:
    """What a file holds under one name.

    Attributes:
        num_bytes: that it takes in memory, at least 8 for every value.
        load: reads it; an array, or of .pt a list of arrays, or a list, tuple or dict of plain values.
    """

    num_bytes: int
    load: Callable[[], Any]


@dataclass(frozen=True)
class TensorFile:
    """A file of arrays.

    Attributes:
        names: of everything in it.
        stored: returns what is under one of the names.
    """

    names: tuple[str, ...]
    stored: Callable[[str], Stored]


def open_tensors(path: Path) -> TensorFile:
    """Return the names in a file and a way to each; the ending of its name says of which kind it is.

    Raises:
        DataError: the file is of another kind or damaged.
    """
    readers = {".npz": _npz, ".safetensors": _safetensors} | dict.fromkeys(_OF_TORCH, _pt)
    kind = path.suffix.lower()
    if kind not in readers:
        raise DataError(
            f"{path.name} must end in .npz, .safetensors or .pt, got {path.suffix or 'no ending'!r}"
        )
    with understood(path):
        return readers[kind](path)


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Turn whatever a library says of a damaged file, and its advice, into a short reason.

    Raises:
        DataError: the libraries cannot read the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickles and new kinds of tensors
            yield
    except DataError:
        raise
    except Exception as error:  # zipfile, NumPy, safetensors and torch raise many kinds for a damaged file
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise DataError(f"{path.name} cannot be read: there is not enough memory") from None
        reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        if path.suffix.lower() in _OF_TORCH:
            reason = "torch cannot read it"  # its own words are advice to its developers, and to load unsafely
        raise DataError(f"{path.name} is damaged or of another kind: {reason.splitlines()[0]:.200}") from None


def _npz(path: Path) -> TensorFile:
    with zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if part.filename.endswith(".npy")]
    names = tuple(part.filename.removesuffix(".npy") for part in parts)

    def stored(name: str) -> Stored:
        if names.count(name) > 1:
            raise DataError(f"{path.name} holds {name!r:.60} more than once")
        part = parts[names.index(name)]
        if part.flag_bits & _ENCRYPTED:
            raise DataError(f"{path.name} is encrypted; write it anew with np.savez")
        with zipfile.ZipFile(path) as archive, archive.open(part) as stream:
            # a header says its own length, of up to 4 GB
            head = io.BytesIO(stream.read(_NPY_HEADER_BYTES))
        version = np.lib.format.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{name!r:.60} in {path.name} must be an array of numbers or words")
        read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, _, dtype = read_header(head)
        if dtype.hasobject:
            raise DataError(
                f"{name!r:.60} in {path.name} holds Python objects, which are not loaded; save an array of "
                "numbers, or of words with dtype=str"
            )
        if any(size < 0 for size in shape) or dtype.itemsize * math.prod(shape) > part.file_size - head.tell():
            raise DataError(f"{path.name} is damaged: {name!r:.60} is shorter than its shape {_said(shape)}")

        def load() -> NDArray[Any]:
            with zipfile.ZipFile(path) as archive, archive.open(part) as stream:
                return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))

        return Stored(max(8, dtype.itemsize) * math.prod(shape), load)

    return TensorFile(names, stored)


def _safetensors(path: Path) -> TensorFile:
    from safetensors import safe_open

    with path.open("rb") as stream:
        if int.from_bytes(stream.read(8), "little") > MOST_HEADER_BYTES:
            raise DataError(f"{path.name} is damaged or of another kind: it has no header of a usual length")
    with safe_open(path, framework="pt") as file:
        names = tuple(file.keys())

    def stored(name: str) -> Stored:
        with safe_open(path, framework="pt") as file:
            shape = file.get_slice(name).get_shape()

        def load() -> NDArray[Any]:
            with safe_open(path, framework="pt") as file:
                return _numbers(path, name, file.get_tensor(name))

        return Stored(8 * math.prod(shape), load)

    return TensorFile(names, stored)


def _pt(path: Path) -> TensorFile:
    if not is_archive(path):
        raise DataError(
            f"{path.name} is no file of torch 1.6 or later; load it where it was written and save a dict "
            "of tensors with torch.save"
        )
    reason = why_not_plain(path)
    if reason is not None:
        raise DataError(f"{path.name} is not loaded: {reason}; {_SAVE}")
    import torch

    try:
        # not mapped: of a tensor that is shorter than it says, torch would map what follows it
        tree = torch.load(str(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({found[1]:.80})" if found else ""
        raise DataError(
            f"{path.name} is not loaded: it holds more than tensors and plain values{what}; {_SAVE}"
        ) from None
    if not isinstance(tree, dict):
        raise DataError(f"{path.name} must hold a dict of tensors, got a {type(tree).__name__}")
    found_under = {
        key.decode(errors="replace") if isinstance(key, bytes) else key: value
        for key, value in tree.items()
        if isinstance(key, (str, bytes))
    }
    return TensorFile(tuple(found_under), lambda name: _stored_value(path, name, found_under[name]))


def _stored_value(path: Path, name: str, value: Any) -> Stored:
    import torch

    if isinstance(value, torch.Tensor):
        return Stored(_dense_bytes(value), lambda: _numbers(path, name, value))
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, torch.Tensor) for one in value):
        return Stored(
            sum(_dense_bytes(one) for one in value), lambda: [_numbers(path, name, one) for one in value]
        )
    return Stored(8 * _num_leaves(value, {}), lambda: value)


def _num_leaves(value: Any, known: dict[int, int]) -> int:
    """Return how many values nested lists have, each list counted once however often it stands in others."""
    if not isinstance(value, (list, tuple)):
        return 1
    if id(value) not in known:
        known[id(value)] = 0  # where it holds itself
        known[id(value)] = sum(_num_leaves(one, known) for one in value)
    return known[id(value)]


def _dense_bytes(tensor: torch.Tensor) -> int:
    # of a view that repeats its values, and of a sparse tensor, more than is stored
    return 0 if tensor.is_nested else max(8, tensor.itemsize) * math.prod(tensor.shape)


def _numbers(path: Path, name: str, tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor of any layout and real dtype as an array.

    Raises:
        DataError: torch makes no numbers of it.
    """
    import torch

    try:
        tensor = tensor.detach()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        if tensor.layout != torch.strided:
            tensor = tensor.to_dense()
        if tensor.dtype == torch.bfloat16 or (tensor.is_floating_point() and tensor.itemsize == 1):
            tensor = tensor.float()
        return np.asarray(tensor.resolve_conj().resolve_neg().numpy())
    except (RuntimeError, TypeError, NotImplementedError) as error:
        if "can't allocate memory" in str(error):
            raise
        kind = (
            "nested" if tensor.is_nested else f"{tensor.device.type} {str(tensor.dtype).removeprefix('torch.')}"
        )
        raise DataError(
            f"{name!r:.60} in {path.name} is a {kind} tensor, of which there are no numbers; save it as float32"
        ) from None


def _said(shape: tuple[int, ...]) -> str:
    return f"({', '.join(f'{size:.3g}' if size > 10**9 else str(size) for size in shape)})"
