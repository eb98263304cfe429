"""Logging a run: the public API for anyone's training loop."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.store.files import append_line, replace_file, store_error, write_arrays, write_json
from mlcnc.store.liveness import HEARTBEAT_SECONDS, is_alive, now, own_process
from mlcnc.store.schema import (
    ARRAY_NAME,
    FINAL_STATES,
    GroupThresholds,
    RunFailure,
    RunInfo,
    RunStatus,
    checked_run_id,
)


class RunWriter:
    """Writes one run folder; use it as a context manager, so that the final state is recorded.

    Leaving it without an exception makes the run ``finished``, with KeyboardInterrupt ``stopped``, with
    any other exception ``failed`` with its message; the exception goes on.

    Example:
        >>> import tempfile
        >>> root = tempfile.mkdtemp()
        >>> with RunWriter.create(root, "mine", class_names=["a", "b"], class_counts=[9, 2]) as run:
        ...     run.log_epoch(0, {"train/loss": 0.7, "test/map_total": 51.0})
    """

    def __init__(self, folder: Path, info: RunInfo, status: RunStatus) -> None:
        self.folder = folder
        self.info = info
        self._status = status
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._write_status()
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
            ValueError: counts and names do not fit.
        """
        if len(class_counts) != len(class_names):
            raise ValueError(
                f"class_counts must have {len(class_names)} entries like class_names, got {len(class_counts)}"
            )
        head_min, tail_max = group_thresholds
        counts = [int(count) for count in class_counts]
        info = RunInfo(
            run_id=checked_run_id(run_id),
            name=name or run_id,
            created_at=now(),
            config=dict(config or {}),
            seed=seed,
            class_names=list(class_names),
            class_counts=counts,
            groups=groups_by_count(counts, head_min, tail_max)
            if groups is None
            else {key: [int(i) for i in members] for key, members in groups.items()},
            group_thresholds=GroupThresholds(head_min=head_min, tail_max=tail_max),
            co_occurrence=None if co_occurrence is None else np.asarray(co_occurrence).tolist(),
            num_train=num_train,
            num_validation=num_validation,
            num_test=num_test,
            versions={"python": platform.python_version(), "numpy": np.__version__, **(versions or {})},
            device=device,
            git_commit=git_commit,
        )
        folder = Path(root) / run_id
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            raise StoreError(
                f"run {run_id} exists already in {folder.parent}; choose another --run-id, resume it "
                f"(mlcnc train --resume {run_id}) or delete it"
            ) from None
        except OSError as error:
            raise StoreError(f"the runs folder {root} cannot be written: {error.strerror}") from error
        write_json(folder / "run.json", info.model_dump())
        return cls(folder, info, _running(device, num_epochs))

    @classmethod
    def reopen(cls, root: str | Path, run_id: str, *, keep_epochs: int) -> RunWriter:
        """Go on with a run, keeping its epochs below ``keep_epochs`` and dropping later ones.

        Raises:
            RunNotFoundError: there is no such run.
            StoreError: a live process still writes it.
        """
        from mlcnc.store.reader import RunStore

        run = RunStore(root).open(run_id)
        if run.status.state == "running" and is_alive(run.status) and run.status.pid != os.getpid():
            raise StoreError(f"run {run_id} is still being written by process {run.status.pid}")
        kept = [line for line in run.metrics() if int(line["epoch"]) < keep_epochs]
        if len(kept) < keep_epochs:
            raise RunFormatError(f"run {run_id} has {len(kept)} of {keep_epochs} epochs to go on from")
        text = "".join(json.dumps(_as_json(line)) + "\n" for line in kept)
        replace_file(run.folder / "metrics.jsonl", lambda aside: _write_text(aside, text))
        for epoch in run.array_epochs():
            if epoch >= keep_epochs:
                (run.folder / "epochs" / f"{epoch:04d}.safetensors").unlink()
        status = _running(run.info.device, run.status.num_epochs)
        return cls(
            run.folder,
            run.info,
            status.model_copy(
                update={
                    "epoch": keep_epochs - 1 if keep_epochs else None,
                    "started_at": run.status.started_at or status.started_at,
                }
            ),
        )

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
                that is not finite is stored as null.
            arrays: NumPy arrays or torch tensors by name; see design section 4 for the names the
                dashboard knows.

        Raises:
            ValueError: an epoch out of order, a name or a value of the wrong kind.
            StoreError: the disk is full or the folder cannot be written; earlier epochs are intact.
        """
        if self._status.epoch is not None and epoch <= self._status.epoch:
            raise ValueError(f"epoch must be above {self._status.epoch}, got {epoch}")
        line = {"epoch": int(epoch), **{str(k): _as_number(str(k), v) for k, v in metrics.items()}}
        if arrays:
            write_arrays(self.folder / "epochs" / f"{epoch:04d}.safetensors", _as_arrays(arrays))
        append_line(self.folder / "metrics.jsonl", line)
        rate = line.get("images_per_second")
        self._update(epoch=int(epoch), images_per_second=rate)

    def log_samples(self, arrays: Mapping[str, Any]) -> None:
        """Write what stays the same over epochs: sample pairs, probe images, targets.

        Raises:
            ValueError: a name or an array of the wrong kind.
            StoreError: the disk is full or the folder cannot be written.
        """
        write_arrays(self.folder / "samples.safetensors", _as_arrays(arrays))

    def finish(self, state: str = "finished", error: RunFailure | None = None) -> None:
        """Record the final state; later calls change nothing."""
        if self._closed.is_set():
            return
        if state not in FINAL_STATES:
            raise ValueError(f"state must be one of {sorted(FINAL_STATES)}, got {state!r}")
        self._closed.set()
        self._update(state=state, error=error, finished_at=now())

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
            self.finish("stopped")
        else:
            failure = RunFailure(
                type=type(error).__name__,
                message=str(error),
                epoch=getattr(error, "epoch", None),
                batch=getattr(error, "batch", None),
            )
            try:
                self.finish("failed", failure)
            except StoreError:
                self._closed.set()  # the disk is full: the error under way already says so

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._status = self._status.model_copy(update={**changes, "heartbeat_at": now()})
            self._write_status()

    def _write_status(self) -> None:
        write_json(self.folder / "status.json", self._status.model_dump())

    def _keep_beating(self) -> None:
        while not self._closed.wait(HEARTBEAT_SECONDS):
            with self._lock:
                if self._closed.is_set() or not self.folder.is_dir():
                    return
                try:
                    self._update()
                except StoreError:
                    return  # the next log_epoch reports it where it can be heard


def new_run_id(root: str | Path, stem: str) -> str:
    """Return ``stem`` or ``stem-2``, ``stem-3``, ..., the first that no run has."""
    taken = {path.name for path in Path(root).iterdir()} if Path(root).is_dir() else set()
    number = 1
    while True:
        candidate = stem if number == 1 else f"{stem}-{number}"
        if candidate not in taken:
            return checked_run_id(candidate)
        number += 1


def free_bytes(root: str | Path) -> int:
    """Return the free space of the disk that holds ``root``."""
    path = Path(root)
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _running(device: str, num_epochs: int | None) -> RunStatus:
    pid, start_time = own_process()
    return RunStatus(
        state="running",
        num_epochs=num_epochs,
        started_at=now(),
        heartbeat_at=now(),
        pid=pid,
        process_start_time=start_time,
        device=device,
    )


def groups_by_count(counts: list[int], head_min: int, tail_max: int) -> dict[str, list[int]]:
    """Return the class indices of head (from ``head_min`` on), medium and tail (below ``tail_max``)."""
    every = range(len(counts))
    return {
        "head": [c for c in every if counts[c] >= head_min],
        "medium": [c for c in every if tail_max <= counts[c] < head_min],
        "tail": [c for c in every if counts[c] < tail_max],
    }


def _as_number(name: str, value: Any) -> float | int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if hasattr(value, "detach"):
        value = value.detach()  # a loss still tied to its graph
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"metric {name!r} must be one number, got {type(value).__name__}; "
            "log arrays through the arrays argument"
        ) from None
    return number if math.isfinite(number) else None


def _as_json(line: Mapping[str, float]) -> dict[str, float | int | None]:
    return {"epoch": int(line["epoch"])} | {
        name: _as_number(name, value) for name, value in line.items() if name != "epoch"
    }


def _as_arrays(arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    result = {}
    for name, value in arrays.items():
        if not ARRAY_NAME.fullmatch(name):
            raise ValueError(f"array name {name!r} must be letters, digits, _ and . in parts split by /")
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"array {name!r} must be numeric, got dtype {array.dtype}")
        result[name] = array
    return result


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise store_error(path, error) from error
