"""Measuring the last checkpoint of a run again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mlcnc.config import parse
from mlcnc.store import RunStore
from mlcnc.store.writer import check_not_running
from mlcnc.training.build import build
from mlcnc.training.checkpoint import load_checkpoint, require_checkpoint
from mlcnc.training.device import products_of
from mlcnc.training.measurement import measure
from mlcnc.training.sample_choice import choose_samples


def evaluate(
    run_id: str, *, runs_root: str | Path = "runs", say: Callable[[str], None] = print
) -> tuple[dict[str, float], int]:
    """Return the metrics of the weights in a run's last checkpoint, and their epoch from 0.

    Args:
        run_id: of the run.
        runs_root: its folder.
        say: receives a sentence where the last checkpoint is damaged and the one before it is taken.

    Raises:
        RunNotFoundError, RunFormatError: there is no such run or it has no usable checkpoint.
        StoreError: a process still writes it, so that the last checkpoint would be another one soon; or the
            checkpoint cannot be read.
    """
    run = RunStore(runs_root).open(run_id)
    check_not_running(run)
    require_checkpoint(run.folder)  # a run that somebody else wrote has no settings of ours either
    with closing(build(parse(run.info.config))) as experiment:
        next_epoch = load_checkpoint(experiment, run.folder, say)
        images, groups = experiment.images, experiment.dataset.groups
        with products_of(experiment.config.training.precision, experiment.fabric.device):
            metrics, _ = measure(
                experiment.method,
                experiment.step,
                images,
                choose_samples(experiment.dataset, images.train, 0, 0, 0),
                ranks=experiment.ranks,
                groups=groups,
                average=experiment.average,
                with_arrays=False,
            )
    return metrics, next_epoch - 1
