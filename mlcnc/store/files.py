"""Writing the files of a run so that every reader of runs accepts them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from mlcnc.errors import StoreError
from mlcnc.files import writing
from mlcnc.files.regular import open_regular
from mlcnc.files.writing import write_all
from mlcnc.store.metrics_file import MOST_BYTES, MOST_LINE_BYTES, MOST_LINES, epoch_of
from mlcnc.store.regular_files import (
    LINK,
    MOST_JSON_BYTES,
    lies_in_subfolder,
    read_regular,
    run_folder_of,
    tree_of,
)
from mlcnc.store.run_lock import RunLock

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where it takes no more bytes: disk, quota and limit on the size of a file."""


def replace_file(path: Path, write: Callable[[Path], object], *, keep: Path | None = None) -> None:
    """Write beside ``path``, flush to disk and rename, so that the old content stays until then.

    Args:
        path: the file to replace.
        write: writes the new content to the path it is given.
        keep: another name in the folder, under which the old content stays.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    try:
        if lies_in_subfolder(path):
            if path.parent.is_symlink():
                raise OSError(errno.ELOOP, f"{path.parent.name}: {LINK}")
            path.parent.mkdir(exist_ok=True)  # never the run folder itself: someone deleted it
        writing.replace_file(path, write, keep=keep)
    except Exception as error:
        raise store_error(path, error) from error


def write_json(path: Path, tree: Any) -> None:
    """Replace ``path`` by the tree as JSON."""
    text = json.dumps(tree, indent=1, allow_nan=False) + "\n"
    replace_file(path, lambda aside: write_all(aside, text.encode()))


def readable_json(tree: Mapping[str, Any]) -> bytes:
    """Return the tree as JSON that every reader of a run accepts; a key a line, and a table a row a line.

    Raises:
        ValueError: it holds what JSON or its readers do not take, or is too large; the message says what.
    """
    try:
        raw = ("{\n " + ",\n ".join(map(_key_and_value, tree, tree.values())) + "\n}\n").encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if len(raw) > MOST_JSON_BYTES:
        raise ValueError(f"it would take {len(raw)} bytes, and {MOST_JSON_BYTES} is the most that is read")
    try:
        tree_of(raw)
    except ValueError:
        try:
            json.dumps(tree, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            around = error.object[max(error.start - 20, 0) : error.end + 20]
            raise ValueError(
                f"it holds a text that UTF-8 cannot encode, as a file name of another encoding: {around!a}"
            ) from None
        raise
    return raw


def _key_and_value(key: str, value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        rows = (json.dumps(row, allow_nan=False, separators=(",", ":")) for row in value)
        text = "[\n  " + ",\n  ".join(rows) + "\n ]"
    else:
        indent = 1 if isinstance(value, dict) else None
        text = json.dumps(value, allow_nan=False, indent=indent).replace("\n", "\n ")
    return f"{json.dumps(key)}: {text}"


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by the content."""
    replace_file(path, lambda aside: write_all(aside, content))


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]], about: dict[str, str] | None = None) -> None:
    """Replace ``path`` by the arrays as safetensors, with ``about`` in its header."""
    packed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # in memory first: its own way to a file leaves temporary ones of other names and hides the system's error
    replace_file(path, lambda aside: write_all(aside, save(packed, about)))


def overwrite_json(path: Path, tree: Any) -> bool:
    """Write the tree over a file in place, in one write, and return whether that worked.

    The last resort on a full disk: no new room is needed, but a process killed meanwhile would damage the file.
    """
    text = (json.dumps(tree, allow_nan=False) + "\n").encode()
    try:
        descriptor, length = open_regular(path, os.O_WRONLY)
        try:
            text = text.ljust(length)  # blanks after the object are still JSON
            if os.pwrite(descriptor, text, 0) != len(text):
                return False
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


_LEFTOVER = re.compile(r"\..+\.(\d+)\.\d+\.tmp")


