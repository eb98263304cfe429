"""A whole run: :func:`train` begins one, :func:`resume` goes on with it, both epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mlcnc import stopping
from mlcnc.config import ExperimentConfig, default_stem, parse
from mlcnc.errors import counted
from mlcnc.store import RunStore, RunWriter, new_run_id, require_free_space, require_runs_folder
from mlcnc.training.build import Experiment, build
from mlcnc.training.checkpoint import has_checkpoint, load_checkpoint
from mlcnc.training.device import products_of
from mlcnc.training.epoch import Events, one_epoch
from mlcnc.training.measurement import spaces_of
from mlcnc.training.pictures import image_arrays
from mlcnc.training.progress import EpochProgress, progress_of
from mlcnc.training.ranks import start_ranks
from mlcnc.training.record import closing_sentence, create_writer, git_commit
from mlcnc.training.sample_choice import choose_samples, sample_arrays


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
        run_id: None names it after data set, method and seed.
        say: receives sentences for the user.
        show_progress: draw a bar on standard error.
        epoch_lines: say one line an epoch in its place, for a log.

    Raises:
        MlcncError: a setting, the folder or the data are not usable, or a loss is not finite.
        KeyboardInterrupt: after the run was recorded as stopped.
    """
    require_runs_folder(runs_root)
    require_free_space(runs_root)
    run_id, commit = run_id or new_run_id(runs_root, default_stem(config)), git_commit()
    with start_ranks(config.training, run_id, runs_root) as ranks:
        say, run_id = ranks.first_only(say), ranks.run_id
        with closing(build(config, say, ranks)) as experiment:
            say(ranks.note)
            dataset, device = experiment.dataset, ranks.fabric.device
            spaces = spaces_of(experiment.step, experiment.input_shape, device)
            settings = experiment.config
            with (
                stopping.deferred(),
                ranks.of_first(
                    lambda: create_writer(settings, dataset, spaces, device, runs_root, run_id, commit)
                ) as writer,
            ):
                say(
                    f"run {run_id}: {counted(config.training.epochs, 'epoch')} of {config.method.title} on "
                    f"{config.data.dataset} into {Path(runs_root) / run_id}"
                )
                run_epochs(experiment, writer, 0, show_progress, say if epoch_lines else None)
    if ranks.is_first:
        say(closing_sentence(RunStore(runs_root), run_id))
    return run_id


def resume(
    run_id: str,
    *,
    runs_root: str | Path = "runs",
    devices: int | None = None,
    say: Callable[[str], None] = print,
    show_progress: bool = True,
    epoch_lines: bool = False,
) -> str:
    """Go on with an interrupted run from its last checkpoint and return its id.

    On CPU, with the same number of threads and processes, the metrics are those of an uninterrupted run bit for
    bit.

    Args:
        run_id: of the run.
        runs_root: its folder.
        devices: processes that train from here on; None takes as many as before.
        say, show_progress, epoch_lines: as for :func:`train`.

    Raises:
        RunNotFoundError, RunFormatError: there is no such run or it has no usable checkpoint.
        StoreError: another process still writes it.
    """
    run = RunStore(runs_root).open(run_id)
    if run.status.state == "finished":
        say(f"run {run_id} is complete: {counted(run.status.num_epochs or len(run.metrics()), 'epoch')} logged")
        return run_id
    config = parse(run.info.config)
    training = config.training.model_copy(update={} if devices is None else {"devices": devices})
    with start_ranks(training, run_id, runs_root) as ranks:
        say = ranks.first_only(say)
        # locked first: of two that resume at once, one is refused before it costs anything
        with (
            ranks.of_first(lambda: RunWriter.lock(run)) as lock,
            closing(build(config, say, ranks)) as experiment,
        ):
            # killed before the first checkpoint there is nothing to restore: the first epoch is trained again
            saved = has_checkpoint(run.folder)
            begun_only = config.training.checkpoint and not saved and len(run.metrics()) <= 1
            first = 0 if begun_only else load_checkpoint(experiment, run.folder, say)
            # an epoch that was logged but not saved stays until it is logged again, the same way
            with (
                stopping.deferred(),
                ranks.of_first(
                    lambda: RunWriter.reopen(runs_root, run_id, keep_epochs=first, keep_later=True, lock=lock)
                ) as writer,
            ):
                say(f"{ranks.note}\nrun {run_id}: going on with epoch {first + 1}")
                logged = {int(line["epoch"]) for line in run.metrics()}
                missing = [epoch + 1 for epoch in range(first) if epoch not in logged]
                if missing:
                    say(f"metrics.jsonl is damaged: epochs {missing} cannot be read and stay out of all curves")
                run_epochs(experiment, writer, first, show_progress, say if epoch_lines else None)
    if ranks.is_first:
        say(closing_sentence(RunStore(runs_root), run_id))
    return run_id


def run_epochs(
    experiment: Experiment,
    writer: RunWriter | None,
    first: int,
    show_progress: bool,
    say_epoch: Callable[[str], None] | None = None,
) -> None:
    """Train, measure and log the epochs from ``first`` to the last one."""
    training, ranks = experiment.config.training, experiment.ranks
    visible = show_progress and ranks.is_first
    products = products_of(training.precision, experiment.fabric.device)
    with products, ranks.together(), progress_of(first, training.epochs, visible=visible, say=say_epoch) as bar:

        def report(progress: EpochProgress) -> None:
            if writer is not None:
                writer.log_batch(progress.batch, progress.num_batches)
            bar.on_batch(progress)
            stopping.raise_if_asked()

        choice = choose_samples(
            experiment.dataset,
            experiment.images.train,
            training.num_sample_pairs,
            training.num_probes,
            training.seed,
        )
        if writer is not None and training.arrays_every and first == 0:
            samples = sample_arrays(experiment.dataset, choice)
            samples |= image_arrays(experiment.dataset, experiment.images.train, choice, training.num_pictures)
            writer.log_samples(samples)
        for epoch in range(first, training.epochs):
            stopping.raise_if_asked()
            metrics = one_epoch(experiment, Events(writer, choice, report), epoch)
            bar.on_epoch(epoch, experiment.best, metrics)
