"""Which image-label pairs and probe images a run keeps looking at, chosen once from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcnc.data import ImageSplit, MultiLabelDataset

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


def choose_samples(
    dataset: MultiLabelDataset, train: ImageSplit, num_pairs: int, num_probes: int, seed: int
) -> SampleChoice:
    """Choose pairs with every tail positive of train kept and the rest even over classes and splits.

    Args:
        dataset: gives groups, class counts and the test split.
        train: the training images that are measured; rows of the sample are places in it.
        num_pairs: at most so many image-label pairs, tail positives of train first.
        num_probes: at most so many test images; each class in turn gets one, rarest first.
        seed: of the choice within a class.
    """
    rng = np.random.default_rng([seed, 20])
    tail = set(dataset.groups["tail"])
    queues: list[list[tuple[int, int, int]]] = []
    kept: list[tuple[int, int, int]] = []
    for split, code in ((train, SPLIT_CODES["train"]), (dataset.test, SPLIT_CODES["test"])):
        targets = split.targets
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
    """Return what ``samples.safetensors`` holds beside the images: pairs, targets, probes with boxes."""
    arrays: dict[str, NDArray[Any]] = {
        "samples/image_index": choice.image_index,
        "samples/class_index": choice.class_index,
        "samples/split": choice.split,
        "test/targets": dataset.test.targets.astype(np.uint8),
    }
    if dataset.validation is not None:
        arrays["validation/targets"] = dataset.validation.targets.astype(np.uint8)
    if len(choice.probes):
        arrays["probes/image_index"] = choice.probes
        arrays["probes/split"] = np.ones(len(choice.probes), dtype=np.uint8)
        arrays["probes/targets"] = dataset.test.targets[choice.probes].astype(np.uint8)
        boxes = _probe_boxes(dataset.test, choice.probes)
        if boxes is not None:
            arrays["probes/boxes"] = boxes
    return arrays


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