def remove_leftovers(folder: Path, *, below: bool = True) -> None:
    """Remove what killed processes had begun to write in a folder: files or run folders with hidden names.

    Args:
        folder: to clean.
        below: also the folders in it.
    """
    folders = [folder]
    with contextlib.suppress(OSError):
        folders += [path for path in folder.iterdir() if below and path.is_dir() and not path.is_symlink()]
    for place in folders:
        with contextlib.suppress(OSError):
            for path in list(place.iterdir()):
                match = _LEFTOVER.fullmatch(path.name)
                if match is None or _is_in_use(int(match.group(1)), below):
                    continue
                if path.is_dir() and not path.is_symlink():
                    # made by a process of another container, whose pid says nothing here
                    with contextlib.suppress(StoreError), RunLock(path):
                        shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _is_in_use(pid: int, in_a_run: bool) -> bool:
    import psutil

    # a run has one writer, and that is us: a container gives every process the same pid
    return psutil.pid_exists(pid) and not (in_a_run and pid == os.getpid())


def mend_last_line(path: Path, end: int | None) -> None:
    """Rewrite metrics.jsonl without a half-written last line and epochs from ``end`` on.

    No other line changes, damaged ones included: what can still be made out in them stays. A file with nothing
    to drop is left alone, and so is one that does not exist.

    Raises:
        RunFormatError: it cannot be read, or is no regular file.
        StoreError: the disk is full or the folder cannot be written.
    """
    try:
        before = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        return
    *lines, last = before.split(b"\n")
    if epoch_of(last) is not None:
        lines.append(last)
    if end is not None:
        lines = [line for line in lines if (epoch := epoch_of(line)) is None or epoch < end]
    after = b"".join(line + b"\n" for line in lines)
    if after != before:
        replace_file(path, lambda aside: write_all(aside, after))


def append_line(path: Path, tree: dict[str, Any]) -> None:
    """Append one JSON line in one write and flush it to disk; a failed write leaves no half line.

    Raises:
        StoreError: the disk is full or the file cannot be written, or nobody would read it any more, because
            line or file would be larger, or the lines more, than :mod:`mlcnc.store.metrics_file` accepts.
    """
    line = (json.dumps(tree, allow_nan=False) + "\n").encode()
    if len(line) > MOST_LINE_BYTES:
        raise StoreError(
            f"the metrics of one epoch take {len(line)} bytes, and {MOST_LINE_BYTES} is the most that is read; "
            "log values by class as arrays"
        )
    try:
        descriptor, length = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            if length + len(line) > MOST_BYTES:
                raise OSError(errno.EINVAL, f"it would exceed {MOST_BYTES} bytes, the most that is read")
            if length and os.pread(descriptor, 1, length - 1) != b"\n":
                line = b"\n" + line  # a killed writer left half a line: keep ours apart
            if _num_lines(descriptor, length) + line.count(b"\n") >= MOST_LINES:
                raise OSError(errno.EINVAL, f"it has {MOST_LINES - 1} lines, the most that are read")
            if os.write(descriptor, line) != len(line):
                os.ftruncate(descriptor, length)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise store_error(path, error) from error


def _num_lines(descriptor: int, length: int) -> int:
    if length < MOST_LINES - 2:  # no room for so many
        return 0
    step = 2**20
    return sum(os.pread(descriptor, step, start).count(b"\n") for start in range(0, length, step))


def store_error(path: Path, error: BaseException) -> StoreError:
    """Return one sentence for an error of the file system."""
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if number == errno.ELOOP and reason == os.strerror(errno.ELOOP):
        reason = LINK
    advice = "Free some space or choose another runs folder" if number in FULL_DISK else ""
    if number in _NOT_ALLOWED:
        advice = "Make the runs folder writable or choose another one"
    run_id = run_folder_of(path).name
    return StoreError(
        f"{path.name} of run {run_id} could not be written: {reason}; what was logged before is intact"
        + (f". {advice}" if advice else "")
    )


_NOT_ALLOWED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
