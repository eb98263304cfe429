"""Files that a list of the user's names, none of which may lie outside the user's folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mlcnc.data.listed_split import refuse_missing
from mlcnc.data.protocol import Damaged
from mlcnc.errors import DataError


def class_name(text: str) -> str:
    """Return the name of a class as all files are taken to write it: accents composed, blanks single."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def name_below(name: str, source: str) -> str:
    """Return a path below a folder in one form, with / between its parts.

    Args:
        name: as it was written, with / or the backslashes of Windows.
        source: where it was written, for the error.

    Raises:
        DataError: it is empty, absolute, or leaves the folder.
    """
    path = PurePosixPath(name.strip().replace("\\", "/"))
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or re.match("[A-Za-z]:", name)
        or "\0" in name
    ):
        raise DataError(
            f"{source} names {name!r}, which is no path below the data set's folder; write it from there"
        )
    return str(path)


def files_below(root: Path, names: Sequence[str], source: str, damaged: Damaged = "stop") -> list[str]:
    """Return the files of a list; each folder is listed once and no file is opened.

    Args:
        root: resolved.
        names: as :func:`name_below` returns them.
        source: where they were written, for the errors.
        damaged: ``skip`` returns those that are missing too, for them to be left out as unreadable.

    Raises:
        DataError: files are missing, or a link leads out of ``root``.
    """
    folders: dict[str, dict[str, bool]] = {}
    missing, found = [], []
    for name in names:
        parent, _, last = name.rpartition("/")
        if parent not in folders:
            folders[parent] = _listed(root, parent, source)
        if last not in folders[parent]:
            other = spelt_on_disk(root, name, source)
            if other is None:
                missing.append(root / name)
            found.append(other or name)
            continue
        found.append(name)
        if folders[parent][last]:
            inside(root, name, source)
    if damaged == "stop":
        refuse_missing(missing, len(names), f"restore them or take them out of {source}")
    return [str(root / name) for name in found]


def spelt_on_disk(root: Path, name: str, source: str) -> str | None:
    """Return the name of a file whose accents are composed in another way on disk than in a list, else None.

    A Mac takes both for one name and writes them apart, and so does what it packs.

    Raises:
        DataError: a link leads out of ``root``.
    """
    place = ""
    for part in name.split("/"):
        entries = _listed(root, place or ".", source)
        same = (
            [part] if part in entries else [other for other in entries if _composed(other) == _composed(part)]
        )
        if not same:
            return None
        place = f"{place}/{same[0]}" if place else same[0]
    return place if inside(root, place, source).is_file() else None


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def inside(root: Path, name: str, source: str) -> Path:
    """Return a path below ``root`` with its links followed.

    Raises:
        DataError: they lead out of ``root``.
    """
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(root):
        raise DataError(f"{source} names {name}, a link out of {root}; copy the file into it")
    return path


def _listed(root: Path, folder: str, source: str) -> dict[str, bool]:
    """Return whether each entry of a folder is a link, by name."""
    path = inside(root, folder, source)
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry.is_symlink() for entry in entries}
    except OSError:
        return {}
