"""Training, top to bottom: settings, data, method, step, measurement, saving.

:func:`build` turns settings into objects, :func:`train_epoch` is the loop over batches, :func:`one_epoch` the
order of events of an epoch, :func:`train` and :func:`resume` begin and go on with a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mlcnc import stopping
from mlcnc.config import DataConfig, ExperimentConfig, default_stem, parse
from mlcnc.data import DatasetRequest, MultiLabelDataset, build_dataset, dataset_facts
from mlcnc.data.samplers import build_sampler, require_sampler
from mlcnc.errors import ConfigError, counted
from mlcnc.methods.method import Method, Moment, TrainingStatistics, build_method
from mlcnc.methods.settings import MethodSettings
from mlcnc.metrics.catalogue import UNTRAINED
from mlcnc.models import build_backbone, cut
from mlcnc.models.backbone import Backbone
from mlcnc.named_paths import named_path
from mlcnc.store import RunStore, RunWriter, new_run_id, require_free_space, require_runs_folder
from mlcnc.training.batches import Batches, ImageBatches, Loader, seen_images
from mlcnc.training.cached_batches import cached_batches
from mlcnc.training.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from mlcnc.training.device import peak_memory_mb
from mlcnc.training.gradient_shares import gradient_shares
from mlcnc.training.loss_record import LossRecord
from mlcnc.training.measurement import MeasuredImages, measure, measured_images, spaces_of
from mlcnc.training.optimisation import build_optimiser, build_schedule, with_backbone_rate
from mlcnc.training.pictures import image_arrays
from mlcnc.training.progress import EpochProgress, progress_of
from mlcnc.training.ranks import Ranks, alone, start_ranks
from mlcnc.training.record import SELECTION_METRIC, closing_sentence, create_writer, git_commit
from mlcnc.training.sample_choice import SampleChoice, choose_samples, sample_arrays

# ---- settings to objects ------------------------------------------------------------------------------------


@dataclass
class Experiment:
    """Everything one training run works with, built from its config.

    Attributes:
        ranks: the processes that train together, most often this one alone.
        method: network, loss and state.
        step: the same as Fabric wraps it; its ``loss`` is a training step, its call a forward pass.
        loaders: of the training images, one a stream of the method.
        images: what is measured.
        input_shape: of what a loader gives of one image: (3, H, W), or that of its map where maps are cached.
        average: of the weights, where one is kept.
        best: epoch and value of the best validation mAP so far.
    """

    config: ExperimentConfig
    dataset: MultiLabelDataset
    ranks: Ranks
    method: Method
    step: _FabricModule
    loaders: Sequence[Loader]
    images: MeasuredImages
    input_shape: tuple[int, ...]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: AveragedModel | None
    best: dict[str, float] = field(default_factory=dict)

    @property
    def fabric(self) -> Fabric:
        """Places tensors, casts, and goes backwards."""
        return self.ranks.fabric

    def close(self) -> None:
        """End the processes that read images."""
        for loader in (*self.loaders, *self.images.loaders.values()):
            loader.close()


def build(
    config: ExperimentConfig, say: Callable[[str], None] = lambda text: None, ranks: Ranks | None = None
) -> Experiment:
    """Return all objects of a run, seeded by ``config.training.seed``.

    Args:
        config: all settings.
        say: receives sentences on the data, and on maps that are computed once.
        ranks: the processes of the run; None is this one alone.

    Raises:
        ConfigError: a setting does not fit this machine or the data set.
        DataError: photographs are missing or damaged.
        WeightsUnavailableError: pre-trained weights are asked for and cannot be had.
    """
    data, model, training = config.data, config.model, config.training
    ranks = ranks or alone(training)
    fabric, share = ranks.fabric, ranks.share
    device = fabric.device

    facts = dataset_facts(data.dataset)
    if (problem := config.method.problem_with_classes(len(facts.class_names))) is not None:
        raise ConfigError(f"method.{problem}")
    for stream in range(len(config.method.streams)):
        require_sampler(sampler_of(config, stream, 0))
    if facts.root is not None:
        facts.root(dataset_request(data).root)  # what is missing is said before any weights are downloaded

    torch.manual_seed(training.seed)
    backbone = build_backbone(
        model.backbone,
        weights=model.weights,
        weights_file=model.weights_file,
        stage=model.stage,
        frozen=model.frozen,
        trained_blocks=model.trained_blocks,
        image_size=data.image_size,
    )
    config = settled(config, backbone.size, share.number)
    dataset = build_dataset(data.dataset, dataset_request(config.data))
    for note in dataset.notes:
        say(note)
    num_samples = data.num_samples or len(dataset.train)
    if (problem := config.problem_with_batches(num_samples, share.number)) is not None:
        raise ConfigError(problem)
    seen = seen_images(dataset, config.data, backbone)
    batches: Batches = ImageBatches(seen, device, data.num_workers, training.seed, share)
    if model.frozen == "all" and model.cache_maps:
        frozen, backbone = cut(backbone)
        batches = cached_batches(config, seen, frozen, device, say, share)

    statistics = TrainingStatistics(
        dataset.class_names,
        dataset.class_counts,
        dataset.co_occurrence,
        len(dataset.train),
        batches.input_shape,
    )
    method = build_method(config.method, backbone, statistics, seed=training.seed)
    if device.type != "mps":
        method = method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in stubs
    ranks.prepare(method, training.sync_batchnorm)
    if training.compile:
        for part in method.averaged.modules():
            if isinstance(part, Backbone):
                part.compile()

    def order(stream: int, epoch: int) -> NDArray[np.int64]:
        sampler = sampler_of(config, stream, epoch)
        return build_sampler(sampler, dataset.train.targets, num_samples, training.seed).indices(epoch)

    loaders = [
        batches.training(partial(order, stream), training.batch_size, stream)
        for stream in range(len(config.method.streams))
    ]

    groups = method.parameter_groups(training.weight_decay)
    pretrained = (backbone, *method.backbone_copies)
    groups = with_backbone_rate(groups, pretrained, training.lr, training.backbone_lr_factor)
    optimiser = build_optimiser(training, groups, device)
    updates_an_epoch = -(-loaders[0].num_batches(0) // training.accumulation)
    schedule = build_schedule(training, optimiser, updates_an_epoch)
    step = fabric.setup_module(method)
    step.mark_forward_method("loss")
    return Experiment(
        config=config,
        dataset=seen.dataset,
        ranks=ranks,
        method=method,
        step=step,
        loaders=loaders,
        images=measured_images(seen.dataset, batches.measured, training.num_measured_train, training.seed),
        input_shape=batches.input_shape,
        optimiser=fabric.setup_optimizers(optimiser),  # type: ignore[arg-type]  # Fabric's wrapper is one
        schedule=schedule,
        average=_moving_average(method, training.ema_decay),
    )


def settled(config: ExperimentConfig, size: int, devices: int = 1) -> ExperimentConfig:
    """Return the config as a run stores it, which means the same whatever the current folder is.

    The side of the images is its own, else ``size`` where the data set offers it; folder, weights file
    and file of vectors are absolute; ``devices`` are as many as there are.
    """
    data, model = config.data, config.model
    offered = dataset_facts(data.dataset).image_sizes
    size = data.image_size or (size if not offered or size in offered else offered[0])
    root = None if data.root is None else str(named_path(data.root).absolute())
    weights = model.weights_file
    if weights is not None and "://" not in weights:
        weights = str(named_path(weights).absolute())
    method: MethodSettings = config.method
    if vectors := getattr(method, "glove_path", None):
        method = method.model_copy(update={"glove_path": str(named_path(vectors).absolute())})
    return config.model_copy(
        update={
            "data": data.model_copy(update={"image_size": size, "root": root}),
            "model": model.model_copy(update={"weights_file": weights}),
            "method": method,
            "training": config.training.model_copy(update={"devices": devices}),
        }
    )


def dataset_request(data: DataConfig) -> DatasetRequest:
    """Return what the settings ask of a data set."""
    return DatasetRequest(
        seed=data.seed,
        size=data.image_size,
        root=None if data.root is None else named_path(data.root),
        annotations=data.annotations,
        difficult=data.difficult,
        test_images=data.test_images,
        damaged=data.damaged,
    )


def sampler_of(config: ExperimentConfig, stream: int, epoch: int) -> str:
    """Return the sampler of a stream; of a single one that of the settings, else of the loss, goes before.

    Raises:
        ConfigError: a sampler is named for a method that draws from several.
    """
    streams = config.method.streams
    named = config.data.sampler or getattr(getattr(config.method, "classification", None), "sampler", None)
    if named is None:
        return config.method.sampler_of(stream, epoch, config.training.epochs)
    if len(streams) != 1:
        raise ConfigError(
            f"data.sampler must be none for {config.method.title}, which draws from {' and '.join(streams)}, "
            f"got {named!r}"
        )
    return str(named)


def _moving_average(method: Method, decay: float | None) -> AveragedModel | None:
    if decay is None:
        return None
    blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # untyped in torch
    return AveragedModel(method.averaged, multi_avg_fn=blend, use_buffers=True)


# ---- one epoch ----------------------------------------------------------------------------------------------


class Events(NamedTuple):
    """Who hears of a run: its writer, the samples it looks at, and whoever wants to know of every batch.

    The writer is that of the first process; others have none.
    """

    writer: RunWriter | None
    choice: SampleChoice
    report: Callable[[EpochProgress], None]


def train_epoch(
    experiment: Experiment, epoch: int, report: Callable[[EpochProgress], None]
) -> dict[str, float]:
    """Train one epoch and return its mean losses, learning rate and learned scalars by metric name.

    Of a measured epoch also which term of the loss trained, on its last batch; not by several processes.

    The order of images, their augmentation and dropout follow from the seed and the epoch alone, so
    that a resumed run repeats an uninterrupted one. No step waits for the device.

    Raises:
        NonFiniteLossError: a loss term is NaN or infinite, noticed within a few steps.
    """
    training, method, fabric = experiment.config.training, experiment.method, experiment.fabric
    torch.manual_seed(epoch_seed(training.seed, epoch))
    experiment.step.train()
    method.begin_epoch(epoch)
    record = LossRecord(epoch)
    num_batches = experiment.loaders[0].num_batches(epoch)
    streams = zip(*(loader.epoch(epoch) for loader in experiment.loaders), strict=True)
    for index, batches in enumerate(streams):
        experiment.ranks.size = len(batches[0].targets)
        with fabric.autocast():
            losses = experiment.step.loss(batches, Moment(epoch, index, training.epochs))
        done = index - index % training.accumulation  # steps before those of this update
        if index == done:
            # only now: the memory of the old gradients is that of the new ones, which is quicker on a CPU
            experiment.optimiser.zero_grad(set_to_none=True)
        fabric.backward(losses.total / min(training.accumulation, num_batches - done))
        if (index + 1) % training.accumulation == 0 or index + 1 == num_batches:
            update(experiment)
        record.add(losses, len(batches[0].targets))
        report(EpochProgress(index + 1, num_batches, len(batches[0].targets), record.latest))
    experiment.optimiser.zero_grad(set_to_none=True)
    shares: dict[str, float] = {}
    if is_measured(experiment.config, epoch) and experiment.ranks.share.number == 1:
        began = time.perf_counter()
        shares = gradient_shares(method, batches, Moment(epoch, index, training.epochs), fabric)
        shares["seconds_gradients"] = time.perf_counter() - began
    method.end_epoch()
    experiment.ranks.unite_norms(method, *([] if experiment.average is None else [experiment.average]))
    metrics = {f"train/{name}": value for name, value in record.means().items()}
    metrics["lr"] = float(experiment.schedule.get_last_lr()[0])
    metrics |= {name: float(value.detach()) for name, value in method.scalars().items()}
    return metrics | shares


def update(experiment: Experiment) -> None:
    """Change the weights by the gradients that were gathered; parameters without one do not move."""
    clip_norm = experiment.config.training.clip_norm
    if clip_norm is not None:
        # a norm that is not finite is that of a loss that is not, and told there without waiting for the device
        experiment.fabric.clip_gradients(
            experiment.step, experiment.optimiser, max_norm=clip_norm, error_if_nonfinite=False
        )
    experiment.optimiser.step()
    experiment.schedule.step()
    if experiment.average is not None:
        experiment.average.update_parameters(experiment.method.averaged)


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of one epoch's dropout, distinct for every pair."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def one_epoch(experiment: Experiment, events: Events, epoch: int) -> dict[str, float]:
    """Train, measure, log and save one epoch and return its metrics."""
    training = experiment.config.training
    arrays: dict[str, NDArray[Any]] = {}
    measured_now = partial(
        measure,
        experiment.method,
        experiment.step,
        experiment.images,
        events.choice,
        ranks=experiment.ranks,
        groups=experiment.dataset.groups,
        average=experiment.average,
    )
    started = time.perf_counter()
    before: dict[str, float] = {}
    if training.measure_untrained and epoch == 0:
        before = of_untrained(measured_now(with_arrays=False, thorough=False)[0])
    begun = time.perf_counter()
    metrics = train_epoch(experiment, epoch, events.report) | before
    trained = time.perf_counter()
    if is_measured(experiment.config, epoch):
        measured, arrays = measured_now(
            with_arrays=has_arrays(experiment.config, epoch),
            with_class_arrays=training.class_arrays,
            thorough=epoch == training.epochs - 1,
        )
        metrics.update(measured)
    taken = trained - begun - metrics.get("seconds_gradients", 0.0)
    metrics["seconds_train"] = taken
    metrics["images_per_second"] = sum(loader.num_images for loader in experiment.loaders) / taken
    score = metrics.get(SELECTION_METRIC, float("nan"))
    if score > experiment.best.get("value", float("-inf")):
        experiment.best = {"epoch": epoch, "value": score}
    metrics["peak_memory_mb"] = peak_memory_mb(experiment.fabric.device)
    metrics["seconds"] = time.perf_counter() - started
    if events.writer is not None:
        # logged first: killed before the checkpoint, the run trains this epoch again, the same way
        events.writer.log_epoch(epoch, metrics, arrays)
        if training.checkpoint:
            save_checkpoint(experiment, events.writer.folder, epoch + 1)
    return metrics


def of_untrained(measured: Mapping[str, float]) -> dict[str, float]:
    """Return, by names of their own, what is read of the untrained network beside a trained one."""
    return {
        f"{name}_untrained": value for name, value in measured.items() if name.rpartition("/")[2] in UNTRAINED
    }


def is_measured(config: ExperimentConfig, epoch: int) -> bool:
    """Return whether an epoch is measured: the first, the last, every n-th and all with arrays."""
    every = epoch % config.training.measure_every == 0 or epoch == config.training.epochs - 1
    return every or has_arrays(config, epoch)


def has_arrays(config: ExperimentConfig, epoch: int) -> bool:
    """Return whether the arrays of an epoch are stored: the first, the last and every n-th."""
    every = config.training.arrays_every
    return every > 0 and (epoch % every == 0 or epoch == config.training.epochs - 1)


# ---- a whole run --------------------------------------------------------------------------------------------


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
    with ranks.together(), progress_of(first, training.epochs, visible=visible, say=say_epoch) as bar:

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
