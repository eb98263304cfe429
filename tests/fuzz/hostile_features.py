"""Files of features that nobody should trust, and odd ones that are meant well: each by name, with its outcome."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

Write = Callable[[Path], object]
READ, REFUSED = 0, 1
NASTY = "\x1b]0;owned\x07\x1b[2J\x9b31m\n\r\u202e\u2066"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3
X_TORCH, Y_TORCH = torch.from_numpy(X), torch.from_numpy(Y)
ONE_HOT = np.eye(3, dtype=np.uint8)[Y]


def cases() -> Iterator[tuple[str, int, Write]]:
    """Yield name with ending, exit status and what writes the file, of every case."""
    yield from _npz_numbers()
    yield from _npz_archives()
    yield from _torch_numbers()
    yield from _pt_archives()
    yield from _safetensors_headers()
    yield from _targets_and_names()
    yield from _paths()


def npz(**arrays: Any) -> Write:
    """Return what writes arrays with features and targets in order where it gives no others."""
    return lambda path: np.savez(path, **{"features": X, "targets": Y} | arrays)


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Write:
    """Return what writes a zip archive of these members."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content)

    return write


def npy(array: Any) -> bytes:
    """Return an array as a .npy file has it."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(text: str, version: int = 1, length: int | None = None) -> bytes:
    """Return a .npy header of any text, which may lie about its length."""
    size = len(text) if length is None else length
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text.encode()
    )


def pt(**values: Any) -> Write:
    """Return what saves a dict with torch, like :func:`npz`."""
    return lambda path: torch.save({"features": X_TORCH, "targets": Y_TORCH} | values, path)


def pickled(content: bytes) -> Write:
    """Return what writes a file of torch's whose pickle is this."""
    return packed(("a/data.pkl", content), ("a/byteorder", b"little"), ("a/version", b"3\n"))


def tensors(text: Any, data: bytes = b"", length: int | None = None) -> Write:
    """Return what writes a .safetensors file with any header."""
    raw = text if isinstance(text, bytes) else json.dumps(text).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)


def edited(write: Write, change: Callable[[bytes], bytes]) -> Write:
    """Return what writes a file and then changes its bytes."""

    def both(path: Path) -> None:
        write(path)
        path.write_bytes(change(path.read_bytes()))

    return both


