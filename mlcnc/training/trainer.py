"""The order of events of a run: build, train an epoch, measure, log, save, and so on to the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from mlcnc import stopping
from mlcnc.config import ExperimentConfig, default_stem, parse
from mlcnc.errors import StoreError
from mlcnc.store import RunStore, RunWriter, free_bytes, new_run_id
from mlcnc.training.build import Experiment, build
from mlcnc.training.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from mlcnc.training.device import device_name
from mlcnc.training.epoch import EpochProgress, train_epoch
from mlcnc.training.measurement import measure
from mlcnc.training.pictures import picture_arrays
from mlcnc.training.progress import progress_of
from mlcnc.training.sample_choice import SampleChoice, choose_samples, sample_arrays

MIN_FREE_BYTES = 50 * 2**20
"""A run of the built-in data needs less than this; below it, it would die half-way."""

SELECTION_METRIC = "validation/map_total"


def train(
    config: ExperimentConfig,
    *,
    runs_root: str | Path = "runs",
    run_id: str | None = None,
    say: Callable[[str], None] = print,
    show_progress: bool = True,
    epoch_lines: bool = False,
) -> str:
    """Train a new run and return its id.

    Args:
        config: all settings.
        runs_root: where the run folder is made.
        run_id: None names it after data set, label embedding and seed.
        say: receives sentences for the user.
        show_progress: draw a bar on standard error.
        epoch_lines: say one line an epoch in its place, for a log.

    Raises:
        MlcncError: a setting, the folder or the data are not usable, or a loss is not finite.
        KeyboardInterrupt: after the run was recorded as stopped.
    """
    stopping.raise_if_asked()
    if free_bytes(runs_root) < MIN_FREE_BYTES:
        raise StoreError(
            f"the disk of {runs_root} has {free_bytes(runs_root) // 2**20} MiB free, "
            f"a run needs {MIN_FREE_BYTES // 2**20}; free some space or choose another --runs folder"
        )
    experiment = build(config)
    say(experiment.device_note)
    run_id = run_id or new_run_id(runs_root, default_stem(config))
    commit = git_commit()
    with stopping.uninterrupted(), create_writer(experiment, runs_root, run_id, commit) as writer:
        say(f"run {run_id}: {config.training.epochs} epochs of {config.data.dataset} into {writer.folder}")
        run_epochs(experiment, writer, 0, show_progress, say if epoch_lines else None)
    say(closing_sentence(RunStore(runs_root), run_id))
    return run_id


def resume(
    run_id: str,
    *,
    runs_root: str | Path = "runs",
    say: Callable[[str], None] = print,
    show_progress: bool = True,
    epoch_lines: bool = False,
) -> str:
    """Go on with an interrupted run from its last checkpoint and return its id.

    On CPU, with the same number of threads, the metrics are those of an uninterrupted run bit for bit.

    Raises:
        RunNotFoundError, RunFormatError: there is no such run or it has no usable checkpoint.
        StoreError: another process still writes it.
    """
    run = RunStore(runs_root).open(run_id)
    config = parse(run.info.config)
    if run.status.state == "finished":
        say(f"run {run_id} is complete: all {config.training.epochs} epochs are logged")
        return run_id
    # locked first: of two that resume at once, one is refused before it costs anything
    with RunWriter.lock(run) as lock:
        experiment = build(config)
        # killed before the first checkpoint there is nothing to restore: the first epoch is trained again
        begun_only = config.training.checkpoint and not has_checkpoint(run.folder) and len(run.metrics()) <= 1
        first = 0 if begun_only else load_checkpoint(experiment, run.folder, say)
        # an epoch that was logged but not saved stays until it is logged again, the same way
        with (
            stopping.uninterrupted(),
            RunWriter.reopen(runs_root, run_id, keep_epochs=first, keep_later=True, lock=lock) as writer,
        ):
            say(f"{experiment.device_note}\nrun {run_id}: going on with epoch {first + 1}")
            logged = {int(line["epoch"]) for line in run.metrics()}
            missing = [epoch + 1 for epoch in range(first) if epoch not in logged]
            if missing:
                say(f"metrics.jsonl is damaged: epochs {missing} cannot be read and stay out of all curves")
            run_epochs(experiment, writer, first, show_progress, say if epoch_lines else None)
    say(closing_sentence(RunStore(runs_root), run_id))
    return run_id


def run_epochs(
    experiment: Experiment,
    writer: RunWriter,
    first: int,
    show_progress: bool,
    say_epoch: Callable[[str], None] | None = None,
) -> None:
    """Train, measure and log the epochs from ``first`` to the last one."""
    training = experiment.config.training
    with progress_of(first, training.epochs, visible=show_progress, say=say_epoch) as bar:

        def report(progress: EpochProgress) -> None:
            writer.log_batch(progress.batch, progress.num_batches)
            bar.on_batch(progress)
            stopping.raise_if_asked()

        with stopping.interruptible():
            choice = choose_samples(
                experiment.dataset, training.num_sample_pairs, training.num_probes, training.seed
            )
            samples: dict[str, NDArray[Any]] = {}
            if training.arrays_every and first == 0:
                pictures = picture_arrays(experiment.dataset, choice, training.num_pictures)
                samples = sample_arrays(experiment.dataset, choice) | pictures
        if samples:
            writer.log_samples(samples)
        for epoch in range(first, training.epochs):
            metrics = one_epoch(experiment, writer, choice, epoch, report)
            bar.on_epoch(epoch, experiment.best, metrics)


def one_epoch(
    experiment: Experiment,
    writer: RunWriter,
    choice: SampleChoice,
    epoch: int,
    report: Callable[[EpochProgress], None],
) -> dict[str, float]:
    """Train, measure, log and save one epoch and return its metrics; a signal to stop waits for the writes."""
    training = experiment.config.training
    started = time.perf_counter()
    with stopping.interruptible():
        metrics = train_epoch(experiment, epoch, report)
        trained = time.perf_counter()
        last = epoch == training.epochs - 1
        measured, arrays = measure(
            experiment, choice, with_arrays=has_arrays(experiment.config, epoch), thorough=last
        )
    metrics.update(measured)
    metrics["seconds_train"] = trained - started
    metrics["images_per_second"] = experiment.sampler.num_samples / (trained - started)
    score = metrics.get(SELECTION_METRIC, float("nan"))
    if score > experiment.best.get("value", float("-inf")):
        experiment.best = {"epoch": epoch, "value": score}
    metrics["seconds"] = time.perf_counter() - started
    # logged first: killed before the checkpoint, the run trains this epoch again, the same way
    writer.log_epoch(epoch, metrics, arrays)
    if training.checkpoint:
        save_checkpoint(experiment, writer.folder, epoch + 1)
    return metrics


def has_arrays(config: ExperimentConfig, epoch: int) -> bool:
    """Return whether the arrays of an epoch are stored: the first, the last and every n-th."""
    every = config.training.arrays_every
    return every > 0 and (epoch % every == 0 or epoch == config.training.epochs - 1)


def create_writer(experiment: Experiment, runs_root: str | Path, run_id: str, commit: str | None) -> RunWriter:
    """Return the writer of a new run with everything that is known before the first epoch."""
    config, dataset = experiment.config, experiment.dataset
    return RunWriter.create(
        runs_root,
        run_id,
        class_names=dataset.class_names,
        class_counts=dataset.class_counts.tolist(),
        groups=dataset.groups,
        config=config.model_dump(),
        name=config.name or run_id,
        seed=config.training.seed,
        group_thresholds=dataset.group_thresholds,
        co_occurrence=dataset.co_occurrence,
        num_train=len(dataset.train),
        num_validation=0 if dataset.validation is None else len(dataset.validation),
        num_test=len(dataset.test),
        num_epochs=config.training.epochs,
        device=device_name(experiment.device),
        versions={"mlcnc": version("mlcnc"), "torch": str(torch.__version__)},
        git_commit=commit,
    )


def git_commit() -> str | None:
    """Return the commit of the checkout this code lies in, or None."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def closing_sentence(store: RunStore, run_id: str) -> str:
    """Return the result in one sentence: the epoch chosen on validation and its test mAP."""
    run = store.open(run_id)
    best = run.best_epoch(SELECTION_METRIC)
    lines = {int(line["epoch"]): line for line in run.metrics()}
    if best is None:
        return f"run {run_id}: {len(lines)} epochs logged, no validation mAP"
    line = lines[best]
    parts = " / ".join(
        f"{group} {line[f'test/map_{group}']:.1f}" for group in ("total", "head", "medium", "tail")
    )
    return f"run {run_id}: best epoch on validation {best + 1} of {len(lines)}, test mAP {parts}"
