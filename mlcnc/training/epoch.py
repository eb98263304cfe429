"""One epoch, top to bottom: step, measurement, saving."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mlcnc.config import ExperimentConfig
from mlcnc.methods.method import Moment
from mlcnc.metrics.catalogue import UNTRAINED
from mlcnc.store import RunWriter
from mlcnc.training.build import Experiment
from mlcnc.training.checkpoint import save_checkpoint
from mlcnc.training.device import peak_memory_mb
from mlcnc.training.gradient_shares import gradient_shares
from mlcnc.training.loss_record import LossRecord
from mlcnc.training.measurement import measure
from mlcnc.training.progress import EpochProgress
from mlcnc.training.record import SELECTION_METRIC
from mlcnc.training.sample_choice import SampleChoice


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
