"""The measurement pass at the end of an epoch: eval mode, natural order, no augmentation.

What enters a figure is measured here and nowhere else: exact class statistics in ``f`` and ``mu`` on
train and test, scores and average precision, and, at chosen epochs, sampled features, attention of
the probe images and the Gram matrices of label embedding and classifier.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mlcnc.data import ImageSplit, MultiLabelDataset
from mlcnc.data.transforms import to_float
from mlcnc.metrics import ClassStatisticsAccumulator, measure_split
from mlcnc.models import HeadOutput
from mlcnc.training.build import Experiment
from mlcnc.training.epoch import autocast, load_batch, to_device

BATCH_SIZE = 256
THUMBNAIL_SIZE = 32
SPLIT_CODES = {"train": 0, "test": 1}


@dataclass(frozen=True)
class SampleChoice:
    """The image-label pairs and probe images a run keeps looking at.

    Attributes:
        image_index, class_index, split: (S,) pairs; split is 0 for train, 1 for test.
        probes: (P,) indices into the test split.
    """

    image_index: NDArray[np.int64]
    class_index: NDArray[np.int64]
    split: NDArray[np.uint8]
    probes: NDArray[np.int64]


def choose_samples(dataset: MultiLabelDataset, num_pairs: int, num_probes: int, seed: int) -> SampleChoice:
    """Choose pairs with every tail positive of train kept and the rest even over classes and splits.

    Args:
        dataset: with train and test splits.
        num_pairs: at most so many image-label pairs, tail positives of train first.
        num_probes: at most so many test images; each class in turn gets one, rarest first.
        seed: of the choice within a class.
    """
    rng = np.random.default_rng([seed, 20])
    tail = set(dataset.groups["tail"])
    queues: list[list[tuple[int, int, int]]] = []
    kept: list[tuple[int, int, int]] = []
    for name, code in SPLIT_CODES.items():
        targets = getattr(dataset, name).targets
        for label in range(dataset.num_classes):
            rows = rng.permutation(np.flatnonzero(targets[:, label]))
            pairs = [(code, label, int(row)) for row in rows]
            if code == 0 and label in tail:
                kept.extend(pairs)
            else:
                queues.append(pairs)
    depth = max((len(queue) for queue in queues), default=0)
    in_turn = [queue[level] for level in range(depth) for queue in queues if level < len(queue)]
    pairs = sorted((kept + in_turn)[:num_pairs])
    table = np.array(pairs, dtype=np.int64).reshape(-1, 3)
    return SampleChoice(
        image_index=table[:, 2],
        class_index=table[:, 1],
        split=table[:, 0].astype(np.uint8),
        probes=_choose_probes(dataset, num_probes, rng),
    )


def sample_arrays(dataset: MultiLabelDataset, choice: SampleChoice) -> dict[str, NDArray[Any]]:
    """Return what ``samples.safetensors`` holds: pairs, probe images with boxes, thumbnails."""
    arrays: dict[str, NDArray[Any]] = {
        "samples/image_index": choice.image_index,
        "samples/class_index": choice.class_index,
        "samples/split": choice.split,
        "test/targets": dataset.test.targets.astype(np.uint8),
    }
    if dataset.validation is not None:
        arrays["validation/targets"] = dataset.validation.targets.astype(np.uint8)
    if len(choice.probes):
        arrays["probes/images"] = np.stack([dataset.test.image(int(i)) for i in choice.probes])
        arrays["probes/image_index"] = choice.probes
        arrays["probes/split"] = np.ones(len(choice.probes), dtype=np.uint8)
        arrays["probes/targets"] = dataset.test.targets[choice.probes].astype(np.uint8)
        boxes = _probe_boxes(dataset.test, choice.probes)
        if boxes is not None:
            arrays["probes/boxes"] = boxes
    if len(choice.image_index):
        # one small picture for every distinct image among the pairs
        keys = np.unique(np.stack([choice.split, choice.image_index], axis=1), axis=0)  # (T, 2)
        splits = [dataset.train, dataset.test]
        arrays["samples/thumbnails"] = np.stack(
            [_thumbnail(splits[int(code)].image(int(row))) for code, row in keys]
        )
        arrays["samples/thumbnail_split"] = keys[:, 0].astype(np.uint8)
        arrays["samples/thumbnail_index"] = keys[:, 1].astype(np.int64)
    return arrays


def measure(
    experiment: Experiment, choice: SampleChoice, *, with_arrays: bool
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Measure train, validation and test with the current (or averaged) weights.

    Args:
        experiment: whose network is measured; its mode is restored afterwards.
        choice: the pairs and probe images whose features and attention are kept.
        with_arrays: also return what an epoch file holds.

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
    for name in ("train", "validation", "test"):
        split = getattr(dataset, name)
        if split is None:
            continue
        passed = _pass_over(experiment, split, choice if with_arrays else None, name)
        forward_seconds += passed.forward_seconds
        split_metrics, split_arrays = measure_split(
            name,
            targets=split.targets,
            groups=dataset.groups,
            scores=None if name == "train" else passed.scores,
            spaces={} if name == "validation" else passed.statistics(),
        )
        metrics.update(split_metrics)
        arrays.update(split_arrays)
        if passed.sampled:
            sampled.append(passed.sampled)
        if passed.attention is not None:
            arrays["probes/attention"] = passed.attention
    drift = functional.cosine_similarity(
        experiment.network.head.label_embedding.detach(), experiment.initial_embedding, dim=1
    )
    metrics["label_embedding/drift_cosine"] = float(drift.mean())
    if with_arrays:
        for space in ("f", "mu"):
            parts = [part[space] for part in sampled]
            if parts:
                arrays[f"samples/{space}"] = np.concatenate(parts)
        arrays.update(_gram_arrays(experiment, drift))
    network.train(was_training)
    metrics["seconds_forward"] = forward_seconds
    metrics["seconds_measure"] = time.perf_counter() - started
    return metrics, arrays if with_arrays else {}


class _Pass:
    """What one pass over a split gathered."""

    def __init__(self) -> None:
        self.accumulators: dict[str, ClassStatisticsAccumulator] = {}
        self.score_parts: list[NDArray[np.float32]] = []
        self.sampled: dict[str, NDArray[Any]] = {}
        self.attention: NDArray[np.float16] | None = None
        self.forward_seconds = 0.0

    @property
    def scores(self) -> NDArray[np.float32]:
        return np.concatenate(self.score_parts)

    def statistics(self) -> dict[str, Any]:
        return {space: part.compute() for space, part in self.accumulators.items()}


@torch.no_grad()
def _pass_over(experiment: Experiment, split: ImageSplit, choice: SampleChoice | None, name: str) -> _Pass:
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
            gathered.accumulators[space].update(part, targets.to(part.device))
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


def _gram_arrays(experiment: Experiment, drift: Tensor) -> dict[str, NDArray[Any]]:
    head = experiment.network.head
    embedding = head.label_embedding.detach().float()
    weight = head.classifier.weight.detach().float()
    return {
        "label_embedding/gram": (embedding @ embedding.T).cpu().numpy(),
        "label_embedding/drift_cosine": drift.float().cpu().numpy(),
        "classifier/gram": (weight @ weight.T).cpu().numpy(),
        "class_means_used": experiment.class_means.means.detach().float().cpu().numpy(),
    }


def _choose_probes(dataset: MultiLabelDataset, num_probes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    order = np.argsort(dataset.class_counts, kind="stable")
    queues = [rng.permutation(np.flatnonzero(dataset.test.targets[:, label])) for label in order]
    chosen: list[int] = []
    for level in range(max((len(queue) for queue in queues), default=0)):
        for queue in queues:
            if len(chosen) >= num_probes:
                return np.sort(np.array(chosen, dtype=np.int64))
            if level < len(queue) and int(queue[level]) not in chosen:
                chosen.append(int(queue[level]))
    return np.sort(np.array(chosen, dtype=np.int64))


def _probe_boxes(split: ImageSplit, probes: NDArray[np.int64]) -> NDArray[np.float32] | None:
    rows = []
    for probe, index in enumerate(probes):
        boxes = split.boxes(int(index))
        if boxes is None:
            return None
        rows.append(np.column_stack([np.full(len(boxes), probe), boxes]))
    return np.concatenate(rows).astype(np.float32) if rows else None


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    small = Image.fromarray(image).resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)
