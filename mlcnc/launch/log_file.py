"""The end of a job's log, and the one line of it that says most."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mlcnc.launch.regular_file import read_end, read_from

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b.*")
# colours and cursor moves, titles of windows and links, and the short ones
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-OQ-WYZ\\`-~])"
)
_TAIL_BYTES = 8_000
_AT_ONCE = 2**20
_MAX_HEADLINE = 400


def read_tail(path: Path, max_bytes: int) -> str:
    """Return the last lines of a text file; empty where there is none.

    A progress line that was written over is given as it last stood.
    """
    try:
        content, is_whole = read_end(path, max_bytes)
    except OSError:
        return ""
    if not is_whole:
        # the first line is cut somewhere, perhaps within a letter
        content = content.partition(b"\n")[2] or content
    return _plain(content)


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
        return _plain(whole + end)

    def _added(self) -> bytes:
        added = b""
        try:
            if self._position is None:
                self._position = max(0, os.lstat(self._path).st_size - self._max_bytes)
                if self._position:
                    # the first line is cut somewhere, perhaps within a letter
                    cut = self._read()
                    added = cut.partition(b"\n")[2] or cut
            while content := self._read():
                added += content
        except OSError:
            return added  # not there yet, or no regular file
        return added

    def _read(self) -> bytes:
        assert self._position is not None
        content = read_from(self._path, self._position, _AT_ONCE)
        self._position += len(content)
        return content


def _plain(content: bytes) -> str:
    text = _ESCAPES.sub("", content.decode("utf-8", errors="replace")).replace("\r\n", "\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


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
