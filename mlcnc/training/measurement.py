"""The measurement pass at the end of an epoch: eval mode, natural order, no augmentation.

What enters a figure is measured here and nowhere else: exact class statistics in ``f`` and ``mu`` on
train and test, scores and average precision, and, at chosen epochs, sampled features, attention of
the probe images and the Gram matrices of label embedding and classifier.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mlcnc.data import ImageSplit
from mlcnc.data.transforms import to_float
from mlcnc.metrics import (
    ClassStatistics,
    ClassStatisticsAccumulator,
    ConcatenatedMeansAccumulator,
    SpaceFeatures,
    gram_distance,
    measure_split,
    minority_collapse,
    positive_rows,
)
from mlcnc.metrics.measurement import concatenated_metrics, duality_metrics, tag_metrics
from mlcnc.models import HeadOutput
from mlcnc.training.build import Experiment
from mlcnc.training.epoch import autocast, load_batch, to_device
from mlcnc.training.sample_choice import SPLIT_CODES, SampleChoice

BATCH_SIZE = 256
FEATURE_BUDGET_BYTES = 512 * 2**20
"""Class-wise features of one space and split are kept for the second pass up to this size; of larger
ones the positives only, and the binary form of NC4 is left out."""


def measure(
    experiment: Experiment, choice: SampleChoice, *, with_arrays: bool, thorough: bool = True
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Measure train, validation and test with the current (or averaged) weights.

    Args:
        experiment: whose network is measured; its mode is restored afterwards.
        choice: the pairs and probe images whose features and attention are kept.
        with_arrays: also return what an epoch file holds.
        thorough: also compute the metrics that need the features a second time; always with arrays.

    Returns:
        ``(metrics, arrays)`` under their final names. ``seconds_forward`` is the time in the network,
        ``seconds_measure`` the time of the whole measurement.
    """
    started = time.perf_counter()
    network = experiment.measured_network
    was_training = network.training
    network.eval()
    metrics: dict[str, float] = {}
    arrays: dict[str, NDArray[Any]] = {}
    sampled: list[dict[str, NDArray[Any]]] = []
    forward_seconds = 0.0
    dataset = experiment.dataset
    thorough = thorough or with_arrays
    for name in ("train", "validation", "test"):
        split = getattr(dataset, name)
        if split is None:
            continue
        passed = _pass_over(experiment, split, choice if with_arrays else None, name, keep=thorough)
        forward_seconds += passed.forward_seconds
        split_metrics, split_arrays = measure_split(
            name,
            targets=split.targets,
            groups=dataset.groups,
            scores=None if name == "train" else passed.scores,
            logits=passed.scores,
            spaces={} if name == "validation" else passed.statistics(),
            features=passed.features(),
            thorough=thorough,
        )
        metrics.update(split_metrics)
        if name != "validation":
            more, parts = _of_the_head(experiment, name, passed, thorough=thorough)
            metrics.update(more)
            split_arrays.update(parts)
        arrays.update(split_arrays)
        if passed.sampled:
            sampled.append(passed.sampled)
        if passed.attention is not None:
            arrays["probes/attention"] = passed.attention
    drift = functional.cosine_similarity(
        experiment.measured_network.head.label_embedding.detach(), experiment.initial_embedding, dim=1
    )
    metrics["label_embedding/drift_cosine"] = float(drift.mean())
    weight = experiment.measured_network.head.classifier.weight.detach().float().cpu().numpy()
    metrics["classifier/etf_drift"] = gram_distance(weight, centring="none")
    for group, members in dataset.groups.items():
        found = minority_collapse(weight, members)
        metrics[f"classifier/angle_mean_{group}"] = found.angle_mean
        metrics[f"classifier/angle_min_{group}"] = found.angle_min
    if with_arrays:
        for space in ("f", "mu"):
            pieces = [part[space] for part in sampled]
            if pieces:
                arrays[f"samples/{space}"] = np.concatenate(pieces)
        arrays.update(_gram_arrays(experiment, drift))
    network.train(was_training)
    metrics["seconds_forward"] = forward_seconds
    metrics["seconds_measure"] = time.perf_counter() - started
    return metrics, arrays if with_arrays else {}


class _Pass:
    """What one pass over a split gathered."""

    def __init__(self) -> None:
        self.accumulators: dict[str, ClassStatisticsAccumulator] = {}
        self.concatenated: ConcatenatedMeansAccumulator | None = None
        self.kept: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self.positives: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}
        self.score_parts: list[NDArray[np.float32]] = []
        self.sampled: dict[str, NDArray[Any]] = {}
        self.attention: NDArray[np.float16] | None = None
        self.forward_seconds = 0.0

    @property
    def scores(self) -> NDArray[np.float32]:
        return np.concatenate(self.score_parts)

    def statistics(self) -> dict[str, ClassStatistics]:
        return {space: part.compute() for space, part in self.accumulators.items()}

    def keep(self, space: str, features: Tensor, targets: Tensor, num_images: int) -> None:
        """Keep what the second pass needs: everything where it fits, else the positives."""
        if features[0].numel() * num_images * features.element_size() <= FEATURE_BUDGET_BYTES:
            self.kept.setdefault(space, []).append((features.cpu(), targets.cpu()))
        else:
            rows, labels, multiplicity = positive_rows(features, targets)
            self.positives.setdefault(space, []).append((rows.cpu(), labels.cpu(), multiplicity.cpu()))

    def features(self) -> dict[str, SpaceFeatures]:
        """Return the kept features of every space."""
        found = {}
        for space, parts in self.kept.items():
            features, targets = (torch.cat(part) for part in zip(*parts, strict=True))
            found[space] = SpaceFeatures.of(features, targets)
        for space, pairs in self.positives.items():
            found[space] = SpaceFeatures(*(torch.cat(part) for part in zip(*pairs, strict=True)))
        return found


