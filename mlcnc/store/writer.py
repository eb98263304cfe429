"""Logging a run: the public API for anyone's training loop."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.files.processes import host_name, own_process
from mlcnc.store.files import (
    append_line,
    mend_last_line,
    overwrite_json,
    remove_leftovers,
    write_arrays,
    write_json,
)
from mlcnc.store.liveness import HEARTBEAT_SECONDS, is_alive, now
from mlcnc.store.logged_values import as_arrays, as_count, as_failure, as_metrics
from mlcnc.store.new_run import checked_info, new_run_folder
from mlcnc.store.regular_files import require_own_folders
from mlcnc.store.run_lock import RunLock
from mlcnc.store.schema import (
    FINAL_STATES,
    MOST_EPOCH,
    GroupThresholds,
    RunFailure,
    RunInfo,
    RunStatus,
    Space,
    checked_run_id,
)

if TYPE_CHECKING:
    from mlcnc.store.reader import Run


_open_writers: WeakValueDictionary[Path, RunWriter] = WeakValueDictionary()
"""Of this process: the lock of a folder cannot tell them apart."""


class RunWriter:
    """Writes one run folder; use it as a context manager, so that the final state is recorded.

    A run has one writer: it holds the folder's lock until it is finished or its process ends.

    Leaving it without an exception makes the run ``finished``; with KeyboardInterrupt
    ``stopped``; with any other exception ``failed`` with its message. It goes on.

    Example:
        >>> import tempfile
        >>> root = tempfile.mkdtemp()
        >>> with RunWriter.create(root, "mine", class_names=["a", "b"], class_counts=[9, 2]) as run:
        ...     run.log_epoch(0, {"train/loss": 0.7, "test/map_total": 51.0})
    """

    def __init__(self, folder: Path, info: RunInfo, status: RunStatus, lock: RunLock) -> None:
        self.folder = folder
        self.info = info
        self._status = status
        self._run_lock = lock
        self._progress: tuple[int | None, int | None] = (None, None)
        self._lock = threading.RLock()
        self._closed = threading.Event()
        _open_writers[folder.resolve()] = self
        self._beat = threading.Thread(target=self._keep_beating, name="mlcnc-heartbeat", daemon=True)
        self._beat.start()

    @classmethod
    def create(
        cls,
        root: str | Path,
        run_id: str,
        *,
        class_names: Sequence[str],
        class_counts: Sequence[int],
        groups: Mapping[str, Sequence[int]] | None = None,
        config: Mapping[str, Any] | None = None,
        method: str | None = None,
        spaces: Sequence[Space] | None = None,
        name: str | None = None,
        seed: int | None = None,
        group_thresholds: tuple[int, int] = (100, 20),
        co_occurrence: NDArray[Any] | None = None,
        num_train: int | None = None,
        num_validation: int | None = None,
        num_test: int | None = None,
        num_epochs: int | None = None,
        device: str = "unknown",
        versions: Mapping[str, str] | None = None,
        git_commit: str | None = None,
    ) -> RunWriter:
        """Create ``root/run_id`` and return its writer.

        Args:
            root: the runs folder; made if missing.
            run_id: 1 to 64 of a-z, 0-9, _ and -; must be new.
            class_names: C names.
            class_counts: C numbers of training images, n_c.
            groups: class indices of ``head``, ``medium`` and ``tail``; None derives them from the counts
                and ``group_thresholds``.
            config: settings to show and compare, JSON values.
            method: kind of the method, for a run of this package.
            spaces: of features that will be measured; None: those that the logged metrics name.
            name: for people; None takes ``run_id``.
            seed: of the training.
            group_thresholds: (head_min, tail_max).
            co_occurrence: (C, C) training images having both classes.
            num_train, num_validation, num_test: images per split.
            num_epochs: planned epochs.
            device: what the run computes on.
            versions: of libraries; Python's and the platform's are added.
            git_commit: of the code.

        Raises:
            StoreError: the run exists already or the folder cannot be written.
            RunNotFoundError: ``run_id`` has other characters.
            ValueError: counts, names, groups or co-occurrence do not fit, or an argument holds what readers of
                run.json refuse, e.g. a text that UTF-8 cannot encode or more than 308 digits in a row.
        """
        if len(class_counts) != len(class_names):
            raise ValueError(
                f"class_counts must have {len(class_names)} entries like class_names, got {len(class_counts)}"
            )
        head_min, tail_max = group_thresholds
        counts = [int(count) for count in class_counts]
        fields = {
            "run_id": checked_run_id(run_id),
            "name": name or run_id,
            "created_at": now(),
            "config": dict(config or {}),
            "method": method,
            "spaces": None if spaces is None else list(spaces),
            "seed": seed,
            "class_names": list(class_names),
            "class_counts": counts,
            "groups": groups_by_count(counts, head_min, tail_max)
            if groups is None
            else {key: [int(i) for i in members] for key, members in groups.items()},
            "group_thresholds": GroupThresholds(head_min=head_min, tail_max=tail_max),
            "co_occurrence": None if co_occurrence is None else np.asarray(co_occurrence).tolist(),
            "num_train": num_train,
            "num_validation": num_validation,
            "num_test": num_test,
            "versions": {"python": platform.python_version(), "numpy": np.__version__, **(versions or {})},
            "device": device,
            "git_commit": git_commit,
        }
        info, content = checked_info(fields)
        status = _running(device, num_epochs)
        folder = Path(root) / info.run_id
        lock = new_run_folder(folder, content, status)
        try:
            return cls(folder, info, status, lock)
        except BaseException:
            lock.release()
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def reopen(
        cls,
        root: str | Path,
        run_id: str,
        *,
        keep_epochs: int,
        keep_later: bool = False,
        lock: RunLock | None = None,
    ) -> RunWriter:
        """Go on with a run after its first ``keep_epochs`` epochs.

        What writers that were killed left half-written is removed.

        Args:
            root: the runs folder.
            run_id: of the run.
            keep_epochs: the next epoch to log.
            keep_later: for a loop that repeats the run the same way: later epochs stay until they are logged
                again, and a damaged line of an earlier one keeps nobody from going on. Otherwise later epochs
                are dropped at once.
            lock: of :meth:`lock`, where it was taken before; None takes it now.

        Raises:
            RunNotFoundError: there is no such run.
            RunFormatError: fewer epochs are logged, unless ``keep_later``; or metrics.jsonl or a folder of the
                run is a link or something else.
            StoreError: it is still being written, or cannot be written.
        """
        from mlcnc.store.reader import RunStore

        run = RunStore(root).open(run_id)
        lock = lock or cls.lock(run)
        try:
            require_own_folders(run.folder)
            logged = [int(line["epoch"]) for line in run.metrics()]
            num_kept = sum(epoch < keep_epochs for epoch in logged)
            if num_kept < keep_epochs and not keep_later:
                raise RunFormatError(f"run {run_id} has {num_kept} of {keep_epochs} epochs to go on from")
            remove_leftovers(run.folder)
            end = None if keep_later else keep_epochs
            mend_last_line(run.folder / "metrics.jsonl", end)
            for epoch in run.array_epochs():
                if end is not None and epoch >= end:
                    (run.folder / "epochs" / f"{epoch:04d}.safetensors").unlink(missing_ok=True)
            status = _running(run.info.device, run.status.num_epochs)
            past = {
                "epoch": keep_epochs - 1 if keep_epochs else None,
                "started_at": run.status.started_at or status.started_at,
            }
            status = status.model_copy(update=past)
            write_json(run.folder / "status.json", status.model_dump())
            return cls(run.folder, run.info, status, lock)
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def lock(run: Run) -> RunLock:
        """Return the lock of a run: whoever holds it is the only one to write the run.

        A writer of this same process, e.g. one that a cell of a notebook left open, lets go of it.

        Raises:
            StoreError: another process still writes the run.
        """
        earlier = _open_writers.get(run.folder.resolve())
        if earlier is not None:
            earlier._let_go()
        check_not_running(run)
        return RunLock(run.folder)

    def log_epoch(
        self,
        epoch: int,
        metrics: Mapping[str, Any],
        arrays: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one epoch: arrays first, then its line of scalars, each all or nothing.

        Args:
            epoch: from 0, above every epoch logged before.
            metrics: scalars by name, e.g. ``test/map_total``; numbers, NumPy or torch scalars. A value
                that is not finite is stored as null. None may be called ``epoch``.
            arrays: NumPy arrays or torch tensors by name, e.g. ``label_embedding/gram``; the dashboard draws
                those that training stores, under the same names.

        Raises:
            ValueError: an epoch out of order, a name or a value of the wrong kind.
            StoreError: the disk is full or the folder cannot be written; earlier epochs are intact. Or the run
                has ended, or another writer has taken over.
        """
        self._require_open()
        epoch = as_count("epoch", epoch, MOST_EPOCH)
        if self._status.epoch is not None and epoch <= self._status.epoch:
            raise ValueError(f"epoch must be above {self._status.epoch}, got {epoch}")
        line = {"epoch": epoch, **as_metrics(metrics)}
        if arrays:
            write_arrays(self.folder / "epochs" / f"{epoch:04d}.safetensors", as_arrays(arrays))
        append_line(self.folder / "metrics.jsonl", line)
        rate = line.get("images_per_second")
        self._progress = (0, self._progress[1])
        self._update(epoch=epoch, images_per_second=rate)

    def log_batch(self, batch: int, num_batches: int) -> None:
        """Note how far the epoch under way is; the next heartbeat writes it, so that this costs nothing.

        Args:
            batch: batches done.
            num_batches: of the epoch.

        Raises:
            ValueError: one of them is below 0.
            StoreError: the run has ended, or another writer has taken over.
        """
        self._require_open()
        self._progress = (as_count("batch", batch), as_count("num_batches", num_batches))

    def log_samples(self, arrays: Mapping[str, Any]) -> None:
        """Write what stays the same over epochs: sample pairs, probe images, targets.

        Raises:
            ValueError: a name or an array of the wrong kind.
            StoreError: the disk is full or the folder cannot be written; or the run has ended, or another
                writer has taken over.
        """
        self._require_open()
        write_arrays(self.folder / "samples.safetensors", as_arrays(arrays))

    def finish(self, state: str = "finished", error: RunFailure | None = None) -> None:
        """Record the final state; later calls change nothing. Ctrl-C meanwhile waits until then."""
        if self._closed.is_set():
            return
        if state not in FINAL_STATES:
            raise ValueError(f"state must be one of {sorted(FINAL_STATES)}, got {state!r}")
        end = {"state": state, "error": None if error is None else as_failure(error), "finished_at": now()}
        try:
            self._record_end(end)
        except KeyboardInterrupt:
            self._record_end(end)
            raise
        finally:
            self._run_lock.release()

    def _record_end(self, end: Mapping[str, Any]) -> None:
        with self._lock:  # a heartbeat under way must not write "running" over it
            self._closed.set()
        self._progress = (None, None)
        try:
            self._update(**end)
        except StoreError:
            # where the disk is full, the place that the file takes up already still is there to be written
            if not overwrite_json(self.folder / "status.json", self._status.model_dump()):
                raise

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            with contextlib.suppress(StoreError):
                self.finish("stopped")
        else:
            # where nothing can be written any more, the error under way already says so
            with contextlib.suppress(StoreError):
                self.finish("failed", as_failure(error))

    def _update(self, **changes: Any) -> None:
        with self._lock:
            if "state" not in changes:
                self._require_open()
            batch, num_batches = self._progress
            beat = {"heartbeat_at": now(), "batch": batch, "num_batches": num_batches}
            self._status = self._status.model_copy(update={**beat, **changes})
            write_json(self.folder / "status.json", self._status.model_dump())

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise StoreError(
                f"run {self.info.run_id} is not open for writing here any more: it has ended, or another "
                "writer has taken over; go on with RunWriter.reopen"
            )

    def _keep_beating(self) -> None:
        while not self._closed.wait(HEARTBEAT_SECONDS):
            with self._lock:
                if self._closed.is_set():
                    return
                if not os.path.isdir(self.folder):
                    continue  # deleted, or its disk is away for a while
                # a full disk may have room again: what cannot be written now is heard of in log_epoch
                with contextlib.suppress(StoreError, OSError):
                    self._update()

    def _let_go(self) -> None:
        with self._lock:
            self._closed.set()
        self._run_lock.release()


def check_not_running(run: Run) -> None:
    """Raise StoreError where another process writes the run."""
    status = run.status
    if status.state != "running" or (status.pid == os.getpid() and is_alive(status)):
        return
    where = "" if status.host in (None, host_name()) else f" on {status.host}"
    raise StoreError(
        f"run {run.run_id} is still being written by process {status.pid}{where}; "
        "wait until it ends, or stop it first"
    )


def _running(device: str, num_epochs: int | None) -> RunStatus:
    return RunStatus(
        state="running",
        num_epochs=num_epochs,
        started_at=now(),
        heartbeat_at=now(),
        device=device,
        **own_process(),
    )


def groups_by_count(counts: list[int], head_min: int, tail_max: int) -> dict[str, list[int]]:
    """Return the class indices of head (from ``head_min`` on), medium and tail (below ``tail_max``)."""
    every = range(len(counts))
    return {
        "head": [c for c in every if counts[c] >= head_min],
        "medium": [c for c in every if tail_max <= counts[c] < head_min],
        "tail": [c for c in every if counts[c] < tail_max],
    }
