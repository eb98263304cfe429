"""Reading run folders: complete, still growing, interrupted or damaged. Nothing is executed."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from mlcnc.errors import RunFormatError, RunNotFoundError, StoreError
from mlcnc.files.writing import aside_of
from mlcnc.store.array_file import ArrayFile
from mlcnc.store.files import readable_json, store_error, write_bytes
from mlcnc.store.layouts import StoredLayout, read_layout
from mlcnc.store.liveness import true_state
from mlcnc.store.metrics_file import read_metrics
from mlcnc.store.regular_files import LINK, read_json, said_of
from mlcnc.store.run_lock import RunLock
from mlcnc.store.runs_folder import leads_away, no_such_run
from mlcnc.store.schema import (
    OF_SPACE,
    RUN_ID,
    RunInfo,
    RunStatus,
    Space,
    checked_run_id,
    parse_info,
    parse_status,
)

_EPOCH_FILE = re.compile(r"([0-9]{4}|[1-9][0-9]{4,8})\.safetensors")
T = TypeVar("T")


@dataclass(frozen=True)
class RunProblem:
    """A folder under the runs root that cannot be read as a run.

    Attributes:
        run_id: the folder's name.
        text: one sentence for the user.
    """

    run_id: str
    text: str

    @classmethod
    def of(cls, run_id: str, error: Exception) -> RunProblem:
        """Return the problem behind an error, without the path that system errors carry."""
        text = error.strerror if isinstance(error, OSError) else None
        return cls(run_id, text or str(error))


class Run:
    """One run folder, read on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = folder.name
        self._parsed: dict[str, tuple[tuple[int, ...], Any]] = {}

    @cached_property
    def info(self) -> RunInfo:
        """What was known when the run was created.

        Raises:
            RunFormatError: run.json is missing, damaged or of a newer version.
        """
        return parse_info(read_json(self.folder / "run.json"))

    @property
    def spaces(self) -> tuple[Space, ...]:
        """The spaces of features that the run measures: those it declared, else those that its metrics name."""
        declared = self.info.spaces
        if declared is None:
            declared = self._while_unchanged("metrics.jsonl", lambda path: _named_spaces(read_metrics(path)[0]))
        return tuple(declared or ())

    @property
    def status(self) -> RunStatus:
        """Where the run stands now; ``lost`` where a running one has no process any more."""
        written = self._while_unchanged("status.json", lambda path: parse_status(read_json(path)))
        return RunStatus(state="lost") if written is None else true_state(written)

    @property
    def name(self) -> str:
        """The name for people: from the notes where it was changed there."""
        return str(self.notes().get("name") or self.info.name)

    def metrics(self, names: Collection[str] | None = None) -> list[dict[str, float]]:
        """Return one dict an epoch, in order; null became NaN. A half-written last line is left out.

        Args:
            names: the metrics to return besides ``epoch``, several times quicker than all; None is all.
        """
        return read_metrics(self.folder / "metrics.jsonl", names)[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what could not be read."""
        lines, problems = read_metrics(self.folder / "metrics.jsonl")
        if os.path.islink(self.folder / "epochs"):
            problems.append(f"epochs of run {self.run_id} cannot be read: {LINK}")
        logged = {int(line["epoch"]) for line in lines}
        for epoch in self.array_epochs():
            if epoch not in logged:
                problems.append(f"epoch {epoch + 1} has arrays but no line of metrics: it was cut off")
                continue
            try:
                self.arrays(epoch)
            except RunFormatError as error:
                problems.append(str(error))
        return tuple(problems)

    def array_epochs(self, *names: str) -> list[int]:
        """Return the epochs that have a file of arrays, in order.

        Args:
            names: of arrays that the file must have.

        Raises:
            RunFormatError: names are given and a file is damaged.
        """
        folder = self.folder / "epochs"
        matches = (_EPOCH_FILE.fullmatch(name) for name in _listed(folder))
        found = sorted(int(match.group(1)) for match in matches if match)
        return (
            [epoch for epoch in found if all(name in self.arrays(epoch) for name in names)] if names else found
        )

    def arrays(self, epoch: int) -> ArrayFile:
        """Return the arrays of an epoch.

        Raises:
            RunFormatError: the file is missing or damaged.
        """
        return ArrayFile(self.folder / "epochs" / f"{epoch:04d}.safetensors", self._sizes())

    def samples(self) -> ArrayFile | None:
        """Return sample pairs, probe images and targets; None where the run stored none.

        Raises:
            RunFormatError: the file is damaged.
        """
        path = self.folder / "samples.safetensors"
        known = {"C": len(self.info.class_names)}
        return ArrayFile(path, known) if os.path.lexists(path) else None

    def layout(self, name: str) -> StoredLayout | None:
        """Return a layout that ``mlcnc layout`` wrote, e.g. ``umap-mu``; None where there is none.

        Raises:
            RunFormatError: the file is damaged.
        """
        return read_layout(self.folder, name)

    def best_epoch(self, metric: str = "validation/map_total") -> int | None:
        """Return the first epoch with the greatest value, or None where the metric was not logged."""
        best, found = -math.inf, None
        for line in self.metrics((metric,)):
            value = line.get(metric, math.nan)
            if value > best:
                best, found = value, int(line["epoch"])
        return found

    def identity(self) -> tuple[tuple[str | int, ...], ...]:
        """Return name, number, times and size of the parts that grow, as a key for caches.

        A copy that keeps size and modification time still has another number or time of change.
        """
        files = ("run.json", "status.json", "metrics.jsonl", "samples.safetensors", "notes.json")
        parts = (*files, "epochs", "layouts")
        found: list[tuple[str | int, ...]] = [(str(self.folder),)]
        for part in parts:
            try:
                stat = os.lstat(f"{self.folder}/{part}")
            except OSError:
                continue
            found.append((part, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size))
        return tuple(found)

    def notes(self) -> dict[str, Any]:
        """Return name, tags and notes given by people; empty where there are none or they are damaged."""
        try:
            tree = self._while_unchanged("notes.json", _read_notes)
        except RunFormatError:
            return {}
        return {} if tree is None else dict(tree)

    def write_notes(self, notes: dict[str, Any]) -> None:
        """Replace name, tags and notes; notes that cannot be read are kept aside as ``notes.damaged.json``.

        Raises:
            StoreError: the folder cannot be written, or the notes could not be read back.
        """
        path = self.folder / "notes.json"
        try:
            content = readable_json({"schema_version": 1, **notes})
        except ValueError as error:
            raise StoreError(f"notes of run {self.run_id} cannot be kept: {error}") from None
        try:
            damaged = False
            if os.path.lexists(path):
                _read_notes(path)
        except RunFormatError:
            # whoever put a folder there meant something else: writing fails, and it stays
            damaged = os.path.islink(path) or not os.path.isdir(path)
        if damaged:
            try:
                os.replace(path, path.with_name("notes.damaged.json"))
            except OSError as error:
                raise store_error(path, error) from error
        write_bytes(path, content)

    def _sizes(self) -> dict[str, int]:
        """Return what run.json and the samples say about the sizes of arrays; see ``array_rules``."""
        known = {"C": len(self.info.class_names)}
        try:
            samples = self._while_unchanged("samples.safetensors", lambda path: ArrayFile(path, known).sizes)
        except RunFormatError:
            samples = None
        return {**(samples or {}), **known}

    def _while_unchanged(self, name: str, read: Callable[[Path], T]) -> T | None:
        """Return what ``read`` gives for a file, read again when the file changed; None where there is none."""
        path = self.folder / name
        try:
            stat = path.lstat()
        except OSError:
            return None
        # a replaced file has another number, even within one tick of the clock
        key = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
        known = self._parsed.get(name)
        if known is None or known[0] != key:
            known = (key, read(path))
            self._parsed[name] = known
        return cast(T, known[1])


class RunStore:
    """All runs under one folder.

    Args:
        root: the runs folder; one that does not exist holds no runs.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._opened: dict[str, tuple[tuple[int, ...], Run]] = {}

    def run_ids(self) -> list[str]:
        """Return the ids of all folders that could be runs, in order; links out of the root are left."""
        try:
            with os.scandir(self.root) as entries:
                found = [entry for entry in entries if RUN_ID.fullmatch(entry.name)]
        except OSError:
            return []
        return sorted(entry.name for entry in found if self._is_run_folder(entry))

    def open(self, run_id: str) -> Run:
        """Return one run.

        Raises:
            RunNotFoundError: no such run, or an id that would leave the runs folder.
            RunFormatError: its run.json cannot be read.
        """
        folder = self.root / checked_run_id(run_id)
        if not os.path.isdir(folder) or leads_away(folder):
            raise RunNotFoundError(no_such_run(self.root, run_id, self.run_ids()))
        run = Run(folder)
        _ = run.info
        return run

    def scan(self) -> Iterator[Run | RunProblem]:
        """Yield every run, or what is wrong with its folder; one bad folder never hides the others.

        A store that scans again yields the same objects for runs whose run.json is unchanged.
        """
        for run_id in self.run_ids():
            try:
                run = self._known(run_id)
                _ = run.status
                yield run
            except (StoreError, OSError, UnicodeError) as error:
                yield RunProblem.of(run_id, error)

    def delete(self, run_id: str, *, force: bool = False) -> None:
        """Delete a run folder.

        Args:
            run_id: of the run.
            force: also one that is being written; its writer then fails with a sentence.

        Raises:
            RunNotFoundError: no such run.
            StoreError: it is being written, or about to be gone on with, or cannot be deleted.
        """
        folder = self.root / checked_run_id(run_id)
        if not os.path.isdir(folder) or leads_away(folder):
            raise RunNotFoundError(no_such_run(self.root, run_id, self.run_ids()))
        try:
            running = Run(folder).status.state == "running"
        except StoreError:
            running = False
        if running and not force:
            raise StoreError(f"run {run_id} is being written; stop it first")
        # a run that is resumed is locked before it is recorded as running
        with nullcontext() if force else RunLock(folder):
            self._delete(folder)

    def _delete(self, folder: Path) -> None:
        # under another name first: a writer would put new files into a folder that is being emptied
        aside = aside_of(folder)
        try:
            if folder.is_symlink():
                raise OSError(errno.ELOOP, "it is a link to another run")
            folder.rename(aside)
            try:
                shutil.rmtree(aside)
            except OSError:
                with suppress(OSError):
                    aside.rename(folder)
                raise
        except OSError as error:
            raise StoreError(f"run {folder.name} could not be deleted: {error.strerror}") from error

    def _known(self, run_id: str) -> Run:
        try:
            stat = os.lstat(f"{self.root}/{run_id}/run.json")
        except OSError:
            return self.open(run_id)
        key = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
        known = self._opened.get(run_id)
        if known is None or known[0] != key:
            known = (key, self.open(run_id))
            self._opened[run_id] = known
        return known[1]

    def _is_run_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            if entry.is_symlink():
                return entry.is_dir() and not leads_away(self.root / entry.name)
            return entry.is_dir(follow_symlinks=False)
        except OSError:  # a link that leads round in a circle
            return False


def _read_notes(path: Path) -> dict[str, Any]:
    tree = read_json(path)
    if not isinstance(tree, dict):
        raise RunFormatError(f"{said_of(path)} is damaged: it must hold an object")
    try:
        json.dumps(tree, allow_nan=False)
    except ValueError:
        # they are read to be written again, and JSON has no such numbers
        raise RunFormatError(f"{said_of(path)} is damaged: it holds a number that is not finite") from None
    return tree


def _named_spaces(lines: list[dict[str, float]]) -> list[Space]:
    # spaces are not measured every epoch
    named = ({match[1]: None for name in line if (match := OF_SPACE.match(name))} for line in reversed(lines))
    found = next((names for names in named if names), {})
    # of features that nobody declared these two are the ones of which an image has one
    return [Space(name=name, kind="image" if name in ("z", "concat") else "class") for name in found]


def _listed(folder: Path) -> list[str]:
    try:
        return [] if os.path.islink(folder) else os.listdir(folder)
    except OSError:
        return []
