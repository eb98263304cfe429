"""The end of a job's log, and the one line of it that says most."""

from __future__ import annotations

import re
from pathlib import Path

from mlcnc.launch.regular_file import read_end

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b.*")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TAIL_BYTES = 8_000
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