def _npz_numbers() -> Iterator[tuple[str, int, Write]]:
    for code in "?bhilBHILefdg":
        yield f"features {np.dtype(code)}.npz", READ, npz(features=np.abs(X).astype(code))
    for code in (">f4", ">f8", ">i8", ">u2"):
        yield f"features {code}.npz", READ, npz(features=np.abs(X * 9).astype(code))
        yield f"targets {code}.npz", READ, npz(targets=Y.astype(code))
    for code in ("c8", "c16", "U9", "S9", "M8[s]", "m8[s]", "V8", "f4,i4", "(2,)f4"):
        yield (
            f"features {code}.npz",
            REFUSED,
            npz(features=np.zeros((12, 4), dtype=code.replace("(2,)f4", "c8"))),
        )
        yield f"targets {code}.npz", REFUSED, npz(targets=np.zeros((12, 3), dtype=code.replace("(2,)f4", "c8")))
    yield "fortran.npz", READ, npz(features=np.asfortranarray(X))
    yield (
        "objects.npz",
        REFUSED,
        lambda path: np.savez(
            path, features=np.array([[1, None]] * 12, dtype=object), targets=Y, allow_pickle=True
        ),
    )
    yield (
        "names as objects.npz",
        REFUSED,
        lambda path: np.savez(path, features=X, targets=Y, class_names=np.array(["a", "b", "c"], dtype=object)),
    )
    nasty_dtype = np.dtype([(NASTY, "f4")])
    yield "nasty field.npz", REFUSED, npz(features=np.zeros((12, 4), dtype=nasty_dtype))
    for shape in ((), (12,), (12, 0), (0, 4), (12, 3, 0), (12, 3, 4, 1), (12, 2, 4)):
        yield f"features {shape}.npz", REFUSED, npz(features=np.zeros(shape))
    for value in (np.nan, np.inf, -np.inf):
        yield f"features {value}.npz", REFUSED, npz(features=np.full((12, 4), value))
        yield f"scores {value}.npz", REFUSED, npz(scores=np.full((12, 3), value))
        yield f"weight {value}.npz", REFUSED, npz(classifier_weight=np.full((3, 4), value))
        yield (
            f"bias {value}.npz",
            REFUSED,
            npz(classifier_weight=np.ones((3, 4)), classifier_bias=np.full(3, value)),
        )
    for value in (1e-320, 1e-30, 1e15, 1e30, 1e300):
        outcome = READ if value < 1e18 else REFUSED
        yield f"features times {value}.npz", outcome, npz(features=X.astype(float) * value)
        weight, scores = RNG.standard_normal((3, 4)), RNG.random((12, 3))
        yield (
            f"weights times {value}.npz",
            outcome,
            npz(classifier_weight=value * weight, scores=value * scores),
        )
    yield (
        "half.npz",
        READ,
        npz(features=(X * 1e4).astype(np.float16), scores=(X[:, :3] * 1e4).astype(np.float16)),
    )
    yield "identical.npz", READ, npz(features=np.ones((12, 4)))
    yield "zeros.npz", READ, npz(features=np.zeros((12, 4)), classifier_weight=np.zeros((3, 4)))
    yield "one image.npz", READ, npz(features=X[:1], targets=ONE_HOT[:1])
    yield "wide.npz", READ, npz(features=np.ones((2, 100_000), dtype=np.float32), targets=np.arange(2))
    yield "weight of bytes.npz", REFUSED, npz(classifier_weight=np.full((3, 4), b"1"))
    yield "complex scores.npz", REFUSED, npz(scores=np.ones((12, 3), dtype=complex))
    yield (
        "integer scores.npz",
        READ,
        npz(scores=ONE_HOT.astype(np.int8), classifier_weight=np.ones((3, 4), dtype=np.uint8)),
    )


