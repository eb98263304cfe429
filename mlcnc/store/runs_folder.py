"""What is said of a folder that is named as the runs folder and is none, or holds more than its runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlcnc.errors import StoreError
from mlcnc.store.schema import RUN_ID

_MOST_NAMES = 3


def require_runs_folder(root: str | Path) -> None:
    """Check that runs can be written into a folder, which need not be there yet.

    Raises:
        StoreError: it is a file, the folder of a single run, or closed.
    """
    existing = Path(root).absolute()
    # unlike Path.exists it tells of a closed folder as of a missing one
    while not os.path.exists(existing) and existing != existing.parent:
        existing = existing.parent
    if not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):
        raise StoreError(f"the runs folder {root} cannot be written: {existing} is not a writable folder")
    if _is_run(existing):
        raise StoreError(f"{existing} is the folder of one run; name the folder above it, {existing.parent}")


def left_out(root: str | Path) -> list[str]:
    """Return a sentence for each kind of thing in a runs folder that may be a run and is not shown as one.

    Args:
        root: the runs folder; of one that is not there nothing is said.
    """
    root = Path(root)
    try:
        with os.scandir(root) as entries:
            found = sorted((entry for entry in entries if entry.name[:1] != "."), key=lambda entry: entry.name)
    except FileNotFoundError:
        return [f"{root} is a link to nothing"] if os.path.islink(root) else []
    except NotADirectoryError:
        return [f"{root} is a file and no folder of runs"]
    except OSError as error:
        return [f"the folder {root} cannot be read: {error.strerror}"]
    if any(entry.name == "run.json" for entry in found):
        return [f"{root} is the folder of one run; name the folder above it, {root.absolute().parent}"]
    links = [entry.name for entry in found if entry.is_symlink() and _leads_away(root, entry)]
    folders = [entry for entry in found if _is_folder(entry)]
    misnamed = [entry.name for entry in folders if not RUN_ID.fullmatch(entry.name) and _is_run(entry.path)]
    above = [entry.name for entry in folders if not _is_run(entry.path) and _holds_runs(entry.path)]
    said = []
    if links:
        one = len(links) == 1
        said.append(
            f"{_counted(links, 'link')} in {root} {'is' if one else 'are'} not followed; "
            f"to see {'its run' if one else 'their runs'}, copy the {'folder' if one else 'folders'} here"
        )
    if misnamed:
        said.append(
            f"{_counted(misnamed, 'folder')} in {root} {'has' if len(misnamed) == 1 else 'have'} the name of "
            "no run; rename to a-z, 0-9, _ and -, starting with a letter or digit"
        )
    if above:
        said.append(
            f"runs lie deeper, in {_listed(above)}; name it as the runs folder: --runs {root / above[0]}"
        )
    return said


def _leads_away(root: Path, entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and Path(entry.path).resolve().parent != root.resolve()
    except (OSError, RuntimeError):  # round in a circle
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_run(folder: str | Path) -> bool:
    return os.path.isfile(os.path.join(folder, "run.json"))


def _holds_runs(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_is_folder(entry) and _is_run(entry.path) for entry in entries)
    except OSError:
        return False


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({_listed(names)})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
