"""The files beside the table of jobs: a job's log, the line of it that says most, and its exit status.

Anyone may have put something else in the place of a file: only regular ones are read and written.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b.*")
# colours and cursor moves, titles of windows and links, and the short ones
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-OQ-WYZ\\`-~])"
)
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_TAIL_BYTES = 8_000
_AT_ONCE = 2**20
_MAX_HEADLINE = 400


def open_to_append(path: Path) -> int:
    """Return the descriptor of a file to append to, made if missing.

    Raises:
        OSError: it is a link, a pipe or a folder, or it cannot be written.
    """
    return _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def read_tail(path: Path, max_bytes: int) -> str:
    """Return the last lines of a text file; empty where there is none.

    A progress line that was written over is given as it last stood.
    """
    return LogReader(path, max_bytes).more(is_last=True)


class LogReader:
    """Reads a log while it grows, whole lines at a time, so that no letter and no line is cut or lost.

    Args:
        path: of the log; it may not exist yet.
        max_bytes: of what is there already, at most so many are read.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._position: int | None = None
        self._rest = b""

    def more(self, *, is_last: bool = False) -> str:
        """Return the lines since the last call; with ``is_last`` one that has no end yet too."""
        content = self._rest + self._added()
        whole, end, self._rest = content.rpartition(b"\n")
        if is_last:
            whole, end, self._rest = content, b"", b""
        text = _ESCAPES.sub("", (whole + end).decode("utf-8", errors="replace")).replace("\r\n", "\n")
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))

    def _added(self) -> bytes:
        try:
            descriptor = _opened(self._path, os.O_RDONLY)
        except OSError:
            return b""  # not there yet, or no regular file
        with open(descriptor, "rb", buffering=0) as stream:
            size = os.fstat(descriptor).st_size
            is_first = self._position is None
            if self._position is None:
                self._position = max(0, size - self._max_bytes)
            stream.seek(self._position)
            added = b""
            while content := stream.read(_AT_ONCE):
                added += content
        if is_first and self._position:
            # the first line is cut somewhere, perhaps within a letter
            self._position += len(added)
            return added.partition(b"\n")[2] or added
        self._position += len(added)
        return added


def error_line(path: Path) -> str:
    """Return the last known error or exception in a log without its prefix; empty where there is none."""
    found = ""
    for line in read_tail(path, _TAIL_BYTES).splitlines():
        if line.startswith("mlcnc: "):
            found = line.removeprefix("mlcnc: ")
        elif _EXCEPTION.match(line):
            found = line
    return found[:_MAX_HEADLINE]


def last_line(path: Path) -> str:
    """Return the last line that is not empty; the empty string where there is none."""
    lines = [line.strip() for line in read_tail(path, _TAIL_BYTES).splitlines()]
    return next((line[:_MAX_HEADLINE] for line in reversed(lines) if line), "")


def noted_exit(path: Path, pid: int | None) -> int | None:
    """Return the exit status that ``mlcnc.__main__`` left for its job, None where that process left none."""
    try:
        noted, code = map(int, read_tail(path, 100).split())
    except ValueError:
        return None
    return code if noted == pid and 0 <= code < 256 else None


def _opened(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | _FLAGS, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path.name} is no regular file; remove it")
    return descriptor
