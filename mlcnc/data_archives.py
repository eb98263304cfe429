"""Archives of photographs: told from damaged ones, and of them only the wanted files unpacked."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mlcnc.files.writing import replace_file
from mlcnc.resumed_download import WrongFileError


class ArchiveError(WrongFileError):
    """An archive is damaged, another one, or does not hold what it should."""


def unpack(path: Path, wanted: Mapping[str, Path], *, say: Callable[[str], None]) -> int:
    """Write the members that ``wanted`` names to its paths, each all or nothing, and return their number.

    Nothing else is unpacked, links are passed over, no path in the archive is followed, and a file that is
    there is kept.

    Args:
        path: a zip or an uncompressed tar.
        wanted: from names of members to files.
        say: receives lines.

    Raises:
        ArchiveError: it cannot be read to its end.
    """
    done = 0
    with _read(path):
        for name, source in _members(path, wanted):
            with source:
                _write(source, wanted[name])
            done += 1
            if done % 1000 == 0:
                say(f"unpacking {path.name}: {done:,} files")
    return done


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise ArchiveError(f"the archive {path} is damaged: {error}") from None


def _members(path: Path, wanted: Mapping[str, Path]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the wanted regular files of an archive in its order, opened."""
    if _begins_like_zip(path):
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                if entry.filename in wanted and not stat.S_ISLNK(entry.external_attr >> 16):
                    yield entry.filename, packed.open(entry)
        return
    left = set(wanted)
    # plain reading: a tar inside of a compressed file is none of these archives
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name in left and member.isreg():
                source = tar.extractfile(member)
                assert source is not None
                yield name, source
                left.discard(name)
                if not left:
                    return


def _begins_like_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"


def _write(source: IO[bytes], target: Path) -> None:
    if is_there(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)

    def write(aside: Path) -> None:
        with aside.open("wb") as out:
            shutil.copyfileobj(source, out)  # the last read of a zip compares the checksum

    replace_file(target, write, flush=False)


def is_there(path: Path) -> bool:
    """Return whether a file is there; an empty one is what a power cut leaves of it."""
    return path.is_file() and path.stat().st_size > 0
