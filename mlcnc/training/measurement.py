"""The measurement pass at the end of an epoch: eval mode, natural order, no augmentation.

What enters a figure is measured here and nowhere else: exact class statistics of every space that the method
has on train and test, scores and average precision, what the method observes of itself, and, at chosen epochs,
sampled features and attention of the probe images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from mlcnc import stopping
from mlcnc.data import ImageSplit, MultiLabelDataset
from mlcnc.data.protocol import RowsOfSplit
from mlcnc.methods.method import Measured, Method, Output
from mlcnc.metrics import (
    AlignmentAccumulator,
    ClassStatistics,
    ClassStatisticsAccumulator,
    measure_split,
)
from mlcnc.metrics.measurement import alignment_metrics
from mlcnc.store import Space
from mlcnc.training.batches import Loader
from mlcnc.training.class_arrays import class_arrays
from mlcnc.training.ranks import Ranks
from mlcnc.training.sample_choice import SampleChoice
from mlcnc.training.split_pass import FEATURE_BUDGET_BYTES, Looks, SplitPass, in_order, spaces_in

BATCH_SIZE = 128
Forward = Callable[[Tensor], Output]


@dataclass(frozen=True)
class MeasuredImages:
    """The images that are measured, in batches of natural order.

    Attributes:
        loaders: by split; ``validation`` only where there is one.
        train: the training images among them: all, or a fixed sample of a large set.
    """

    loaders: Mapping[str, Loader]
    train: ImageSplit


def measured_images(
    dataset: MultiLabelDataset, loader: Callable[[str, ImageSplit, int], Loader], most_train: int, seed: int
) -> MeasuredImages:
    """Return the loaders of what is measured.

    Args:
        dataset: with its splits.
        loader: of a split's name, the split or some of its images, and a batch size; in natural order.
        most_train: of a larger training set so many images are measured, see :func:`measured_rows`.
        seed: of their choice.
    """
    train = dataset.train
    if len(train) > most_train:
        train = RowsOfSplit(train, measured_rows(train.targets, dataset.groups["tail"], most_train, seed))
    splits = {"train": train, "validation": dataset.validation, "test": dataset.test}
    loaders = {name: loader(name, split, BATCH_SIZE) for name, split in splits.items() if split is not None}
    return MeasuredImages(loaders, train)


def measured_rows(targets: NDArray[np.uint8], tail: Sequence[int], number: int, seed: int) -> NDArray[np.int64]:
    """Return ``number`` rows in natural order: images of tail classes, up to half, and drawn ones."""
    rng = np.random.default_rng([seed, 21])
    rare = rng.permutation(np.flatnonzero(targets[:, list(tail)].any(axis=1)))[: number // 2]
    others = np.setdiff1d(np.arange(len(targets)), rare)
    drawn = rng.permutation(others)[: number - len(rare)]
    return np.sort(np.concatenate([rare, drawn])).astype(np.int64)


@torch.no_grad()
def spaces_of(forward: Forward, input_shape: tuple[int, ...], device: torch.device) -> list[Space]:
    """Return the spaces of a method as it names them, from a grey image in eval mode.

    Args:
        forward: the method.
        input_shape: of what a batch holds of one image, e.g. (3, H, W).
        device: of the method.
    """
    with _eval_mode(forward):
        output = forward(torch.zeros(1, *input_shape, device=device))
    class_wise = [Space(name=name, kind="class", dim=t.shape[2]) for name, t in output.class_spaces.items()]
    image_wise = [Space(name=name, kind="image", dim=t.shape[1]) for name, t in output.image_spaces.items()]
    return class_wise + image_wise


def measure(
    method: Method,
    forward: Forward,
    images: MeasuredImages,
    choice: SampleChoice,
    *,
    ranks: Ranks | None = None,
    groups: Mapping[str, Sequence[int]],
    average: AveragedModel | None = None,
    with_arrays: bool,
    with_class_arrays: bool = False,
    thorough: bool = True,
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Measure train, validation and test with the current (or averaged) weights.

    Args:
        method: what is measured; its mode is restored afterwards.
        forward: the method as it is called, with its precision.
        images: that are measured.
        choice: the pairs and probe images whose features and attention are kept.
        ranks: the processes that measure together: each takes some of the batches, whole ones, and the first
            gets all that they found; None is this one alone.
        groups: class indices of ``head``, ``medium`` and ``tail``.
        average: weights that are measured in place of the method's own.
        with_arrays: also return what an epoch file holds.
        with_class_arrays: otherwise return its small part, see :mod:`mlcnc.training.class_arrays`.
        thorough: also compute the metrics that need the features a second time; always with arrays.

    Returns:
        ``(metrics, arrays)`` under their final names; of other processes than the first nothing.
        ``seconds_forward`` is the time in the network,
        ``seconds_measure`` the time of the whole measurement.
    """
    started = time.perf_counter()
    metrics: dict[str, float] = {}
    arrays: dict[str, NDArray[Any]] = {}
    statistics: dict[str, dict[str, ClassStatistics]] = {}
    sampled: dict[str, list[NDArray[Any]]] = {}
    forward_seconds = 0.0
    thorough = thorough or with_arrays
    with _averaged_weights(method, average), _eval_mode(forward):
        for name, loader in images.loaders.items():
            has_spaces = name != "validation"
            looks = Looks(choice, name, method.unsampled) if with_arrays and has_spaces else None
            passed = _pass_over(forward, loader, looks, keep=thorough, has_spaces=has_spaces)
            loader.close()  # its workers would wait for the next measurement beside those of training
            forward_seconds += passed.forward_seconds
            if ranks:
                passed.add_up(ranks)
            if not (parts := ranks.gathered((passed, looks)) if ranks else [(passed, looks)]):
                continue
            for other, other_looks in parts[1:]:
                passed.merge(other)
                if looks and other_looks:
                    looks.merge(other_looks)
            found = passed.statistics()
            split_metrics, split_arrays = measure_split(
                name,
                targets=loader.split.targets,
                groups=groups,
                scores=None if name == "train" else passed.scores,
                logits=passed.scores,
                spaces=found,
                features=passed.features(),
                thorough=thorough,
                budget_bytes=FEATURE_BUDGET_BYTES,
            )
            metrics.update(split_metrics)
            arrays.update(split_arrays)
            for space, alignment in passed.alignments.items():
                values, parts_of_it = alignment_metrics(f"{name}.{space}", alignment.compute(), groups)
                metrics.update(values)
                arrays.update(parts_of_it)
            if has_spaces:
                statistics[name] = found
            for space, part in looks.features().items() if looks else ():
                sampled.setdefault(space, []).append(part)
            if looks and looks.maps:
                arrays["probes/attention"] = in_order(looks.maps)  # (P, C, h, w)
        if ranks and not ranks.is_first:
            return {}, {}
        own = method.observe(Measured(statistics, groups, with_arrays or with_class_arrays))
    metrics.update(own.metrics)
    arrays.update(own.arrays)
    arrays.update({f"samples/{space}": np.concatenate(parts) for space, parts in sampled.items()})
    metrics["seconds_forward"] = forward_seconds
    metrics["seconds_measure"] = time.perf_counter() - started
    if not with_arrays:
        arrays = class_arrays(arrays) if with_class_arrays else {}
    return metrics, arrays


