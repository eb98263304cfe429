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
    links = [entry.name for entry in found if leads_away(Path(entry.path)) and _is_run(entry.path)]
    folders = [entry for entry in found if _is_folder(entry)]
    misnamed = [entry.name for entry in folders if not RUN_ID.fullmatch(entry.name) and _is_run(entry.path)]
    # a runs folder itself may be a link
    above = [entry.name for entry in found if not _is_run(entry.path) and _holds_runs(entry.path)]
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


def no_such_run(root: str | Path, run_id: str, known: Sequence[str]) -> str:
    """Return that a runs folder has no run of an id, and why, where the folder shows it.

    Args:
        root: the runs folder.
        run_id: an id by its characters.
        known: ids of the runs that it has.
    """
    folder = Path(root) / run_id
    if leads_away(folder) and _is_run(folder):
        return (
            f"there is no run {run_id!r} in {root}: it is a link out of that folder, and links are not "
            "followed; copy the folder here, or name the one that it is in as the runs folder: --runs "
            f"{folder.resolve().parent}"
        )
    if not known:
        return f"there is no run {run_id!r} in {root}, nor any other; {_why_none(root)}"
    some = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    return "; ".join([f"there is no run {run_id!r} in {root}; known: {some}", *left_out(root)])


def no_runs(root: str | Path) -> str:
    """Return that a runs folder has no run at all, and why, where the folder shows it."""
    return f"there are no runs in {root}; {_why_none(root)}"


def _why_none(root: str | Path) -> str:
    return "; ".join(left_out(root)) or "start one with mlcnc train, or name --runs FOLDER"


def leads_away(folder: Path) -> bool:
    """Return whether a folder directly below the runs folder is a link out of it."""
    # only a link can lead out, for a name has no separators
    if not os.path.islink(folder):
        return False
    try:
        return folder.resolve().parent != folder.parent.resolve()
    except (OSError, RuntimeError):  # round in a circle
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_run(folder: str | os.PathLike[str]) -> bool:
    return os.path.isfile(os.path.join(folder, "run.json"))


def _holds_runs(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_is_folder(entry) and _is_run(entry) for entry in entries)
    except OSError:
        return False


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({_listed(names)})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
