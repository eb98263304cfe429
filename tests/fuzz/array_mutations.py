"""Damage to safetensors that keeps them readable, and headers that lie about what follows."""

from __future__ import annotations

import json
import struct
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from tests.fuzz.json_mutations import damaged_tree, text_of

Arrays = dict[str, NDArray[Any]]


def damaged_arrays(rng: Random, raw: bytes) -> tuple[bytes, str]:
    """Return a valid file of arrays that do not fit their names, and what was done."""
    arrays, about = load(raw), header_of(raw)[0].get("__metadata__")
    words = []
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        name = rng.choice(sorted(arrays))
        kind = rng.choice(sorted(_KINDS))
        _KINDS[kind](rng, arrays, name)
        words.append(f"{name}: {kind}")
        if not arrays:
            break
    return save(arrays, about), "; ".join(words)


def damaged_header(rng: Random, raw: bytes) -> tuple[bytes, str]:
    """Return a file whose header was changed as JSON, or whose header length lies."""
    tree, body = header_of(raw)
    kind = rng.choice(["length", "tree", "tree", "shape", "offsets", "overlap", "huge", "dtype"])
    named = sorted(set(tree) - {"__metadata__"})
    name = rng.choice(named)
    if kind == "length":
        size = rng.choice([0, 1, 2**63 - 1, 2**64 - 1, 10**9, 100_000_000, len(raw)])
        return struct.pack("<Q", size) + raw[8:], f"header length {size}"
    if kind == "tree":
        tree, said = damaged_tree(rng, tree)
        return _with_header(tree, body), f"header {said}"
    if kind == "shape":
        tree[name]["shape"] = rng.choice(
            [[], [0], [-1], [2**62, 4], [1] * 60, tree[name]["shape"][::-1], [2.5]]
        )
    elif kind == "offsets":
        tree[name]["data_offsets"] = rng.choice([[0, 2**63], [5, 1], [-8, 0], [0], [len(body), len(body) + 8]])
    elif kind == "overlap":
        tree[name]["data_offsets"] = tree[rng.choice(named)]["data_offsets"]
    elif kind == "huge":
        tree[f"more/{rng.randrange(9)}"] = {
            "dtype": "F64",
            "shape": [10**10],
            "data_offsets": [len(body), 8 * 10**10],
        }
    else:
        tree[name]["dtype"] = rng.choice(["F8_E4M3", "BF16", "BOOL", "C64", "I8", "F32", "I64", "U64", "x", 3])
    return _with_header(tree, body), f"header {kind} of {name}"


def header_of(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of a whole file and what follows it."""
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def sparse_header(shape: list[int], name: str) -> tuple[bytes, int]:
    """Return a valid header of one float32 array, and the size that the whole file must have."""
    number = 4 * int(np.prod(shape))
    head = _with_header({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, number]}}, b"")
    return head, len(head) + number


def _with_header(tree: Any, body: bytes) -> bytes:
    header = text_of(tree)
    return struct.pack("<Q", len(header)) + header + body


def _values(*choices: float) -> Any:
    def change(rng: Random, arrays: Arrays, name: str) -> None:
        array = arrays[name].copy()
        if array.size:
            value = rng.choice(choices)
            flat = array.reshape(-1)
            with np.errstate(all="ignore"):
                if array.dtype.kind in "iu":
                    bounds = np.iinfo(array.dtype)
                    value = int(np.clip(np.nan_to_num(value), bounds.min, min(bounds.max, 2**62)))
                if rng.random() < 0.3:
                    flat[:] = value
                else:
                    flat[rng.randrange(flat.size)] = value
            arrays[name] = flat.reshape(array.shape)

    return change


def _dtype(rng: Random, arrays: Arrays, name: str) -> None:
    kinds = [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint64, np.bool_, np.uint8]
    with np.errstate(all="ignore"):
        arrays[name] = np.nan_to_num(arrays[name]).astype(rng.choice(kinds))


def _shape(rng: Random, arrays: Arrays, name: str) -> None:
    array = arrays[name]
    choices = [array[..., None], array[None], array.reshape(-1), array.T.copy()]
    if array.ndim and len(array):
        choices += [array[:-1], array[:0], np.concatenate([array, array[:1]]), array[..., :-1], array[0]]
    arrays[name] = np.ascontiguousarray(choices[rng.randrange(len(choices))])


def _remove(rng: Random, arrays: Arrays, name: str) -> None:
    del arrays[name]


def _rename(rng: Random, arrays: Arrays, name: str) -> None:
    moved = arrays.pop(name)
    target = rng.choice([*sorted(arrays), "other", "../up", "\x1b[2J", "a" * 500])
    arrays[target] = moved


def _swap(rng: Random, arrays: Arrays, name: str) -> None:
    other = rng.choice(sorted(arrays))
    arrays[name], arrays[other] = arrays[other], arrays[name]


def _shuffle(rng: Random, arrays: Arrays, name: str) -> None:
    if arrays[name].ndim:
        arrays[name] = np.random.default_rng(rng.randrange(99)).permutation(arrays[name])


_KINDS = {
    "not a number": _values(float("nan")),
    "infinite": _values(float("inf"), float("-inf")),
    "huge": _values(1e38, -1e38, 6e4, 1e300, 2.0**40),
    "below zero": _values(-1, -(2.0**31), -0.5),
    "off by a little": _values(0, 1, 2, 5, 89, 90, 255, 1000),
    "dtype": _dtype,
    "shape": _shape,
    "removed": _remove,
    "renamed": _rename,
    "swapped": _swap,
    "shuffled": _shuffle,
}