def _npz_archives() -> Iterator[tuple[str, int, Write]]:
    good = (("features.npy", npy(X)), ("targets.npy", npy(Y)))
    y = good[1]
    deflated = zipfile.ZIP_DEFLATED
    for name, method in (("deflate", deflated), ("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        yield f"{name}.npz", READ, packed(*good, method=method)
    head = header("{'descr': '<f4', 'fortran_order': False, 'shape': (12, 50000000)}")
    yield "bomb.npz", REFUSED, _bomb("features.npy", head, 2_400_000_000)
    yield "bomb nobody asks for.npz", READ, _bomb("other.npy", head, 1_000_000_000)
    yield (
        "bomb of targets.npz",
        REFUSED,
        _bomb(
            "targets.npy",
            header("{'descr': '|u1', 'fortran_order': False, 'shape': (12, 90000000)}"),
            1_080_000_000,
        ),
    )
    yield (
        "header without end.npz",
        REFUSED,
        _bomb("features.npy", header("", 2, 2**32 - 1), 1_000_000_000, b" "),
    )
    yield (
        "larger than it says.npz",
        REFUSED,
        edited(
            packed(*good), lambda raw: raw.replace(struct.pack("<I", len(good[0][1])), struct.pack("<I", 10**9))
        ),
    )
    for name, shape in {
        "negative": "(-12, 4)", "huge": "(12, 4000000000000)", "huger": f"({2**63}, {2**63})",
        "zero of huge": f"(0, {2**62})", "minus twice": "(-12, -4)", "words": "('a', 4)", "float": "(12.0, 4)",
        "true": "(True, 4)", "deep": "(" * 3000, "long": "(" + "1, " * 3000 + ")", "digits": f"({'9' * 5000},)",
    }.items():  # fmt: skip
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"
        yield f"shape {name}.npz", REFUSED, packed(("features.npy", header(text) + X.tobytes()), y)
    for name, descr in {
        "unknown": "'<q9'", "object": "'|O'", "of no size": "'V0'", "words of no size": "'<U0'", "huge": "'<U400000000'",
        "list": "[('a', '<f4'), ('a', '<f4')]", "nested": "[('a', [('b', '|O')])]", "nothing": "None",
        "sub": "('<f4', (10000, 10000))", "tuple": "('<f4', (-1,))", "code": "__import__('os').system('id')",
        "nasty": repr(NASTY), "alignment": "'<f4,i8,(3,)f2'", "text": "'T'", "null": "'\\\\0'",
    }.items():  # fmt: skip
        text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (12, 4)}}"
        yield f"dtype {name}.npz", REFUSED, packed(("features.npy", header(text) + X.tobytes()), y)
    for number in (0, 3, 9):
        raw = header("{'descr': '<f4', 'fortran_order': False, 'shape': (12, 4)}", 2)
        raw = raw[:6] + bytes([number]) + raw[7:]
        yield f"version {number}.npz", REFUSED, packed(("features.npy", raw + X.tobytes()), y)
    yield "no magic.npz", REFUSED, packed(("features.npy", b"hello"), y)
    yield "empty member.npz", REFUSED, packed(("features.npy", b""), y)
    yield "short member.npz", REFUSED, packed(("features.npy", npy(X)[:-9]), y)
    yield "pickle as member.npz", REFUSED, packed(("features.npy", pickle.dumps({"a": 1})), y)
    yield "no members.npz", REFUSED, packed()
    yield "names outside.npz", READ, packed(*good, ("../../evil.npy", npy(X)), ("/etc/evil.npy", npy(X)))
    yield "nasty members.npz", REFUSED, packed(*((f"{NASTY}{index}.npy", npy(X)) for index in range(40)))
    yield (
        "twice.npz",
        REFUSED,
        edited(packed(("featurez.npy", npy(X + 1)), *good), lambda raw: raw.replace(b"featurez", b"features")),
    )
    yield "encrypted.npz", REFUSED, edited(packed(*good), _encrypted)
    yield (
        "unknown packing.npz",
        REFUSED,
        edited(
            packed(*good),
            lambda raw: raw.replace(b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x61\0"),
        ),
    )
    yield "overlapping.npz", REFUSED, edited(packed(*good, ("targets2.npy", npy(Y))), _overlapping)
    yield (
        "changed byte.npz",
        REFUSED,
        edited(packed(*good), lambda raw: raw.replace(X.tobytes()[8:16], b"\1" * 8)),
    )
    yield (
        "index elsewhere.npz",
        REFUSED,
        edited(packed(*good), lambda raw: raw[:-6] + struct.pack("<I", 2**31) + raw[-2:]),
    )
    yield "many members.npz", READ, packed(*good, *((f"{index}.npy", b"") for index in range(20_000)))
    for cut in (1, 4, 100, -1, -22, -60):
        yield f"cut at {cut}.npz", REFUSED, edited(packed(*good), lambda raw, cut=cut: raw[:cut])
    yield "zero bytes.npz", REFUSED, lambda path: path.write_bytes(b"")
    yield "zeros only.npz", REFUSED, lambda path: path.write_bytes(bytes(4096))
    yield "array by itself.npz", REFUSED, lambda path: path.write_bytes(npy(X))
    yield "in front.npz", READ, edited(packed(*good), lambda raw: b"#!/bin/sh\nexit 1\n" + raw)
    yield "sparse file.npz", REFUSED, lambda path: (path.touch(), os.truncate(path, 2**36))


def _bomb(name: str, head: bytes, size: int, fill: bytes = b"\0") -> Write:
    """Return what writes an archive one member of which unpacks to ``size`` bytes and more."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(fill * 2**22) + squeeze.flush(zlib.Z_FULL_FLUSH)
    number = size // 2**22 + 1
    stream = start + block * number + squeeze.flush()
    others = [
        (other, npy(array)) for other, array in (("features.npy", X), ("targets.npy", Y)) if other != name
    ]

    def claim(raw: bytes) -> bytes:
        # in the member's own header and in the index: deflated, and its size unpacked
        for sign, method, place in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
            at = raw.index(sign)
            raw = raw[: at + method] + struct.pack("<H", zipfile.ZIP_DEFLATED) + raw[at + method + 2 :]
            raw = raw[: at + place] + struct.pack("<I", len(head) + number * 2**22) + raw[at + place + 4 :]
        return raw

    return edited(packed((name, stream), *others), claim)


def _encrypted(raw: bytes) -> bytes:
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = raw.index(sign)
        raw = raw[: start + place] + b"\1\0" + raw[start + place + 2 :]
    return raw


def _overlapping(raw: bytes) -> bytes:
    # the second entry of the index points at the first member
    first = raw.index(b"PK\x01\x02")
    second = raw.index(b"PK\x01\x02", first + 4)
    return raw[: second + 42] + struct.pack("<I", 0) + raw[second + 46 :]


def _torch_numbers() -> Iterator[tuple[str, int, Write]]:
    whole = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool")
    real = ("float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz")
    for name in (*whole, *real, "float8_e5m2fnuz", "float8_e8m0fnu"):
        changed = X_TORCH.abs().to(getattr(torch, name))
        yield f"{name}.pt", READ, pt(features=changed)
        yield f"{name}.safetensors", READ, tensors_of(changed)
    for name in ("float4_e2m1fn_x2", "bits8", "complex32", "complex64", "complex128"):
        changed = torch.zeros(12, 4 * getattr(torch, name).itemsize, dtype=torch.uint8).view(
            getattr(torch, name)
        )
        yield f"{name}.pt", REFUSED, pt(features=changed)
        if name in ("float4_e2m1fn_x2", "complex64"):
            yield f"{name}.safetensors", REFUSED, tensors_of(changed)
    for name, changed in {
        "coo": X_TORCH.to_sparse(), "csr": X_TORCH.to_sparse_csr(), "csc": X_TORCH.to_sparse_csc(),
        "bsr": X_TORCH.to_sparse_bsr((2, 2)), "quantised": torch.quantize_per_tensor(X_TORCH, 0.1, 0, torch.qint8),
        "quantised by channel": torch.quantize_per_channel(X_TORCH, torch.ones(12), torch.zeros(12), 0, torch.quint8),
        "parameter": torch.nn.Parameter(X_TORCH.clone()), "transposed": X_TORCH.T.contiguous().T,
        "repeated rows": X_TORCH[:1].expand(12, 4), "turned around": torch.complex(X_TORCH, X_TORCH).conj().imag,
        "batches": list(X_TORCH.split(5)), "tuple of rows": tuple(X_TORCH), "nested lists": X_TORCH.tolist(),
        "batches of kinds": [X_TORCH[:6], X_TORCH[6:].double()],
    }.items():  # fmt: skip
        yield f"{name}.pt", READ, pt(features=changed)
    for name, changed in {
        "meta": X_TORCH.to("meta"), "complex": X_TORCH + 1j, "repeated": torch.zeros(1).expand(12, 10**9),
        "sparse huge": torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (12, 10**10)),
        "sparse hybrid": torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 4), (10**9, 4)),
        "nested": torch.nested.nested_tensor([X_TORCH[:3], X_TORCH[:5]]),
        "batches that differ": [X_TORCH, X_TORCH[:, :2]], "batches of batches": [[X_TORCH], [X_TORCH]],
        "batches and none": [X_TORCH, None], "unequal lists": [[1.0, 2.0], [3.0]], "huge whole": [[10**40] * 4] * 12,
        "dict": {"a": X_TORCH}, "text": "features", "none": None, "no batch": [], "lists of none": [[None] * 4] * 12,
        "repeated batches": [torch.zeros(1).expand(12, 10**7)] * 100, "numbers and tensors": [1.0, X_TORCH],
        "one repeated row": [[0.0] * 1000] * 100_000, "size": X_TORCH.shape, "device": torch.device("cpu"), "dtype": torch.float32,
    }.items():  # fmt: skip
        yield f"{name}.pt", REFUSED, pt(features=changed)
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    yield "deep list.pt", REFUSED, pt(features=deep)
    wide: Any = [0.0]
    for _ in range(60):
        wide = [wide, wide]
    yield "laughing list.pt", REFUSED, pt(features=wide)
    yield "labels one by one.pt", READ, pt(targets=list(Y_TORCH))
    yield "labels as list.pt", READ, pt(targets=Y.tolist())
    yield "tags as lists.pt", READ, pt(targets=ONE_HOT.tolist())


def tensors_of(features: torch.Tensor) -> Write:
    """Return what writes features and targets as .safetensors."""
    return lambda path: save_file({"features": features, "targets": Y_TORCH}, path)


def _pt_archives() -> Iterator[tuple[str, int, Write]]:
    yield "numpy inside.pt", REFUSED, lambda path: torch.save({"features": X, "targets": Y}, path)
    yield "tensor by itself.pt", REFUSED, lambda path: torch.save(X_TORCH, path)
    yield "list by itself.pt", REFUSED, lambda path: torch.save([X_TORCH, Y_TORCH], path)
    yield "whole model.pt", REFUSED, lambda path: torch.save(torch.nn.Linear(4, 3), path)
    yield "weights.pt", REFUSED, lambda path: torch.save(torch.nn.Linear(4, 3).state_dict(), path)
    yield (
        "old format.pt",
        REFUSED,
        lambda path: torch.save({"features": X_TORCH}, path, _use_new_zipfile_serialization=False),
    )
    yield "bare pickle.pt", REFUSED, lambda path: path.write_bytes(pickle.dumps({"features": [1]}))
    yield "keys as bytes.pt", READ, lambda path: torch.save({b"features": X_TORCH, b"targets": Y_TORCH}, path)
    yield (
        "odd keys.pt",
        READ,
        lambda path: torch.save(
            {"features": X_TORCH, "targets": Y_TORCH, 3: 1, (1, (2,)): 2, None: 3, NASTY: 4}, path
        ),
    )
    yield "nasty keys.pt", REFUSED, lambda path: torch.save({NASTY: X_TORCH, NASTY * 99: 1}, path)
    yield "large tensor nobody asks for.pt", READ, pt(other=torch.zeros(50_000_000))

    def again(path: Path, method: int, extra: int = 0) -> None:
        stream = io.BytesIO()
        torch.save({"features": torch.zeros(2, 1_000_000), "targets": torch.arange(2)}, stream)
        with zipfile.ZipFile(stream) as old, zipfile.ZipFile(path, "w", method) as new:
            for part in old.infolist():
                new.writestr(part.filename, old.read(part) + bytes(extra if "/data/" in part.filename else 0))

    yield "packed.pt", REFUSED, lambda path: again(path, zipfile.ZIP_DEFLATED)
    yield "bomb.pt", REFUSED, lambda path: again(path, zipfile.ZIP_DEFLATED, 300_000_000)
    yield "packed again.pt", READ, lambda path: again(path, zipfile.ZIP_STORED)
    for name, body in {
        "deep tuples": b"}" + b")" + b"\x85" * 3_000_000 + b"K\x01s.",
        "deep lists": b"]" * 3_000_000 + b"a" * 2_999_999 + b".",
        "deep dicts": b"}K\x01" * 1_000_000 + b"}" + b"s" * 1_000_000 + b".",
        "many dicts": b"(" + b"}" * 4_000_000 + b"t.",
        "too many dicts": b"(" + b"}" * 9_000_000 + b"t.",
        "many memos": b"}" + b"".join(b"r" + struct.pack("<I", index) for index in range(800_000)) + b".",
        "no end": b"}", "nothing": b"", "pops": b"0" * 100, "no such memo": b"h\x05.", "text": b"hello",
        "long number": b"\x8b" + struct.pack("<i", 2_000_000) + b"\x7f" * 2_000_000 + b".",
        "number of no end": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
        "word of no end": b"X" + struct.pack("<I", 2**32 - 1) + b"a.",
        "array of bytes": b"c__builtin__\nbytearray\nJ" + struct.pack("<i", 2**31 - 1) + b"\x85R.",
        "storage": b"ctorch\nFloatStorage\n\x8a\x05" + (2**36).to_bytes(5, "little") + b"\x85R.",
        "system": b"cos\nsystem\nX\x02\0\0\0id\x85R.", "eval": b"c__builtin__\neval\nX\x03\0\0\x001+1\x85R.",
        "nasty global": f"c{NASTY[:-3].replace(chr(10), '')}\nx\n.".encode(), "extension": b"\x82\x01.",
        "rebuild": b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNNtR.", "persistent": b"X\x01\0\0\0aQ.",
    }.items():  # fmt: skip
        yield f"pickle {name}.pt", REFUSED, pickled(b"\x80\x02" + body)
    yield "missing storage.pt", REFUSED, lambda path: _without(path, "data/0")
    yield "short storage.pt", REFUSED, lambda path: _without(path, "data/0", b"abc")
    yield "no version.pt", REFUSED, lambda path: _without(path, "version")
    yield "other endian.pt", REFUSED, lambda path: _without(path, "byteorder", b"big")
    yield "nonsense endian.pt", REFUSED, lambda path: _without(path, "byteorder", b"middle")
    for cut in (3, 100, 700, -1, -30):
        yield f"cut at {cut}.pt", REFUSED, edited(pt(), lambda raw, cut=cut: raw[:cut])
    yield "changed byte.pt", REFUSED, edited(pt(), lambda raw: raw.replace(X.tobytes()[8:16], b"\1" * 8))
    yield "zero bytes.pt", REFUSED, lambda path: path.write_bytes(b"")
    yield "npz in truth.pt", REFUSED, lambda path: path.write_bytes(_bytes_of(npz()))
    yield "pt in truth.npz", REFUSED, lambda path: torch.save({"features": X_TORCH, "targets": Y_TORCH}, path)
    yield "capitals.PT", READ, pt()
    yield "other ending.pth", READ, pt()


def _bytes_of(write: Callable[[Any], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def _without(path: Path, ending: str, instead: bytes | None = None) -> None:
    with zipfile.ZipFile(io.BytesIO(_bytes_of(pt()))) as old, zipfile.ZipFile(path, "w") as new:
        for part in old.infolist():
            if not part.filename.endswith(ending):
                new.writestr(part.filename, old.read(part))
            elif instead is not None:
                new.writestr(part.filename, instead)


def _safetensors_headers() -> Iterator[tuple[str, int, Write]]:
    def one(dtype: str = "F32", shape: Any = (12, 4), offsets: Any = (0, 192)) -> dict[str, Any]:
        targets = {"dtype": "U8", "shape": [12], "data_offsets": [192, 204]}
        return {"features": {"dtype": dtype, "shape": shape, "data_offsets": offsets}, "targets": targets}

    data = X.tobytes() + Y.astype(np.uint8).tobytes()
    yield "good.safetensors", READ, tensors(one(), data)
    yield "about it.safetensors", READ, tensors({**one(), "__metadata__": {NASTY: NASTY}}, data)
    for name, header_ in {
        "negative": one(shape=(-12, 4)), "huge": one(shape=(12, 2**62)), "float": one(shape=(12.5, 4)),
        "dtype": one("F99"), "nasty dtype": one(NASTY), "backwards": one(offsets=(192, 0)),
        "outside": one(offsets=(0, 2**40)), "overlapping": {**one(), "other": one()["features"]},
        "words": one(shape="ab"), "nothing": one(shape=None), "complex": one("C64", (12, 2)), "four bits": one("F4", (12, 32)),
        "no dict": [1, 2], "empty": {}, "none": None, "nasty names": {NASTY: one()["features"]}, "wrong size": one(shape=(12, 5)),
    }.items():  # fmt: skip
        yield f"{name}.safetensors", REFUSED, tensors(header_, data)
    yield "deep.safetensors", REFUSED, tensors(b'{"features":' + b"[" * 100_000)
    yield "long header.safetensors", REFUSED, tensors(b"{}" + b" " * 9_000_000)
    for length in (0, 1, 10**8, 2**40, 2**63, 2**64 - 1):
        yield f"header of {length}.safetensors", REFUSED, tensors(b"{}", length=length)
    for cut in (0, 5, 8, 50, -1):
        yield f"cut at {cut}.safetensors", REFUSED, edited(tensors(one(), data), lambda raw, cut=cut: raw[:cut])
    yield "more.safetensors", REFUSED, edited(tensors(one(), data), lambda raw: raw + b"abc")
    yield "no text.safetensors", REFUSED, tensors(b"\xff\xfe" * 20)
    size = 2**30
    large = {
        "features": {"dtype": "F32", "shape": [12, 2], "data_offsets": [0, 96]},
        "other": {"dtype": "U8", "shape": [size], "data_offsets": [96, 96 + size]},
        "targets": {"dtype": "U8", "shape": [12], "data_offsets": [96 + size, 108 + size]},
    }
    end = len(json.dumps(large)) + 8 + 96 + size

    def sparse(path: Path) -> None:
        tensors(large, data[:96])(path)
        with path.open("r+b") as stream:
            stream.seek(end)
            stream.write(data[-12:])

    yield "sparse file.safetensors", READ, sparse


def _targets_and_names() -> Iterator[tuple[str, int, Write]]:
    for name, targets in {
        "bool": ONE_HOT > 0, "float": ONE_HOT.astype(float), "half": ONE_HOT.astype(np.float16), "indices as bytes": Y.astype(np.uint8),
        "indices as floats": Y.astype(np.float32), "minus zero": -0.0 * ONE_HOT + ONE_HOT, "all tags": np.ones((12, 3)),
        "no tags": np.zeros((12, 3)), "gaps": Y * 7,
    }.items():  # fmt: skip
        yield f"targets {name}.npz", READ, npz(targets=targets)
    for name, targets in {
        "soft": ONE_HOT * 0.5, "signs": ONE_HOT * 2.0 - 1, "two": ONE_HOT * 2, "nan": ONE_HOT * np.nan, "negative": -Y,
        "half indices": Y + 0.5, "nan indices": Y * np.nan, "infinite indices": Y + np.inf, "column": Y[:, None], "huge": Y + 2**40,
        "huger": Y.astype(np.uint64) + np.uint64(2**63), "float huge": Y + 1e300, "many": np.arange(12) * 800, "bool indices": Y > 0,
        "fewer": Y[:5], "cube": np.zeros((12, 3, 2)), "scalar": np.array(3), "no class": np.zeros((12, 0)), "one": np.zeros(12, int),
        "words": np.array(["a"] * 12), "dates": Y.astype("M8[s]"), "more classes": np.zeros((12, 100_000), dtype=bool),
    }.items():  # fmt: skip
        yield f"targets {name}.npz", REFUSED, npz(targets=targets)
    for name, words in {
        "bytes": np.array([b"cat", b"dog", b"bus"]), "numbers": np.arange(3), "spaces": np.array([" cat\n", "dog\t", "big  bus"]),
        "letters": np.array(["żółw", "中", "🦄"]), "utf-8 bytes": np.array(["żółw".encode(), b"b", b"c"]),
    }.items():  # fmt: skip
        yield f"names {name}.npz", READ, npz(class_names=words)
    for name, words in {
        "twice": np.array(["crane", "crane", "bus"]), "twice with spaces": np.array(["crane", "crane ", "bus"]), "empty": np.array(["", "b", "c"]),
        "spaces only": np.array([" \n", "b", "c"]), "few": np.array(["a", "b"]), "none": np.array([], dtype="U1"), "floats": np.arange(3.0),
        "control": np.array(["a\x1b[2J", "b", "c"]), "bidi": np.array(["a\u202eb", "b", "c"]), "long": np.array(["a" * 10_000, "b", "c"]),
        "latin-1": np.array([b"\xfc", b"b", b"c"]), "one word": np.array("a,b,c"), "table": np.array([["a"], ["b"], ["c"]]), "bools": np.array([True, False, True]),
        "half a letter": np.array(["\ud800", "b", "c"]), "no letter": np.array(["a", "b", "c"]).view(np.uint32).__add__(2**31).view("U1"),
        "dates": np.arange(3).astype("M8[D]"), "zero": np.array(["a\0b", "b", "c"]),
    }.items():  # fmt: skip
        yield f"names {name}.npz", REFUSED, npz(class_names=words)
    for name, values in {
        "list": ["a", "b", "c"], "tuple": ("a", "b", "c"), "by index": {2: "c", 0: "a", 1: "b"}, "with index": {"c": 2, "a": 0, "b": 1},
        "bytes": [b"a", b"b", b"c"], "mixed": ["a", b"b", 3],
    }.items():  # fmt: skip
        yield f"names {name}.pt", READ, pt(class_names=values)
    for name, values in {
        "gap": {0: "a", 1: "b", 3: "c"}, "text": "abc", "none": None, "nones": [None] * 3, "lists": [["a"], ["b"], ["c"]], "tensor": X_TORCH,
        "same index": {"a": 0, "b": 0, "c": 1}, "negative": {-1: "a", 0: "b", 1: "c"}, "words": {"a": "b"}, "twice": ["a", "a", "b"],
        "huge number": [1 << 70, 2, 3], "half a letter": ["\ud800", "b", "c"],
    }.items():  # fmt: skip
        yield f"names {name}.pt", REFUSED, pt(class_names=values)


def _paths() -> Iterator[tuple[str, int, Write]]:
    yield "folder.npz", REFUSED, lambda path: path.mkdir()
    yield "pipe.npz", REFUSED, os.mkfifo
    yield "device.npz", REFUSED, lambda path: path.symlink_to("/dev/zero")
    yield "circle.npz", REFUSED, lambda path: path.symlink_to(path)
    yield "link to nothing.npz", REFUSED, lambda path: path.symlink_to("nothing")
    yield "absent.npz", REFUSED, lambda path: None
    yield "ending.txt", REFUSED, lambda path: path.write_bytes(_bytes_of(npz()))
    yield "no ending", REFUSED, lambda path: path.write_bytes(_bytes_of(npz()))
    yield "link.npz", READ, lambda path: (npz()(path.with_name("linked.npz")), path.symlink_to("linked.npz"))
    yield f"nasty {NASTY}.npz", READ, lambda path: npz()(path)
    yield f"nasty {NASTY} absent.npz", REFUSED, lambda path: None
    yield f"nasty {NASTY} damaged.pt", REFUSED, lambda path: path.write_bytes(b"PK\x03\x04")
    yield os.fsdecode(b"m\xfcller.npz"), READ, npz()
    yield os.fsdecode(b"m\xfcller.pt"), REFUSED, lambda path: None
    yield "a" * 300 + ".npz", REFUSED, lambda path: None
    yield "locked.npz", REFUSED if os.geteuid() else READ, lambda path: (npz()(path), path.chmod(0))
