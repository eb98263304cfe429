"""From settings to objects: the only place where config meets data, models and losses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mlcnc.class_means import ClassMeans
from mlcnc.config import DataConfig, ExperimentConfig, ModelConfig
from mlcnc.data import MultiLabelDataset, build_dataset
from mlcnc.data.samplers import ClassAwareSampler, UniformSampler
from mlcnc.data.transforms import BatchAugmentation
from mlcnc.errors import ConfigError
from mlcnc.losses import MLCNCLoss
from mlcnc.models import MLCNCHead, MLCNCNetwork, build_backbone, initial_label_embedding
from mlcnc.training.device import select_device

OPTIMISERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
SAMPLERS: dict[str, type[ClassAwareSampler] | type[UniformSampler]] = {
    "class_aware": ClassAwareSampler,
    "uniform": UniformSampler,
}


@dataclass
class Experiment:
    """Everything one training run works with, built from its config."""

    config: ExperimentConfig
    dataset: MultiLabelDataset
    network: MLCNCNetwork
    loss: MLCNCLoss
    class_means: ClassMeans
    sampler: ClassAwareSampler | UniformSampler
    augmentation: BatchAugmentation
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    average: AveragedModel | None
    initial_embedding: Tensor
    device: torch.device
    device_note: str
    best: dict[str, float] = field(default_factory=dict)

    @property
    def measured_network(self) -> MLCNCNetwork:
        """The moving average where there is one, else the network itself."""
        return self.network if self.average is None else cast(MLCNCNetwork, self.average.module)


def build(config: ExperimentConfig) -> Experiment:
    """Return all objects of a run, seeded by ``config.training.seed``.

    Raises:
        ConfigError: a setting does not fit this machine or the data set.
        WeightsUnavailableError: pre-trained weights are asked for and cannot be had.
    """
    training = config.training
    if training.num_threads is not None:
        torch.set_num_threads(training.num_threads)
    device, device_note = select_device(training.device)
    dataset = dataset_of(config.data)
    torch.manual_seed(training.seed)
    network = network_of(config.model, list(dataset.class_names), training.seed).to(device)
    if device.type != "mps":
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in stubs
    num_samples = config.data.num_samples or len(dataset.train)
    steps = -(-num_samples // training.batch_size)
    optimiser = OPTIMISERS[training.optimiser](network.parameter_groups(training.weight_decay), lr=training.lr)
    return Experiment(
        config=config,
        dataset=dataset,
        network=network,
        loss=MLCNCLoss(
            alignment_weight=config.loss.alignment_weight,
            calibration_weight=config.loss.calibration_weight,
            positive_temperature=config.loss.positive_temperature,
            contrast_temperature=config.loss.contrast_temperature,
            calibration_normalisation=config.loss.calibration_normalisation,
            two_way_temperature=config.loss.two_way_temperature,
        ),
        class_means=ClassMeans(
            dataset.num_classes, network.head.projected_dim, mode=config.loss.class_means
        ).to(device),
        sampler=SAMPLERS[config.data.sampler](dataset.train.targets, num_samples, training.seed),
        augmentation=BatchAugmentation(
            flip=config.data.flip, shift=config.data.shift, jitter=config.data.jitter
        ),
        optimiser=optimiser,
        schedule=torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=training.lr,
            total_steps=steps * training.epochs,
            pct_start=_rise(training.lr_rise, steps * training.epochs),
        ),
        average=_moving_average(network, training.ema_decay),
        initial_embedding=network.head.label_embedding.detach().clone(),
        device=device,
        device_note=device_note,
    )


def _rise(share: float, num_steps: int) -> float:
    # torch divides by the number of rising steps less one, which is 0 for a rise of one step
    return share * (1 + 1e-9) if share * num_steps == 1 else share


def dataset_of(config: DataConfig) -> MultiLabelDataset:
    """Return the data set of a config.

    Raises:
        UnknownDatasetError: no data set has that name.
    """
    return build_dataset(config.dataset, seed=config.seed, size=config.image_size)


def network_of(config: ModelConfig, class_names: list[str], seed: int) -> MLCNCNetwork:
    """Return the network of a config, its weights drawn from torch's current random state.

    Raises:
        ConfigError: GloVe vectors are asked for and no file is named, or its dimension differs.
    """
    embedding = initial_label_embedding(
        config.label_embedding,
        len(class_names),
        config.embedding_dim,
        seed=seed,
        glove_path=_glove_path(config),
        class_names=class_names,
    )
    backbone = build_backbone(config.backbone, weights=config.weights)
    head = MLCNCHead(
        backbone.out_channels,
        len(class_names),
        label_embedding=torch.as_tensor(np.asarray(embedding), dtype=torch.float32),
        embedding_trainable=config.label_embedding == "trainable",
        query_norm=config.query_norm or config.embedding_dim**0.5,
        attention=config.attention,
        num_heads=config.num_heads,
        dropout=config.dropout,
        attention_temperature=config.attention_temperature,
        projection_dim=config.projection_dim,
        classifier=config.classifier,
        logit_scale=config.logit_scale,
        seed=seed,
    )
    return MLCNCNetwork(backbone, head)


def _glove_path(config: ModelConfig) -> str | None:
    if config.label_embedding != "glove":
        return None
    path = config.glove_path or os.environ.get("MLCNC_GLOVE")
    if not path:
        raise ConfigError(
            "model.label_embedding is 'glove' but no file of vectors is named; "
            "give --glove PATH or set the MLCNC_GLOVE variable"
        )
    return path


def _moving_average(network: nn.Module, decay: float | None) -> AveragedModel | None:
    if decay is None:
        return None
    blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # untyped in torch
    return AveragedModel(network, multi_avg_fn=blend, use_buffers=True)
