"""One epoch of training: sampled batches, the losses of Eq. 14, one optimiser step a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlcnc.data import ImageSplit
from mlcnc.data.transforms import to_float
from mlcnc.errors import NonFiniteLossError
from mlcnc.losses import LossParts
from mlcnc.training.build import Experiment

TERMS = ("alignment", "calibration", "two_way")


@dataclass(frozen=True)
class EpochProgress:
    """What the progress bar shows after a batch."""

    batch: int
    num_batches: int
    num_images: int
    losses: dict[str, float]


def train_epoch(
    experiment: Experiment, epoch: int, report: Callable[[EpochProgress], None]
) -> dict[str, float]:
    """Train one epoch and return its mean losses, learning rate and logit scale by metric name.

    The order of images, their augmentation and dropout follow from the seed and the epoch alone, so
    that a resumed run repeats an uninterrupted one.

    Raises:
        NonFiniteLossError: a loss term is NaN or infinite; nothing of the batch is applied.
    """
    config = experiment.config
    warmup = epoch < config.training.warmup_epochs
    stream = epoch_seed(config.training.seed, epoch)
    torch.manual_seed(stream)
    generator = torch.Generator().manual_seed(stream)
    experiment.network.train()
    order = experiment.sampler.indices(epoch)
    batches = np.array_split(order, math.ceil(len(order) / config.training.batch_size))
    sums: dict[str, float] = {}
    for batch, indices in enumerate(batches):
        images, targets = load_batch(experiment.dataset.train, indices)
        images = experiment.augmentation(to_float(images), generator)
        images, targets = to_device(images, experiment.device), targets.to(experiment.device)
        with autocast(experiment):
            output = experiment.network(images)
        parts = experiment.loss(
            output,
            targets,
            class_means=experiment.class_means.means,
            seen=experiment.class_means.seen,
            warmup=warmup,
        )
        values = finite_values(parts, epoch, batch)
        step(experiment, parts.total)
        experiment.class_means.update(output.projected_features, targets)
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value * len(indices)
        report(EpochProgress(batch + 1, len(batches), len(indices), values))
    experiment.class_means.end_epoch()
    metrics = {f"train/{name}": sums.get(name, math.nan) / len(order) for name in ("loss", *TERMS)}
    metrics["lr"] = float(experiment.schedule.get_last_lr()[0])
    metrics["logit_scale"] = float(experiment.network.head.classifier.logit_scale.detach())
    return metrics


def step(experiment: Experiment, total: Tensor) -> None:
    """Take one optimiser step on ``total``; parameters outside its graph do not move."""
    experiment.optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]  # torch ships backward without types
    if experiment.config.training.clip_norm is not None:
        nn.utils.clip_grad_norm_(experiment.network.parameters(), experiment.config.training.clip_norm)
    experiment.optimiser.step()
    experiment.schedule.step()
    if experiment.average is not None:
        experiment.average.update_parameters(experiment.network)


def finite_values(parts: LossParts, epoch: int, batch: int) -> dict[str, float]:
    """Return each term in use as a float, the total as ``loss``.

    Raises:
        NonFiniteLossError: naming the first term that is not finite.
    """
    terms = {name: term for name in TERMS if (term := getattr(parts, name)) is not None}
    values = {name: float(term.detach()) for name, term in {**terms, "loss": parts.total}.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise NonFiniteLossError(name, epoch, batch, value)
    return values


def load_batch(split: ImageSplit, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return images (B, H, W, 3) uint8 and targets (B, C) float32 of the given rows."""
    images = np.stack([split.image(int(index)) for index in indices])  # (B, H, W, 3)
    targets = split.targets[indices].astype(np.float32)  # (B, C)
    return torch.from_numpy(images), torch.from_numpy(targets)


def to_device(images: Tensor, device: torch.device) -> Tensor:
    """Return the images on the device, channels last where convolutions are quicker so (not MPS)."""
    if device.type == "mps":
        return images.to(device)
    return images.to(device, memory_format=torch.channels_last)


def autocast(experiment: Experiment) -> torch.autocast:
    """Return the mixed-precision context: bfloat16 on CUDA, off elsewhere."""
    device = experiment.device.type
    enabled = device == "cuda" and experiment.config.training.mixed_precision
    return torch.autocast("cuda" if enabled else "cpu", torch.bfloat16, enabled=enabled)


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of one epoch's dropout and augmentation, distinct for every pair."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
