"""A split of photographs that a list names and that lie in known folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlcnc.data.protocol import Damaged
from mlcnc.errors import DataError


@dataclass(frozen=True)
class ListedSplit:
    """The photographs of a split.

    Args:
        ids: N names of files without their ending.
        folders: below the data set's root; each file lies in one of them.
    """

    ids: tuple[str, ...]
    folders: tuple[str, ...]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each id stands."""
        return {name: place for place, name in enumerate(self.ids)}

    def path(self, root: Path, image_id: str) -> Path | None:
        """Return the file of an id, or None where the list does not name it or the file is missing."""
        if image_id not in self.places:
            return None
        paths = (root / folder / f"{image_id}.jpg" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def paths(self, root: Path, remedy: str, damaged: Damaged = "stop") -> list[str]:
        """Return the N files; each folder is listed once.

        Args:
            root: of the data set.
            remedy: what to do where files are missing; follows a semicolon.
            damaged: ``skip`` names those that are missing too, for them to be left out as unreadable.

        Raises:
            DataError: files are missing; the message says how many, and names the first.
        """
        folders = [(folder, names_in(root / folder)) for folder in self.folders]
        found: list[str] = []
        missing: list[Path] = []
        for image_id in self.ids:
            name = f"{image_id}.jpg"
            place = next((folder for folder, names in folders if name in names), None)
            path = root / (place or self.folders[0]) / name
            found.append(str(path))
            if place is None:
                missing.append(path)
        if damaged == "stop":
            refuse_missing(missing, len(self.ids), remedy)
        return found


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder; none where it cannot be listed."""
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def refuse_missing(missing: Iterable[Path], of: int, remedy: str) -> None:
    """Raise a DataError in one sentence where files are missing.

    Args:
        missing: files.
        of: how many there should be.
        remedy: what to do; follows a semicolon.
    """
    missing = list(missing)
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise DataError(f"{len(missing):,} of {of:,} photographs {are} missing, first {missing[0]}; {remedy}")
