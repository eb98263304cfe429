"""One large file over HTTP: told about in lines, gone on with where it broke off, checked for its size."""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlcnc.errors import DataError

CHUNK_BYTES = 2**20
LARGEST_BYTES = 4 * 2**30
"""Of a file whose size nobody stated before."""

TIMEOUT_SECONDS = 30.0
PAUSES_SECONDS = (1.0, 4.0, 15.0)
"""Before going on after the connection broke off, each time without a byte more than before."""

LINE_EVERY_SECONDS = 5.0


class NoConnectionError(DataError):
    """The address cannot be reached from this machine."""


@dataclass
class Progress:
    """Lines that say how far something is: percentage, megabytes, rate and time left.

    Args:
        what: first word of every line.
        total: bytes in all, None where unknown.
        say: receives the lines.
        done: bytes that were there before.
    """

    what: str
    total: int | None
    say: Callable[[str], None]
    done: int = 0
    _began: float = field(default_factory=time.monotonic)
    _told: float = float("-inf")
    _before: int = 0

    def __post_init__(self) -> None:
        self._before = self.done

    def add(self, number: int) -> None:
        """Count so many bytes more; a line is said every few seconds and at the end."""
        self.done += number
        at_end = self.total is not None and self.done >= self.total
        if at_end or time.monotonic() - self._told >= LINE_EVERY_SECONDS:
            self._told = time.monotonic()
            self.say(self._line())

    def _line(self) -> str:
        seconds = time.monotonic() - self._began
        rate = (self.done - self._before) / seconds if seconds > 0.5 else 0.0
        pace = f", {rate / 1e6:.1f} MB/s" if rate else ""
        if self.total is None:
            return f"{self.what}: {self.done / 1e6:.0f} MB{pace}"
        share = 100 * self.done / self.total if self.total else 100.0
        left = f", {clock((self.total - self.done) / rate)} left" if rate and self.done < self.total else ""
        return f"{self.what}: {share:3.0f} %, {self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB{pace}{left}"


def fetch(
    address: str,
    part: Path,
    *,
    starts_with: bytes,
    say: Callable[[str], None],
    at_most: int = LARGEST_BYTES,
) -> None:
    """Download ``address`` into ``part``, going on with what is there of an earlier attempt.

    Beside ``part`` lies ``<part>.json`` with what the server said of the file; where it says something else
    now, the download starts anew. An interruption leaves both for the next time.

    Args:
        address: http or https.
        part: where the bytes go; whole when this returns.
        starts_with: the first bytes of such a file; another answer, e.g. a page of HTML, is refused.
        say: receives lines.
        at_most: bytes that such a file can have; a larger one is refused.

    Raises:
        NoConnectionError: there is no way to the server.
        DataError: the server refuses, sends something else, or breaks off again and again.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise DataError(f"the address must begin with http:// or https://, got {address!r}")
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(address, part, starts_with, say, at_most)
            return
        except (OSError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                raise DataError(f"{address} answers {error.code} {error.reason}") from None
            if isinstance(error, OSError) and error.filename is not None:
                raise DataError(f"{part} cannot be written: {error.strerror}") from None
            reason = getattr(error, "reason", None) or error
            failures = 0 if _size(part) > before else failures + 1
            if failures > len(PAUSES_SECONDS) or (not _size(part) and isinstance(error, urllib.error.URLError)):
                raise NoConnectionError(_broken(address, part, reason)) from None
            pause = PAUSES_SECONDS[max(failures - 1, 0)]
            say(f"the connection broke off ({reason}); going on in {pause:.0f} s")
            time.sleep(pause)


def forget(part: Path) -> None:
    """Remove a partial download and what is known of it."""
    part.unlink(missing_ok=True)
    _about_path(part).unlink(missing_ok=True)


def _go_on(address: str, part: Path, starts_with: bytes, say: Callable[[str], None], at_most: int) -> None:
    about = _read_about(part)
    have = _size(part)
    if have and about.get("address") != address:
        forget(part)
        have, about = 0, {}
    if have and have == about.get("total"):
        return
    request = urllib.request.Request(address, headers={"User-Agent": "mlcnc", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if about.get("validator"):
            request.add_header("If-Range", about["validator"])
    try:
        response = opener().open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            # what is here is not the beginning of what the server has
            forget(part)
            raise ConnectionResetError("the file on the server has changed") from None
        raise
    with response:
        total = _total(response, have)
        resumed = response.status == 206
        if resumed and (about.get("total") != total or not _continues(response, have)):
            forget(part)
            raise ConnectionResetError("the file on the server has changed")
        if total is not None and total > at_most:
            raise DataError(f"{address} is of {total / 1e9:.1f} GB, more than such a file can have")
        if not resumed:
            have = 0
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
            _write_about(part, {"address": address, "total": total, "validator": _strong(validator)})
        elif have:
            say(f"going on after the {have / 1e6:.0f} MB that are here")
        _receive(response, part, have, total, starts_with, say, at_most)


def _receive(
    response: HTTPResponse,
    part: Path,
    have: int,
    total: int | None,
    starts_with: bytes,
    say: Callable[[str], None],
    at_most: int,
) -> None:
    progress = Progress("downloading", total, say, done=have)
    # unbuffered: what was received is in the file whenever this is interrupted
    with part.open("ab" if have else "wb", buffering=0) as stream:
        while chunk := response.read1(CHUNK_BYTES):
            if not progress.done and not chunk.startswith(starts_with[: len(chunk)]):
                kind = response.headers.get("Content-Type", "an unknown kind of file")
                stream.truncate(0)
                forget(part)
                raise DataError(f"{response.url} sends {kind} in place of the archive")
            _write_all(stream, chunk, part)
            progress.add(len(chunk))
            if progress.done > (at_most if total is None else total):
                forget(part)
                raise DataError(f"{response.url} sends more than the {total or at_most} bytes it can have")
        os.fsync(stream.fileno())
    if total is not None and progress.done < total:
        raise ConnectionResetError(f"{progress.done} of {total} bytes came")


def _write_all(stream: Any, chunk: bytes, part: Path) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[stream.write(view) :]
    except OSError as error:
        raise DataError(
            f"{part} cannot be written: {error.strerror}; what came before is kept for the next time"
        ) from None


def opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https addresses alone, through the proxy of the environment."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        director.add_handler(handler())
    return director


def _total(response: HTTPResponse, have: int) -> int | None:
    if response.status == 206:
        text = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _continues(response: HTTPResponse, have: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _strong(validator: str | None) -> str | None:
    # a weak one does not promise equal bytes, and If-Range refuses it
    return None if validator is None or validator.startswith("W/") else validator


def _about_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_about(part: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        tree = json.loads(_about_path(part).read_text(encoding="utf-8"))
        if isinstance(tree, dict):
            return tree
    return {}


def _write_about(part: Path, tree: dict[str, Any]) -> None:
    part.unlink(missing_ok=True)
    _about_path(part).write_text(json.dumps(tree), encoding="utf-8")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _broken(address: str, part: Path, reason: object) -> str:
    host = urlsplit(address).hostname
    kept = f"; the {_size(part) / 1e6:.0f} MB that came are kept for the next time" if _size(part) else ""
    return f"there is no connection to {host} ({reason}){kept}"


def clock(seconds: float) -> str:
    """Return a duration as it is read, in minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
