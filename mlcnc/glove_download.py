"""The GloVe vectors of their authors: downloaded, checked, and of the archive only the wanted file unpacked."""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from mlcnc.errors import DataError
from mlcnc.files.locking import alone_in
from mlcnc.files.writing import replace_file
from mlcnc.glove import ADDRESS, DIMS, glove_dim
from mlcnc.named_paths import named_path
from mlcnc.resumed_download import Download, NoConnectionError, WrongFileError, require_whole, size_of

ARCHIVE = "glove.6B.zip"
ARCHIVE_BYTES = 862_182_613
KNOWN_HASH = "sha256:617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"
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
            another one, or another file has the name. What is there already is never overwritten.
    """
    if dim not in DIMS:
        raise DataError(f"--dim must be one of {', '.join(str(one) for one in DIMS)}, got {dim}")
    folder = named_path(folder)
    target = folder / f"glove.6B.{dim}d.txt"
    if _is_there(target, dim):
        say(f"{target} is there already")
        return target
    by_hand = folder / ARCHIVE
    download = Download(address, folder, ARCHIVE_BYTES, KNOWN_HASH, say)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            if by_hand.is_file():
                say(f"checking {by_hand}")
                require_whole(by_hand, ARCHIVE_BYTES, KNOWN_HASH)
            else:
                _check_space(folder, ARCHIVE_BYTES - size_of(download.partial), dim)
                say(f"downloading {address}, {ARCHIVE_BYTES / 1e6:.0f} MB, into {folder}")
            unpack(by_hand if by_hand.is_file() else download.fetch(), target, say=say)
            download.forget()
    except NoConnectionError as error:
        raise DataError(
            f"{error}. By hand: download {address} where there is a network, put the archive as it is into "
            f"{folder.absolute()} and run this command again"
        ) from None
    except WrongFileError as error:
        kept = f"; remove {by_hand}" if by_hand.is_file() else "; it was removed, run this command again"
        raise DataError(f"{error}{kept}") from None
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be used: {error.strerror}") from None
    say(f"{target}: {target.stat().st_size / 1e6:.0f} MB, {dim} numbers a word; train with --glove {target}")
    return target


def unpack(archive: Path, target: Path, *, say: Callable[[str], None]) -> None:
    """Write the member of an archive of known content that is named like ``target`` to it, all or nothing."""
    say(f"unpacking {target.name}")

    def write(aside: Path) -> None:
        with zipfile.ZipFile(archive) as packed, packed.open(target.name) as source, aside.open("wb") as out:
            shutil.copyfileobj(source, out)

    replace_file(target, write)


def _is_there(target: Path, dim: int) -> bool:
    if not target.exists():
        return False
    if target.is_file() and _has_dim(target, dim):
        return True
    raise DataError(f"{target} exists and is no file of words with {dim} numbers each; move it away first")


def _has_dim(path: Path, dim: int) -> bool:
    with contextlib.suppress(DataError):
        return glove_dim(path) == dim
    return False


def _check_space(folder: Path, archive_bytes: int, dim: int) -> None:
    needed = max(0, archive_bytes) + dim * TEXT_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"archive and vectors take {needed / 1e6:.0f} MB until the archive is removed, and the disk of "
            f"{folder} has {free / 1e6:.0f} MB free; choose another --out folder"
        )
