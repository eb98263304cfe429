"""How much a run writes, from its settings: arrays of epochs, samples, pictures, metrics, checkpoint."""

from __future__ import annotations

from mlcnc.config import ExperimentConfig
from mlcnc.data import DatasetFacts
from mlcnc.launch.network_size import NetworkSize

METRICS_LINE = 11_700
"""One line of metrics.jsonl: its names are most of it, whatever the number of classes."""

THOROUGH_LINE = 2_800
"""More of it at an epoch with arrays, where everything is measured."""

FIXED = 25_000
"""run.json, status.json and the headers of array files beyond their arrays."""

ARRAYS_HEADER = 6_000


def run_bytes(config: ExperimentConfig, facts: DatasetFacts, network: NetworkSize) -> int:
    """Return about how many bytes a run folder has at its end."""
    training = config.training
    num_with_arrays = num_array_epochs(training.epochs, training.arrays_every)
    total = FIXED + METRICS_LINE * training.epochs + THOROUGH_LINE * max(1, num_with_arrays)
    if num_with_arrays:
        one = epoch_bytes(config, facts, network)
        total += one * num_with_arrays + samples_bytes(config, facts)
    if training.checkpoint:
        # the last two are kept
        total += min(2, training.epochs) * network.checkpoint_bytes(training.ema_decay is not None)
    return total


def num_array_epochs(epochs: int, every: int) -> int:
    """Return how many epochs store arrays: the first, every n-th and the last.

    Example:
        >>> num_array_epochs(40, 8), num_array_epochs(40, 0), num_array_epochs(1, 5)
        (6, 0, 1)
    """
    if every == 0:
        return 0
    return len({*range(0, epochs, every), epochs - 1})


def epoch_bytes(config: ExperimentConfig, facts: DatasetFacts, network: NetworkSize) -> int:
    """Return the bytes of one file of ``epochs/``."""
    classes, d, p = network.num_classes, network.embedding_dim, network.projected_dim
    training = config.training
    pairs = min(training.num_sample_pairs, 4 * (facts.num_train + facts.num_test))
    probes = min(training.num_probes, facts.num_test)
    side = max(1, -(-config.data.image_size // network.stride))
    samples = pairs * (2 * d + 4 * p)  # f in float16, mu in float32
    attention = 2 * probes * classes * side * side
    scores = 2 * classes * (facts.num_validation + facts.num_test)
    joined = classes * p
    # with a linear classifier there is no concatenation to compare with
    concatenated = 0 if config.model.classifier == "linear" else 2 * 4 * (classes + 1) * joined
    means = 2 * 2 * 4 * classes * (d + p)  # positive and negative ones of two splits and spaces
    weights = 4 * (network.classifier_numbers + classes * d + classes * p + 2 * classes * classes)
    spectra = 4 * 8 * classes * (classes + 20)
    return samples + attention + scores + concatenated + means + weights + spectra + ARRAYS_HEADER


def samples_bytes(config: ExperimentConfig, facts: DatasetFacts) -> int:
    """Return the bytes of samples.safetensors: small pictures, probe images, targets."""
    training = config.training
    size = config.data.image_size
    probes = min(training.num_probes, facts.num_test)
    # sampled pairs share images: of 600 of pictogram-lt, 272 lie in training images
    sampled = min(facts.num_train, training.num_sample_pairs // 2)
    pictures = min(training.num_pictures, facts.num_test + sampled)
    targets = len(facts.class_names) * (facts.num_validation + facts.num_test)
    return pictures * _picture_bytes(min(size, 160)) + probes * 3 * size * size + targets + 20 * pictures


def _picture_bytes(side: int) -> int:
    # WebP of drawn scenes at quality 80; 703 bytes measured at 64 pixels
    return 200 + side * side // 8