@torch.no_grad()
def _pass_over(
    forward: Forward, loader: Loader, looks: Looks | None, *, keep: bool, has_spaces: bool
) -> SplitPass:
    passed = SplitPass()
    size = len(loader.split), int(loader.split.targets.sum())
    for batch in loader.epoch(0):
        stopping.raise_if_asked()
        tick = time.perf_counter()
        output = forward(batch.images)
        first = int(batch.indices[0])
        passed.score_parts[first] = output.logits.float().cpu().numpy()  # waits for an asynchronous device
        passed.forward_seconds += time.perf_counter() - tick
        if not has_spaces:
            continue
        for space, features in spaces_in(output).items():
            # MPS has no float64, which the statistics need
            part = features.cpu() if features.device.type == "mps" else features
            targets = batch.targets.to(part.device)
            if space not in passed.accumulators:
                passed.accumulators[space] = ClassStatisticsAccumulator(targets.shape[1], part.shape[-1])
            passed.accumulators[space].update(part, targets)
            if (embedding := output.label_embeddings.get(space)) is not None and targets.shape[1] > 1:
                if space not in passed.alignments:
                    passed.alignments[space] = AlignmentAccumulator(targets.shape[1])
                passed.alignments[space].update(part, targets, embedding)
            if keep:
                passed.keep(first, space, part, targets, size)
        if looks is not None:
            looks.at(output, batch.indices)
    return passed


@contextmanager
def _eval_mode(forward: Any) -> Iterator[None]:
    was_training = forward.training
    forward.eval()
    try:
        yield
    finally:
        forward.train(was_training)


@contextmanager
def _averaged_weights(method: Method, average: AveragedModel | None) -> Iterator[None]:
    if average is None:
        yield
        return
    part = method.averaged
    own = {name: value.clone() for name, value in part.state_dict().items()}
    part.load_state_dict(average.module.state_dict())
    try:
        yield
    finally:
        part.load_state_dict(own)
