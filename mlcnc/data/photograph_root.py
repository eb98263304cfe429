"""Where on disk the photographs of a data set lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcnc.data.sources import how_to_get
from mlcnc.errors import DataError
from mlcnc.named_paths import named_path, path_in_variable

DATA_VARIABLE = "MLCNC_DATA"
"""Environment variable that names the folder of data sets."""


@dataclass(frozen=True)
class Layout:
    """Files and folders by which the photographs of a data set are known.

    Args:
        name: of the data set.
        parts: below the root; all of them must be there, of a tuple one at least.
    """

    name: str
    parts: Sequence[str | tuple[str, ...]]

    @property
    def remedy(self) -> str:
        """What to do where they are missing; follows a semicolon."""
        return how_to_get(self.name)

    def __call__(self, root: Path | None) -> Path:
        """Return the folder in which the photographs lie: ``root`` / name, or ``root`` itself.

        Args:
            root: None takes MLCNC_DATA.

        Raises:
            DataError: no folder is named, or none has the layout.
        """
        return find_root(self.name, root, self.missing, self.remedy)

    def missing(self, folder: Path) -> str | None:
        """Return what a folder lacks, or None."""
        for wanted in self.parts:
            names = (wanted,) if isinstance(wanted, str) else wanted
            if not any((folder / name).exists() for name in names):
                return f"{' or '.join(names)} is missing"
        return None


def find_root(name: str, root: Path | None, missing: Callable[[Path], str | None], remedy: str) -> Path:
    """Return the first of ``root`` / name and ``root`` that lacks nothing.

    Args:
        name: of the data set.
        root: None takes MLCNC_DATA.
        missing: returns what a folder lacks, or None.
        remedy: what to do; follows a semicolon.

    Raises:
        DataError: no folder is named, or each lacks something.
    """
    base = path_in_variable(DATA_VARIABLE) if root is None else named_path(root)
    if base is None:
        raise DataError(
            f"the photographs of {name} are looked for in data.root or in the folder that the {DATA_VARIABLE} "
            f"variable names, and neither is set; {remedy}"
        )
    if not base.is_dir():
        place = f"{DATA_VARIABLE} {base}" if root is None else f"data.root {base}"
        raise DataError(f"the photographs of {name} cannot be found: {place} is not a folder; {remedy}")
    for folder in (base / name, base):
        if folder.is_dir() and missing(folder) is None:
            return folder.resolve()
    nearest = base / name if (base / name).is_dir() else base
    raise DataError(f"the photographs of {name} are not in {nearest}: {missing(nearest)}; {remedy}")
