"""Saving and restoring everything that an interrupted run needs to go on bit for bit.

Random states need no place here: sampling, augmentation and dropout of an epoch follow from the seed
and the epoch's number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.store.files import replace_file
from mlcnc.training.build import Experiment

FILE_NAME = Path("checkpoints") / "last.pt"


def save_checkpoint(experiment: Experiment, run_folder: Path, next_epoch: int) -> None:
    """Write ``checkpoints/last.pt`` aside and rename it, so that the last good one survives.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    path = run_folder / FILE_NAME
    state = {
        "next_epoch": next_epoch,
        "network": experiment.network.state_dict(),
        "optimiser": experiment.optimiser.state_dict(),
        "schedule": experiment.schedule.state_dict(),
        "class_means": experiment.class_means.state_dict(),
        "average": None if experiment.average is None else experiment.average.state_dict(),
        "initial_embedding": experiment.initial_embedding,
        "best": experiment.best,
    }
    try:
        replace_file(path, lambda aside: torch.save(state, aside))
    except StoreError as error:
        raise StoreError(f"the checkpoint {path} could not be written: {error.__cause__}") from error


def load_checkpoint(experiment: Experiment, run_folder: Path) -> int:
    """Restore ``experiment`` in place and return the epoch to go on with.

    Raises:
        RunFormatError: there is no checkpoint, it is damaged, or it is of another config.
    """
    state = read_checkpoint(run_folder)
    try:
        experiment.network.load_state_dict(state["network"])
        experiment.optimiser.load_state_dict(state["optimiser"])
        experiment.schedule.load_state_dict(state["schedule"])
        experiment.class_means.load_state_dict(state["class_means"])
        if experiment.average is not None:
            experiment.average.load_state_dict(state["average"])
    except (KeyError, RuntimeError, ValueError, AttributeError) as error:
        raise RunFormatError(f"the checkpoint of {run_folder.name} does not fit its config: {error}") from error
    experiment.initial_embedding = state["initial_embedding"].to(experiment.device)
    experiment.best = dict(state["best"])
    return int(state["next_epoch"])


def has_checkpoint(run_folder: Path) -> bool:
    """Return whether the run has written a checkpoint."""
    return (run_folder / FILE_NAME).is_file()


def read_checkpoint(run_folder: Path) -> dict[str, Any]:
    """Return the content of ``checkpoints/last.pt``; only tensors and plain values are accepted.

    Raises:
        RunFormatError: there is no checkpoint or it is damaged.
    """
    path = run_folder / FILE_NAME
    if not has_checkpoint(run_folder):
        raise RunFormatError(
            f"run {run_folder.name} has no checkpoint ({FILE_NAME}): recorded runs carry none, "
            "and --training.checkpoint false writes none; train it anew"
        )
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunFormatError(f"the checkpoint {path} is damaged: {error}") from error
    return state
