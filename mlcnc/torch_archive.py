"""What torch.save writes, told from archives that would fill the memory or end Python if torch read them."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

import psutil

MOST_PICKLED_BYTES = 4 * 2**20
"""Of what is no tensor in an archive; a byte may become an object of sixty."""

MOST_TUPLES = 50_000
"""One in another, a few times as many end Python itself when something hashes them."""

_ENCRYPTED = 1
_PACKAGES = {"torch", "collections", "_codecs"}
_OTHERS = {"set", "complex"}


def is_archive(path: Path) -> bool:
    """Return whether a file begins as torch 1.6 and later write it."""
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def why_not_plain(path: Path, *, checksums: bool = True) -> str | None:
    """Return why an archive is not to be given to torch, None where nothing speaks against it.

    Args:
        path: of an archive; see :func:`is_archive`.
        checksums: read all of it to compare its checksums, which torch does not.

    Raises:
        MemoryError: the machine has less free than the file's size.
        OSError, ValueError, zipfile.BadZipFile and others: the file is damaged.
    """
    size = path.stat().st_size
    if size > psutil.virtual_memory().available:
        raise MemoryError
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        # torch looks names up whatever their case, and reads the directory where the end of the file says it is
        if len({part.filename.lower() for part in parts}) < len(parts):
            return "it holds two parts of one name"
        if archive.start_dir != _stated_start(path):
            return "its directory is not where it says"
        # torch packs nothing: what is larger unpacked is made to fill the memory
        if any(part.compress_type != zipfile.ZIP_STORED or part.flag_bits & _ENCRYPTED for part in parts):
            return "it is compressed or encrypted, which torch.save does not do"
        if sum(part.file_size for part in parts) > size:
            return "its parts are larger than itself"
        for part in parts:
            if part.filename.lower().endswith("data.pkl"):
                if part.file_size > MOST_PICKLED_BYTES:
                    return f"it holds more than {MOST_PICKLED_BYTES // 2**20} MiB that are no tensors"
                if reason := _why_not_pickle(archive.read(part)):
                    return reason
        damaged = archive.testzip() if checksums else None
    return None if damaged is None else f"the checksum of {damaged!r:.60} differs"


def _stated_start(path: Path) -> int:
    """Return where the directory of an archive is said to begin; zipfile goes by its size instead."""
    with path.open("rb") as stream:
        return int(zipfile._EndRecData(stream)[6])  # type: ignore[attr-defined]  # nothing public tells it


def _why_not_pickle(content: bytes) -> str | None:
    num_tuples = 0
    for operation, argument, _ in pickletools.genops(content):
        num_tuples += "TUPLE" in operation.name
        if operation.name == "GLOBAL":
            # torch refuses others as well, but for bytearray, of as many bytes as are asked for
            module, _, name = str(argument).partition(" ")
            if module.split(".")[0] not in _PACKAGES and name not in _OTHERS:
                what = "NumPy arrays" if module.startswith("numpy") else f"{module}.{name}"
                return f"it holds more than tensors and plain values ({what:.80})"
    return f"it holds more than {MOST_TUPLES} tuples" if num_tuples > MOST_TUPLES else None


def why_not_old(path: Path) -> str | None:
    """Return why a file of torch before 1.6, pickles in a row and then numbers, is not to be given to torch.

    Raises:
        OSError, ValueError and others: the file is damaged.
    """
    with path.open("rb") as stream:
        # a magic number, the protocol, the machine, the object, the keys of its storages
        for _ in range(5):
            begin = stream.tell()
            for _operation in pickletools.genops(stream):
                if stream.tell() - begin > MOST_PICKLED_BYTES:
                    return f"it holds more than {MOST_PICKLED_BYTES // 2**20} MiB that are no tensors"
            size, _ = stream.tell() - begin, stream.seek(begin)
            if reason := _why_not_pickle(stream.read(size)):
                return reason
    return None
