"""Opening what a run folder holds: regular files inside of it, of a size that can be meant; nothing else.

A pipe would wait for ever, a link may lead anywhere, and a sparse file may claim more than memory holds.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from mlcnc.errors import RunFormatError

MOST_JSON_BYTES = 16 * 2**20
"""The largest real one, run.json of a thousand classes with their co-occurrence, has two thirds of it."""

SUBFOLDERS = frozenset({"epochs", "layouts", "checkpoints"})
"""Of a run folder, made when their first file is written."""

LINK = "it is a link, and links inside a run folder are not followed"

_OF_THE_RUN_ITSELF = frozenset(
    {"run.json", "status.json", "metrics.jsonl", "samples.safetensors", "notes.json", "notes.damaged.json"}
)

_KINDS = ((stat.S_ISLNK, LINK), (stat.S_ISDIR, "Is a directory"), (stat.S_ISREG, ""))
# not on every system; where they are missing there are no such files either
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
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


def require_regular(path: Path) -> os.stat_result:
    """Check a file that a library will open by its name, and return its status.

    Raises:
        FileNotFoundError: there is none.
        RunFormatError: it, or the folder of the run it lies in, is a link or something else than a file.
    """
    if lies_in_subfolder(path) and os.path.islink(path.parent):
        raise RunFormatError(f"{path.parent.name} of run {path.parent.parent.name} cannot be read: {LINK}")
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path.name) from None
    except OSError as error:
        raise RunFormatError(f"{said_of(path)} cannot be read: {error.strerror}") from None
    reason = _why_not(found)
    if reason:
        raise RunFormatError(f"{said_of(path)} cannot be read: {reason}")
    return found


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
    try:
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path.name) from None
    except OSError as error:
        # a link that is not followed is reported as a loop of links
        reason = LINK if error.errno == errno.ELOOP else error.strerror
        raise RunFormatError(f"{said_of(path)} cannot be read: {reason}") from None
    try:
        found = os.fstat(descriptor)
        reason = _why_not(found)
        if not reason and found.st_size > most:
            reason = f"it has {found.st_size} bytes, and more than {most} cannot be meant"
        if reason:
            raise RunFormatError(f"{said_of(path)} cannot be read: {reason}")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(found.st_size)
    except OSError as error:
        raise RunFormatError(f"{said_of(path)} cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


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


def _why_not(found: os.stat_result) -> str:
    for is_kind, reason in _KINDS:
        if is_kind(found.st_mode):
            return reason
    return "it is no regular file"
