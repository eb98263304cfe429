"""Saving and restoring everything that an interrupted run needs to go on bit for bit.

Random states need no place here: sampling, augmentation and dropout of an epoch follow from the seed
and the epoch's number. The checkpoint before the last one stays beside it: where a disk damages the last
one, an epoch is trained again instead of the whole run. That doubles 1.8 MiB of the small network or 270 MiB
of a ResNet-50, little beside hours of training; where the disk is full it is given up first.
"""

from __future__ import annotations

import errno
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.files.writing import write_all
from mlcnc.store.files import FULL_DISK, replace_file
from mlcnc.store.regular_files import require_regular
from mlcnc.torch_archive import why_not_plain

if TYPE_CHECKING:
    from mlcnc.training.build import Experiment

FILE_NAME = Path("checkpoints") / "last.pt"
PREVIOUS_NAME = Path("checkpoints") / "previous.pt"


def save_checkpoint(experiment: Experiment, run_folder: Path, next_epoch: int) -> None:
    """Write ``checkpoints/last.pt`` aside and rename it; the one before becomes ``checkpoints/previous.pt``.

    Raises:
        StoreError: the disk is full or the folder cannot be written; the last good one survives.
    """
    path = run_folder / FILE_NAME
    state = {
        "next_epoch": next_epoch,
        "method": experiment.method.state_dict(),
        "optimiser": experiment.optimiser.state_dict(),
        "schedule": experiment.schedule.state_dict(),
        "average": None if experiment.average is None else experiment.average.state_dict(),
        "best": experiment.best,
    }
    previous = run_folder / PREVIOUS_NAME

    def write(aside: Path) -> None:
        # in memory first: torch's own way to a file hides why the system refused it
        content = io.BytesIO()
        torch.save(state, content)
        write_all(aside, content.getbuffer())

    try:
        try:
            replace_file(path, write, keep=previous)
        except StoreError as error:
            is_full = getattr(error.__cause__, "errno", None) in FULL_DISK
            if not is_full or not previous.is_file() or not path.is_file():
                raise
            previous.unlink()
            replace_file(path, write)
    except (StoreError, OSError) as error:
        cause = error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        raise StoreError(f"the checkpoint {path} could not be written: {reason}") from error


def load_checkpoint(experiment: Experiment, run_folder: Path, say: Callable[[str], None] = print) -> int:
    """Restore ``experiment`` in place and return the epoch to go on with.

    Args:
        experiment: of the same config.
        run_folder: of the run.
        say: receives a sentence where the last checkpoint is damaged or missing and the one before it is taken.

    Raises:
        RunFormatError: there is no checkpoint, both are damaged, or it is of another config.
        StoreError: the system does not let it be read.
    """
    state = read_checkpoint(run_folder, say)
    if "network" in state and "method" not in state:
        raise RunFormatError(
            f"the checkpoint of {run_folder.name} was written by an earlier mlcnc, whose random choices were "
            "others; train the run anew"
        )
    try:
        experiment.method.load_state_dict(state["method"])
        experiment.optimiser.load_state_dict(state["optimiser"])
        experiment.schedule.load_state_dict(state["schedule"])
        if experiment.average is not None:
            experiment.average.load_state_dict(state["average"])
        experiment.best = dict(state["best"])
        next_epoch = int(state["next_epoch"])
        if next_epoch < 0:
            raise ValueError(f"next_epoch must be 0 or more, got {next_epoch}")
        return next_epoch
    except (LookupError, RuntimeError, ValueError, AttributeError, TypeError, ArithmeticError) as error:
        raise RunFormatError(f"the checkpoint of {run_folder.name} does not fit its config: {error}") from error


def has_checkpoint(run_folder: Path) -> bool:
    """Return whether the run has written a checkpoint."""
    return (run_folder / FILE_NAME).is_file() or (run_folder / PREVIOUS_NAME).is_file()


def require_checkpoint(run_folder: Path) -> None:
    """Check that the run has written a checkpoint.

    Raises:
        RunFormatError: it has not.
    """
    if not has_checkpoint(run_folder):
        raise RunFormatError(
            f"run {run_folder.name} has no checkpoint ({FILE_NAME}): recorded runs and those of mlcnc analyze "
            "carry none, and --training.checkpoint false writes none; train it anew"
        )


def read_checkpoint(run_folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Return the content of the last checkpoint, or of the one before it where the last is damaged.

    Only tensors and plain values are accepted.

    Raises:
        RunFormatError: there is no checkpoint or both are damaged.
        StoreError: the system does not let it be read, which says nothing about what it holds.
    """
    require_checkpoint(run_folder)
    last, previous = run_folder / FILE_NAME, run_folder / PREVIOUS_NAME
    if not os.path.lexists(last):  # killed between the two renames of a new one
        state = _read(previous)
        say(f"there is no {FILE_NAME}; going on from {PREVIOUS_NAME}, the one before it")
        return state
    try:
        return _read(last)
    except RunFormatError as error:
        if not previous.is_file():
            raise
        try:
            state = _read(previous)
        except RunFormatError:
            raise error from None
        say(f"{error}; going on from {PREVIOUS_NAME}, the one before it")
        return state


def _read(path: Path) -> dict[str, Any]:
    try:
        require_regular(path)
        reason = why_not_plain(path)
        if reason is not None:
            raise RunFormatError(f"the checkpoint {path} is damaged: {reason}")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except RunFormatError:
        raise
    except (OSError, MemoryError) as error:
        # a wrong place in the file, as a damaged index names it, is no refusal of the system
        if getattr(error, "errno", None) == errno.EINVAL:
            raise RunFormatError(f"the checkpoint {path} is damaged: {_first_line(error)}") from error
        reason = getattr(error, "strerror", None) or "there is not enough memory"
        raise StoreError(f"the checkpoint {path} cannot be read: {reason}") from error
    except Exception as error:  # zipfile and torch raise many kinds for a damaged file
        raise RunFormatError(f"the checkpoint {path} is damaged: {_first_line(error)}") from error
    if not isinstance(state, dict):
        raise RunFormatError(
            f"the checkpoint {path} is damaged: it holds a {type(state).__name__}, no settings"
        )
    return state


def _first_line(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        return "it holds more than tensors and plain values"
    return (str(error).strip() or type(error).__name__).splitlines()[0]
