"""Opening what a run folder holds: regular files inside of it, of a size that can be meant; nothing else.

A pipe would wait for ever, a link may lead anywhere, and a sparse file may claim more than memory holds.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from mlcnc.errors import RunFormatError
from mlcnc.files.regular import open_regular, regular_size

MOST_JSON_BYTES = 16 * 2**20
"""The largest real one, run.json of a thousand classes with their co-occurrence, has two thirds of it."""

SUBFOLDERS = frozenset({"epochs", "layouts", "checkpoints"})
"""Of a run folder, made when their first file is written."""

LINK = "it is a link, and links inside a run folder are not followed"

_OF_THE_RUN_ITSELF = frozenset(
    {"run.json", "status.json", "metrics.jsonl", "samples.safetensors", "notes.json", "notes.damaged.json"}
)

# int() refuses more digits with an error of its own, and no float holds so many
_LONG_NUMBER = re.compile(rb"[0-9]{309}")


def lies_in_subfolder(path: Path) -> bool:
    """Return whether a file lies in a subfolder of a run; a run itself may be called ``epochs``."""
    return path.parent.name in SUBFOLDERS and path.name not in _OF_THE_RUN_ITSELF


def run_folder_of(path: Path) -> Path:
    """Return the run folder that a file belongs to."""
    return path.parent.parent if lies_in_subfolder(path) else path.parent


def said_of(path: Path) -> str:
    """Return a file of a run in words, e.g. ``run.json of run mine``, without its path."""
    # the name of an epoch's file says enough, that of a layout does not
    folder = f"{path.parent.name}/" if lies_in_subfolder(path) and path.parent.name != "epochs" else ""
    return f"{folder}{path.name} of run {run_folder_of(path).name}"


def require_regular(path: Path) -> int:
    """Check a file that a library will open by its name, and return its size.

    Raises:
        FileNotFoundError: there is none.
        RunFormatError: it, or the folder of the run it lies in, is a link or something else than a file.
    """
    if lies_in_subfolder(path) and os.path.islink(path.parent):
        raise RunFormatError(f"{path.parent.name} of run {path.parent.parent.name} cannot be read: {LINK}")
    with _told(path):
        return regular_size(path, follow=False)


def require_own_folders(run_folder: Path) -> None:
    """Check a run folder that is to be written: what leads out of it is left alone.

    Raises:
        RunFormatError: the folder of its arrays, layouts or checkpoints is a link.
    """
    for name in sorted(SUBFOLDERS):
        if os.path.islink(run_folder / name):
            raise RunFormatError(f"{name} of run {run_folder.name} cannot be written: {LINK}")


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a file of a run.

    Args:
        path: of the file.
        most: bytes it may have.

    Raises:
        FileNotFoundError: there is none.
        RunFormatError: it is no regular file, larger than ``most``, or the system refuses to read it.
    """
    with _told(path):
        descriptor, size = open_regular(path)
        with open(descriptor, "rb") as stream:
            if size > most:
                raise OSError(errno.EFBIG, f"it has {size} bytes, and more than {most} cannot be meant")
            return stream.read(size)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system says of a file of a run into one sentence."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path.name) from None
    except OSError as error:
        # a link that is not followed is reported as a loop of links
        reason = LINK if error.errno == errno.ELOOP else error.strerror
        raise RunFormatError(f"{said_of(path)} cannot be read: {reason}") from None


def read_json(path: Path) -> Any:
    """Return the tree of a JSON file of a run; texts in it can be encoded and numbers written out.

    Raises:
        RunFormatError: the file is missing, cannot be read, or is damaged.
    """
    try:
        raw = read_regular(path, MOST_JSON_BYTES)
    except FileNotFoundError:
        raise RunFormatError(f"{said_of(path)} is missing") from None
    try:
        return tree_of(raw)
    except ValueError as error:
        raise RunFormatError(f"{said_of(path)} is damaged: {error}") from None


def tree_of(raw: bytes) -> Any:
    """Return the tree of JSON text.

    Raises:
        ValueError: it is no JSON, nested beyond reason, or holds a number of hundreds of digits.
    """
    if _LONG_NUMBER.search(raw):
        raise ValueError("it holds a number of more than 308 digits")
    # unlike json it refuses lone surrogates, which no page and no terminal can show, and deep nesting
    return from_json(raw)
