"""From settings to the objects that a run works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mlcnc.config import DataConfig, ExperimentConfig
from mlcnc.data import DatasetRequest, MultiLabelDataset, build_dataset, dataset_facts
from mlcnc.data.samplers import build_sampler, require_sampler
from mlcnc.errors import ConfigError
from mlcnc.methods.method import Method, TrainingStatistics, build_method
from mlcnc.methods.settings import MethodSettings
from mlcnc.models import build_backbone, cut
from mlcnc.models.backbone import Backbone
from mlcnc.named_paths import named_path
from mlcnc.training.batches import Batches, ImageBatches, Loader, seen_images
from mlcnc.training.cached_batches import cached_batches
from mlcnc.training.device import is_emulated
from mlcnc.training.measurement import MeasuredImages, measured_images
from mlcnc.training.optimisation import build_optimiser, build_schedule, with_backbone_rate
from mlcnc.training.ranks import Ranks, alone


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
    if training.compile and not is_emulated(training.precision, device):
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
