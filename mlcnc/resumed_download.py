"""One large file over HTTPS: told about in lines, gone on with where it broke off, checked for size and sum."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests
import urllib3
from tqdm import tqdm

from mlcnc.errors import DataError

CHUNK_BYTES = 2**20
SCHEMES = ("https",)
"""Of addresses and of what they redirect to; the tests' server has no certificate and adds http."""

TIMEOUT_SECONDS = 30.0
PAUSES_SECONDS = (1.0, 4.0, 15.0)
"""Before going on after the connection broke off, each time without a byte more than before."""

LINE_EVERY_SECONDS = 5.0
LINE = "downloading: {percentage:3.0f} %, {n_fmt} of {total_fmt}B, {rate_fmt}, {remaining} left"
BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What is raised where a connection fails."""


class NoConnectionError(DataError):
    """The address cannot be reached from this machine."""


class WrongFileError(DataError):
    """A file is damaged or another one than its size and sum say."""


class RefusedError(DataError):
    """A server answers that it does not have a file, or does not give it."""

    def __init__(self, address: str, response: requests.Response) -> None:
        super().__init__(f"{address} answers {response.status_code} {response.reason}")
        self.status = response.status_code


@dataclass
class Progress:
    """Lines every few seconds and at the end that say how far a download is and how long it takes.

    Args:
        total: bytes in all.
        say: receives the lines.
        before: bytes that were there before.
    """

    total: int
    say: Callable[[str], None]
    before: int = 0
    _began: float = field(default_factory=time.monotonic)
    _told: float = float("-inf")

    def __post_init__(self) -> None:
        self.done = self.before

    def add(self, number: int) -> None:
        """Count so many bytes more."""
        self.done += number
        now = time.monotonic()
        if self.done >= self.total or now - self._told >= LINE_EVERY_SECONDS:
            self._told = now
            units: Any = {"unit": "B", "unit_scale": True, "bar_format": LINE}
            self.say(tqdm.format_meter(self.done, self.total, now - self._began, initial=self.before, **units))


@dataclass(frozen=True)
class Download:
    """One large file that is fetched into a folder, and what came of it until it is whole.

    Args:
        address: https.
        folder: where a hidden folder holds what came, kept for the next time when this is broken off.
        num_bytes: of the file.
        known_hash: e.g. ``sha256:617a...``; None checks the size alone.
        say: receives lines.
    """

    address: str
    folder: Path
    num_bytes: int
    known_hash: str | None
    say: Callable[[str], None]

    @property
    def partial(self) -> Path:
        """Where the bytes go as they come."""
        return self._own_folder / "partial"

    @property
    def _own_folder(self) -> Path:
        return self.folder / f".{urlsplit(self.address).path.rpartition('/')[2]}.download"

    def fetch(self) -> Path:
        """Return the whole file; it stays until :meth:`forget`.

        Raises:
            NoConnectionError: there is no way to the server.
            WrongFileError: size or sum is another one; what came is removed.
            DataError: the server refuses.
            OSError: the folder cannot be written.
        """
        if urlsplit(self.address).scheme not in SCHEMES:
            raise DataError(f"the address must begin with {SCHEMES[0]}://, got {self.address!r}")
        pooch.get_logger().setLevel("ERROR")
        try:
            whole = pooch.retrieve(
                self.address, self.known_hash, fname="whole", path=self._own_folder, downloader=self._download
            )
        except (WrongFileError, ValueError) as error:  # the latter of pooch, where the sum is another one
            self.forget()
            reason = error if isinstance(error, WrongFileError) else f"{self.address} has another sum"
            raise WrongFileError(f"{reason} than {self.known_hash or self.num_bytes}") from None
        return Path(whole)

    def forget(self) -> None:
        """Remove what came."""
        shutil.rmtree(self._own_folder, ignore_errors=True)

    def _download(self, address: str, target: str, _: object) -> None:
        failures = 0
        while (before := size_of(self.partial)) < self.num_bytes:
            try:
                self._go_on()
            except BROKEN as error:
                came = size_of(self.partial)
                failures = 0 if came > before else failures + 1
                reason = reason_of(error)
                if failures > len(PAUSES_SECONDS) or (not came and isinstance(error, requests.ConnectionError)):
                    kept = f"; the {came / 1e6:.0f} MB that came are kept for the next time" if came else ""
                    host = urlsplit(address).hostname
                    raise NoConnectionError(f"there is no connection to {host} ({reason}){kept}") from None
                pause = PAUSES_SECONDS[max(failures - 1, 0)]
                self.say(f"the connection broke off ({reason}); going on in {pause:.0f} s")
                time.sleep(pause)
        self.say("checking it")
        os.unlink(target)
        try:
            # a second name: what came outlives an interruption while pooch reads its sum
            os.link(self.partial, target)
        except OSError:  # this disk has no second names
            os.replace(self.partial, target)

    def _go_on(self) -> None:
        have, about = size_of(self.partial), self._about()
        headers = {}
        if have and about.get("address") == self.address and about.get("validator"):
            # the server sends the rest where the file is still the same one, else all of it
            headers = {"Range": f"bytes={have}-", "If-Range": about["validator"]}
        with answer(session(), self.address, headers) as response:
            if response.status_code == 206:
                self.say(f"going on after the {have / 1e6:.0f} MB that are here")
            else:
                have, total = 0, int(response.headers.get("Content-Length", self.num_bytes))
                if total != self.num_bytes:
                    kind = response.headers.get("Content-Type", "an unknown kind of file")
                    raise WrongFileError(f"{self.address} sends {total} bytes of {kind}, another file")
                tag = response.headers.get("ETag", "W/")
                # a weak one does not promise equal bytes, and If-Range refuses it
                validator = response.headers.get("Last-Modified") if tag.startswith("W/") else tag
                self.partial.unlink(missing_ok=True)
                self._about_path.write_text(json.dumps({"address": self.address, "validator": validator}))
            self._receive(response, have)

    def _receive(self, response: requests.Response, have: int) -> None:
        progress = Progress(self.num_bytes, self.say, have)
        with self.partial.open("ab" if have else "wb") as stream:
            while chunk := response.raw.read1(CHUNK_BYTES):
                stream.write(chunk)
                stream.flush()  # what was received is in the file whenever this is interrupted
                progress.add(len(chunk))
            os.fsync(stream.fileno())

    @property
    def _about_path(self) -> Path:
        return self._own_folder / "partial.json"

    def _about(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            tree = json.loads(self._about_path.read_text(encoding="utf-8"))
            if isinstance(tree, dict):
                return tree
        return {}


def session() -> requests.Session:
    """Return what opens https addresses alone, also where it is redirected, by the proxy of the environment."""
    opened = requests.Session()
    opened.headers.update({"User-Agent": "mlcnc", "Accept-Encoding": "identity"})
    for scheme in {"http", "https"}.difference(SCHEMES):
        del opened.adapters[f"{scheme}://"]
    return opened


def answer(
    opened: requests.Session, address: str, headers: Mapping[str, str] | None = None
) -> requests.Response:
    """Return the answer of a server, its content not read yet.

    Raises:
        RefusedError: the server has no such file.
        DataError: it redirects to an address without https.
    """
    try:
        response = opened.get(address, headers=headers, timeout=TIMEOUT_SECONDS, stream=True)
    except requests.exceptions.InvalidSchema as error:
        raise DataError(f"{address} is not read, for it leads away from https: {error}") from None
    if response.status_code >= 400:
        response.close()
        raise RefusedError(address, response)
    return response


def require_whole(path: Path, num_bytes: int, known_hash: str | None) -> None:
    """Check a file that was put somewhere by hand.

    Raises:
        WrongFileError: size or sum, e.g. ``sha256:617a...``, is another one.
    """
    if path.stat().st_size != num_bytes:
        raise WrongFileError(
            f"{path} is damaged or another one: it must have {num_bytes} bytes, got {path.stat().st_size}"
        )
    if known_hash is not None and not pooch.hashes.hash_matches(str(path), known_hash):
        raise WrongFileError(f"{path} is damaged or another one: it has another sum than {known_hash}")


def reason_of(error: BaseException) -> str:
    """Return in a few words what the system said where a connection failed."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        link = link.__context__
    return "it was closed before the end"


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0
