"""What is checked and made before a run has its first epoch: its id, run.json and folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlcnc.errors import RunFormatError, StoreError, require_shape
from mlcnc.files.writing import aside_of, flush_folder
from mlcnc.store.files import readable_json, remove_leftovers, write_bytes, write_json
from mlcnc.store.regular_files import tree_of
from mlcnc.store.run_lock import RunLock
from mlcnc.store.schema import RunInfo, RunStatus, checked_run_id, parse_info

LEAST_FREE_BYTES = 50 * 2**20
"""Below so much free disk no run begins and no job is queued or started."""


def checked_info(fields: Mapping[str, Any]) -> tuple[RunInfo, bytes]:
    """Return the record of a new run, and its run.json as a reader accepts it.

    Raises:
        ValueError: a reader would refuse a field; the message names it.
    """
    try:
        info = RunInfo.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise ValueError(
            f"{field:.100} cannot be kept in run.json: {reason}, got {first['input']!r:.80}"
        ) from None
    _require_fitting_classes(info)
    tree = info.model_dump()
    try:
        content = readable_json(tree)
        parse_info(tree_of(content))
    except (ValueError, RunFormatError) as error:
        raise ValueError(f"{_culprit(tree)} cannot be kept in run.json: {error}") from None
    return info, content


def _require_fitting_classes(info: RunInfo) -> None:
    number = len(info.class_names)
    for name, times in Counter(info.class_names).items():
        if times > 1:
            raise ValueError(f"class_names must differ, got {name!r} {times} times; rename all but one")
    seen: set[int] = set()
    for group, members in info.groups.items():
        for index in members:
            if index >= number:
                raise ValueError(f"groups must hold class indices 0 to {number - 1}, got {index} in {group!r}")
            if index in seen:
                raise ValueError(f"groups must hold a class once, got index {index} again in {group!r}")
            seen.add(index)
    for row in info.co_occurrence or ():
        shape = (len(info.co_occurrence or ()), len(row))
        require_shape("co_occurrence", shape, (number, number), like="class_names")


def _culprit(tree: Mapping[str, Any]) -> str:
    for name, value in tree.items():
        try:
            readable_json({name: value})
        except ValueError:
            return name
    return "the arguments together"


def new_run_folder(folder: Path, info: bytes, status: RunStatus) -> RunLock:
    """Make a run folder that holds its first files from the start, and return its lock.

    It is made under a hidden name and renamed, so that a process killed meanwhile leaves nothing that looks
    like a run.

    Args:
        folder: of the run.
        info: content of run.json.
        status: the first one.

    Raises:
        StoreError: the run exists already or the folder cannot be written.
    """
    aside = aside_of(folder)
    place, lock = aside, None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(folder):
            raise FileExistsError
        remove_leftovers(folder.parent, below=False)
        aside.mkdir()
        lock = RunLock(aside)
        write_bytes(aside / "run.json", info)
        write_json(aside / "status.json", status.model_dump())
        aside.rename(folder)
        place = folder
        flush_folder(folder.parent)
        return lock
    except BaseException as error:
        if lock is not None:
            lock.release()
        shutil.rmtree(place, ignore_errors=True)
        is_taken = isinstance(error, FileExistsError) and folder.parent.is_dir()
        if is_taken or getattr(error, "errno", None) == errno.ENOTEMPTY:
            raise StoreError(
                f"run {folder.name} exists already in {folder.parent}; choose another --run-id, resume it "
                f"(mlcnc train --resume {folder.name}) or delete it"
            ) from None
        if isinstance(error, OSError):
            raise StoreError(f"the runs folder {folder.parent} cannot be written: {error.strerror}") from error
        if isinstance(error, StoreError):
            reason = getattr(error.__cause__, "strerror", None) or error
            raise StoreError(f"the runs folder {folder.parent} cannot be written: {reason}") from error
        raise


def new_run_id(root: str | Path, stem: str, claimed: Container[str | None] = ()) -> str:
    """Return ``stem`` or ``stem-2``, ``stem-3``, ..., the first that no run has and none of ``claimed`` is.

    Raises:
        StoreError: the runs folder cannot be read.
    """
    try:
        taken = set(os.listdir(root)) if os.path.isdir(root) else set()
    except OSError as error:
        raise StoreError(f"the runs folder {root} cannot be read: {error.strerror}") from error
    number = 1
    while True:
        candidate = stem if number == 1 else f"{stem}-{number}"
        if candidate not in taken and candidate not in claimed:
            return checked_run_id(candidate)
        number += 1


def free_bytes(root: str | Path) -> int:
    """Return the free space of the disk that holds ``root``."""
    path = Path(root).absolute()
    # unlike Path.exists it tells of a closed folder as of a missing one
    while not os.path.exists(path) and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def require_free_space(root: str | Path) -> None:
    """Check that the disk of ``root`` has room to begin.

    Raises:
        StoreError: it is nearly full.
    """
    free = free_bytes(root)
    if free < LEAST_FREE_BYTES:
        raise StoreError(
            f"the disk of {root} has {free // 2**20} MiB free, {LEAST_FREE_BYTES // 2**20} are needed; "
            "free some space or choose another runs folder"
        )
