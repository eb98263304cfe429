"""The GloVe vectors of their authors: downloaded, checked, and of the archive only the wanted file unpacked."""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from mlcnc.errors import DataError
from mlcnc.folder_lock import alone_in
from mlcnc.resumed_download import CHUNK_BYTES, LARGEST_BYTES, NoConnectionError, Progress, fetch, forget

ADDRESS = "https://nlp.stanford.edu/data/glove.6B.zip"
"""Pennington, Socher, Manning (2014), trained on Wikipedia 2014 and Gigaword 5; public domain (PDDL)."""

ARCHIVE = "glove.6B.zip"
ARCHIVE_BYTES = 862_182_613
DIMS = (50, 100, 200, 300)
TEXT_BYTES = 3_470_000
"""Of the unpacked file, about so many for each of its numbers a word."""


def download_glove(
    folder: str | Path, dim: int = 300, *, address: str = ADDRESS, say: Callable[[str], None] = print
) -> Path:
    """Return the path of ``glove.6B.<dim>d.txt`` in ``folder``, downloading it where it is not there.

    An archive ``glove.6B.zip`` that lies in the folder is unpacked without a network and stays. A download
    that was interrupted goes on; the downloaded archive is removed once the vectors are out.

    Args:
        folder: made where missing.
        dim: 50, 100, 200 or 300 numbers a word.
        address: of the archive.
        say: receives lines of progress.

    Raises:
        DataError: there is no network (it says how to do it by hand), no space, the archive is damaged or
            holds something else, or another file has the name. What is there already is never overwritten.
    """
    if dim not in DIMS:
        raise DataError(f"--dim must be one of {', '.join(str(one) for one in DIMS)}, got {dim}")
    folder = Path(folder).expanduser()
    target = folder / f"glove.6B.{dim}d.txt"
    if _is_there(target, dim):
        say(f"{target} is there already")
        return target
    by_hand = folder / ARCHIVE
    part = folder / f".{ARCHIVE}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            if not by_hand.is_file():
                _check_space(folder, ARCHIVE_BYTES - (part.stat().st_size if part.is_file() else 0), dim)
                say(f"downloading {address}, about {ARCHIVE_BYTES / 1e6:.0f} MB, into {folder}")
                fetch(address, part, starts_with=b"PK\x03\x04", say=say)
            unpack(by_hand if by_hand.is_file() else part, target, dim, say=say)
            forget(part)
    except NoConnectionError as error:
        raise DataError(
            f"{error}. By hand: download {address} where there is a network, put the archive as it is into "
            f"{folder.absolute()} and run this command again"
        ) from None
    except _ArchiveError as error:
        forget(part)
        kept = f"; remove {by_hand}" if by_hand.is_file() else "; it was removed, run this command again"
        raise DataError(f"{error}{kept}") from None
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be used: {error.strerror}") from None
    say(f"{target}: {target.stat().st_size / 1e6:.0f} MB, {dim} numbers a word; train with --glove {target}")
    return target


class _ArchiveError(DataError):
    """The archive is damaged or does not hold what it should."""


def unpack(archive: Path, target: Path, dim: int, *, say: Callable[[str], None]) -> None:
    """Write the member of ``archive`` that is named like ``target`` to it, all or nothing.

    Nothing else of the archive is unpacked, and no path in it is followed.

    Raises:
        DataError: the archive is damaged, has no such member, or it is no file of ``dim`` numbers a word.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(archive) as packed:
            if target.name not in packed.namelist():
                raise _ArchiveError(f"the archive {archive} holds no {target.name}")
            member = packed.getinfo(target.name)
            if member.file_size > LARGEST_BYTES:
                raise _ArchiveError(f"{target.name} in {archive} is of {member.file_size / 1e9:.1f} GB")
            progress = Progress(f"unpacking {target.name}", member.file_size, say)
            # the last read compares the checksum
            with packed.open(member) as source, aside.open("wb") as out:
                while chunk := source.read(CHUNK_BYTES):
                    out.write(chunk)
                    progress.add(len(chunk))
                    if progress.done > member.file_size:
                        raise _ArchiveError(f"{target.name} in {archive} is larger than it says")
                out.flush()
                os.fsync(out.fileno())
        if progress.done != member.file_size or not _has_dim(aside, dim):
            raise _ArchiveError(f"{target.name} in {archive} is no file of words with {dim} numbers each")
        if target.exists():
            raise DataError(f"{target} came into being meanwhile and is kept")
        os.replace(aside, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise _ArchiveError(f"the archive {archive} is damaged: {error}") from None
    finally:
        aside.unlink(missing_ok=True)


def _is_there(target: Path, dim: int) -> bool:
    if not target.exists():
        return False
    if target.is_file() and _has_dim(target, dim):
        return True
    raise DataError(f"{target} exists and is no file of words with {dim} numbers each; move it away first")


def _has_dim(path: Path, dim: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        with path.open("rb") as stream:
            parts = stream.readline(CHUNK_BYTES).decode("utf-8").split(" ")
        return len([float(part) for part in parts[1:]]) == dim
    return False


def _check_space(folder: Path, archive_bytes: int, dim: int) -> None:
    needed = max(0, archive_bytes) + dim * TEXT_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"archive and vectors take {needed / 1e6:.0f} MB until the archive is removed, and the disk of "
            f"{folder} has {free / 1e6:.0f} MB free; choose another --out folder"
        )
