"""Thousands of small pictures over HTTP, a few at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from mlcnc import resumed_download
from mlcnc.errors import DataError
from mlcnc.files.writing import replace_file, write_all
from mlcnc.resumed_download import (
    BROKEN,
    LINE_EVERY_SECONDS,
    NoConnectionError,
    RefusedError,
    answer,
    reason_of,
    session,
)

NUM_THREADS = 8
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")
_NOT_THERE = (403, 404, 410)
"""A bucket whose contents may not be listed answers 403 for what it does not have."""

_FOR_NOW = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Picture:
    """One picture.

    Args:
        choices: addresses with the file that each gives, tried in turn.
    """

    choices: tuple[tuple[str, Path], ...]


def fetch_pictures(pictures: Sequence[Picture], *, say: Callable[[str], None]) -> list[Picture]:
    """Download pictures and return those that no address has.

    Each is written all or nothing. An interruption or an error leaves the whole ones.

    Args:
        pictures: that are not there yet.
        say: receives a line every few seconds.

    Raises:
        NoConnectionError: there is no way to the server, or none any more.
        DataError: the server refuses or sends something else than pictures.
    """
    work = _Work()
    executor = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="picture")
    futures = {executor.submit(work.fetch, picture): picture for picture in pictures}
    try:
        _watch(futures, work, say)
    finally:
        # does nothing where all are done; a thread that waits for its server is not waited for
        work.stop.set()
        executor.shutdown(wait=False, cancel_futures=True)
        wait([future for future in futures if future.running()], timeout=2)
    return [picture for future, picture in futures.items() if not future.result()]


def _watch(futures: dict[Future[bool], Picture], work: _Work, say: Callable[[str], None]) -> None:
    began, told = time.monotonic(), 0
    waiting: set[Future[bool]] = set(futures)
    while waiting:
        done, waiting = wait(waiting, LINE_EVERY_SECONDS, FIRST_EXCEPTION)
        for future in done:
            future.result()  # raises what went wrong
        number, seconds = len(futures) - len(waiting), time.monotonic() - began
        if number > told:
            told = number
            left = f", {tqdm.format_interval(len(waiting) * seconds / number)} left" if waiting else ""
            pace = work.num_bytes / 1e6 / max(seconds, 1e-3)
            say(f"downloading: {number:,} of {len(futures):,} pictures, {pace:.1f} MB/s{left}")


@dataclass
class _Work:
    """What the threads share."""

    stop: threading.Event = field(default_factory=threading.Event)
    num_bytes: int = 0
    _session: requests.Session = field(default_factory=session)

    def fetch(self, picture: Picture) -> bool:
        """Return whether the picture came."""
        for address, target in picture.choices:
            content = self._content(address)
            if content is not None:
                _write(content, target)
                self.num_bytes += len(content)
                return True
        return False

    def _content(self, address: str) -> bytes | None:
        """Return what lies at an address; None where nothing does."""
        # looked up late: tests shorten them
        for pause in (*resumed_download.PAUSES_SECONDS, None):
            if self.stop.is_set():
                raise InterruptedError
            try:
                return self._answer(address)
            except RefusedError as error:
                if error.status in _NOT_THERE:
                    return None
                if error.status not in _FOR_NOW or pause is None:
                    raise
            except BROKEN as error:
                if pause is None or (not self.num_bytes and isinstance(error, requests.ConnectionError)):
                    host = urlsplit(address).hostname
                    raise NoConnectionError(f"there is no connection to {host} ({reason_of(error)})") from None
            self.stop.wait(pause)
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, address: str) -> bytes:
        with answer(self._session, address) as response:
            content = response.content
            if not content.startswith(_PICTURES):
                kind = response.headers.get("Content-Type", "an unknown kind of file")
                raise DataError(f"{address} sends {kind} in place of a picture")
            return content


def _write(content: bytes, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, lambda aside: write_all(aside, content), flush=False)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror}") from None