@torch.no_grad()
def _pass_over(
    experiment: Experiment, split: ImageSplit, choice: SampleChoice | None, name: str, *, keep: bool
) -> _Pass:
    gathered = _Pass()
    kept: dict[str, list[tuple[NDArray[np.int64], NDArray[Any]]]] = {"f": [], "mu": []}
    attention: list[tuple[NDArray[np.int64], NDArray[Any]]] = []
    for start in range(0, len(split), BATCH_SIZE):
        indices = np.arange(start, min(start + BATCH_SIZE, len(split)))
        images, targets = load_batch(split, indices)
        tick = time.perf_counter()
        with autocast(experiment):
            output: HeadOutput = experiment.measured_network(to_device(to_float(images), experiment.device))
        logits = output.logits.float().cpu().numpy()  # waits for an asynchronous device
        gathered.forward_seconds += time.perf_counter() - tick
        gathered.score_parts.append(logits)
        if name == "validation":
            continue
        features = {"f": output.class_features, "mu": output.projected_features}
        on_host = {space: _on_host(part) for space, part in features.items()}
        for space, part in on_host.items():
            if space not in gathered.accumulators:
                gathered.accumulators[space] = ClassStatisticsAccumulator(*part.shape[1:])
            labels_here = targets.to(part.device)
            gathered.accumulators[space].update(part, labels_here)
            if keep:
                gathered.keep(space, part, labels_here, len(split))
            if space == "mu":
                if gathered.concatenated is None:
                    gathered.concatenated = ConcatenatedMeansAccumulator(*part.shape[1:])
                gathered.concatenated.update(part, labels_here)
        if choice is None:
            continue
        wanted = np.flatnonzero(
            (choice.split == SPLIT_CODES[name])
            & (choice.image_index >= start)
            & (choice.image_index < start + BATCH_SIZE)
        )
        rows = torch.from_numpy(choice.image_index[wanted] - start).to(output.logits.device)
        labels = torch.from_numpy(choice.class_index[wanted]).to(output.logits.device)
        for space, dtype in (("f", np.float16), ("mu", np.float32)):
            values = features[space][rows, labels].float().cpu().numpy().astype(dtype)
            kept[space].append((wanted, values))
        if name == "test":
            here = np.flatnonzero((choice.probes >= start) & (choice.probes < start + BATCH_SIZE))
            if len(here):
                chosen = torch.from_numpy(choice.probes[here] - start).to(output.logits.device)
                maps = output.attention[chosen].float().cpu().numpy().astype(np.float16)
                attention.append((here, maps))
    if choice is not None and name != "validation":
        for space, parts in kept.items():
            gathered.sampled[space] = _in_order(parts)
        if attention:
            maps = _in_order(attention)  # (P, C, h*w)
            gathered.attention = maps.reshape(*maps.shape[:2], *output.map_size)
    return gathered


def _on_host(features: Tensor) -> Tensor:
    # MPS has no float64, which the statistics need
    return features.cpu() if features.device.type == "mps" else features


def _in_order(parts: list[tuple[NDArray[np.int64], NDArray[Any]]]) -> NDArray[Any]:
    positions = np.concatenate([where for where, _ in parts])
    values = np.concatenate([part for _, part in parts])
    ordered: NDArray[Any] = values[np.argsort(positions, kind="stable")]
    return ordered


def _of_the_head(
    experiment: Experiment, split: str, passed: _Pass, *, thorough: bool
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return NC3 against label embedding and classifier, staleness and multi-label NC of one split."""
    head = experiment.measured_network.head
    statistics = passed.statistics()
    used = experiment.class_means.means if bool(experiment.class_means.seen.any()) else None
    metrics = duality_metrics(
        split,
        head.label_embedding.detach().float().cpu().numpy(),
        statistics["f"],
        statistics["mu"],
        class_means_used=None if used is None or split != "train" else used.float().cpu().numpy(),
    )
    arrays: dict[str, NDArray[Any]] = {}
    if passed.concatenated is None:
        return metrics, arrays
    joined = passed.concatenated.compute()
    weight = head.classifier.weight.detach().float().cpu().numpy()
    if weight.shape == joined.positive.shape:
        metrics.update(concatenated_metrics(split, weight, joined, statistics["mu"]))
        arrays[f"{split}.concat/positive_means"] = joined.positive.astype(np.float32)
        arrays[f"{split}.concat/overall_mean"] = joined.overall_mean.astype(np.float32)
    kept = passed.kept.get("mu")
    if thorough and kept:
        features = torch.cat([part for part, _ in kept]).flatten(1)
        metrics.update(tag_metrics(split, features, torch.cat([part for _, part in kept])))
    return metrics, arrays


def _gram_arrays(experiment: Experiment, drift: Tensor) -> dict[str, NDArray[Any]]:
    head = experiment.measured_network.head
    embedding = head.label_embedding.detach().float()
    weight = head.classifier.weight.detach().float()
    return {
        "label_embedding/gram": (embedding @ embedding.T).cpu().numpy(),
        "label_embedding/drift_cosine": drift.float().cpu().numpy(),
        "classifier/gram": (weight @ weight.T).cpu().numpy(),
        "classifier/weight": weight.cpu().numpy(),
        "label_embedding/weight": embedding.cpu().numpy(),
        "class_means_used": experiment.class_means.means.detach().float().cpu().numpy(),
    }
