"""Text files read while another process writes them, as a person would see them on a terminal."""

from __future__ import annotations

import re
from pathlib import Path

from mlcnc.files.regular import open_regular

# colours and cursor moves, titles of windows and links, and the short ones
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-OQ-WYZ\\`-~])"
)


def read_tail(path: Path, max_bytes: int) -> str:
    """Return the last lines of a text file; empty where there is none.

    A progress line that was written over is given as it last stood.
    """
    return GrowingText(path, max_bytes).more(is_last=True)


class GrowingText:
    """Reads a text while it grows, whole lines at a time, so that no letter and no line is cut or lost.

    Args:
        path: of the file; it may not exist yet.
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
            descriptor, size = open_regular(self._path)
        except OSError:
            return b""  # not there yet, or no regular file
        with open(descriptor, "rb", buffering=0) as stream:
            is_first = self._position is None
            start = stream.seek(max(0, size - self._max_bytes) if self._position is None else self._position)
            added = stream.read()
        self._position = start + len(added)
        # the first line is cut somewhere, perhaps within a letter
        return (added.partition(b"\n")[2] or added) if is_first and start else added
