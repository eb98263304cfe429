"""How much memory a training run takes at its peak, from its settings.

The sum of what is always there (libraries, images, weights, gradients, both moments of the optimiser), of what
the layers give for a training batch, and of the measurement pass, which keeps no graph but the class-wise
features of train and test for its second pass. The last two are not there at the same time, but the process
gives little back in between. On fourteen runs on a CPU, from 621 MB to 2 GB, with batches of 32 to 1024, images
of 64 to 128 pixels, d from 128 to 2048, both attentions, three backbones, this was 0.90 to 1.23 of the peak.
"""

from __future__ import annotations

from mlcnc.config import ExperimentConfig
from mlcnc.data import DatasetFacts
from mlcnc.launch.network_size import FLOAT, NetworkSize

LIBRARIES = 330 * 10**6
"""Resident after Python has loaded torch and everything else."""

WORKSPACE = 140 * 10**6
"""What torch's kernels and threads keep for themselves once a step was taken."""

CUDA_LIBRARIES = 600 * 10**6
"""A CUDA context with its kernels and workspaces."""

MEASURED_BATCH = 256
KEPT_AT_MOST = 512 * 2**20
"""Of one space and split; of more, only the positives are kept."""


def host_bytes(config: ExperimentConfig, facts: DatasetFacts, network: NetworkSize) -> int:
    """Return about how many bytes the process holds at its peak where it computes on the CPU."""
    images = facts.num_train + facts.num_validation + facts.num_test
    stored = images * 3 * config.data.image_size**2
    kept = _kept_bytes(facts, network)
    return int(LIBRARIES + WORKSPACE + stored + _states(config, network) + _busiest(config, network, kept))


def device_bytes(config: ExperimentConfig, network: NetworkSize) -> int:
    """Return about how many bytes of a GPU's memory the run takes."""
    half = 0.6 if config.training.mixed_precision else 1.0
    return int(CUDA_LIBRARIES + _states(config, network) + half * _busiest(config, network, 0))


def _states(config: ExperimentConfig, network: NetworkSize) -> int:
    copies = 4 + (config.training.ema_decay is not None)
    return FLOAT * (copies * network.parameters + 2 * network.buffers)


def _busiest(config: ExperimentConfig, network: NetworkSize, kept: int) -> float:
    batch = min(config.training.batch_size, config.data.num_samples or config.training.batch_size)
    trained = 1.2 * FLOAT * batch * network.outputs_per_image
    measured = FLOAT * MEASURED_BATCH * network.alive_per_image + 1.5 * kept
    return trained + measured


def _kept_bytes(facts: DatasetFacts, network: NetworkSize) -> int:
    classes = network.num_classes
    total = 0
    for images in (facts.num_train, facts.num_test):
        for width in (network.embedding_dim, network.projected_dim):
            every = FLOAT * images * classes * width
            # a positive in seven is more than any built-in data set has
            total += every if every <= KEPT_AT_MOST else every // 7
    return total
