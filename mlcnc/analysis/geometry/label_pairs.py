"""Two labels in one image, one feature each: how far apart are they in a trained network?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcnc.analysis.images.pictures import SPLITS
from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.metrics import centre
from mlcnc.store import Run


@dataclass(frozen=True)
class LabelPairs:
    """Class-wise features of images with several labels, at one epoch; degrees, centring ``class``.

    Attributes:
        space: of the features, the run's first class-wise one.
        epoch: from 0.
        split: of the images.
        num_images, num_features: images with at least two stored features, and those features.
        to_own: mean angle of a feature to the mean of its own class.
        to_other: mean angle to the means of the image's other classes.
        apart: mean angle between two features of one image.
        nearer_own: share of (feature, other class) pairs with the own class mean nearer.
    """

    space: str
    epoch: int
    split: str
    num_images: int
    num_features: int
    to_own: float
    to_other: float
    apart: float
    nearer_own: float


def label_pairs(run: Run, epoch: int, *, split: str = "test") -> LabelPairs | None:
    """Return how the features of one image's labels lie to their class means.

    None where the run has no class-wise space: labels of one image share an image-wise feature. None too where
    it stored no samples or no class means, or no sampled image has two of its labels in the sample.

    Raises:
        RunFormatError: a file is damaged.
    """
    space = next((item.name for item in run.spaces if item.kind == "class"), None)
    if space is None:
        return None
    samples, arrays = run.samples(), run.arrays(epoch)
    statistics = stored_statistics(arrays, f"{split}.{space}")
    if (
        samples is None
        or "samples/image_index" not in samples
        or f"samples/{space}" not in arrays
        or statistics is None
    ):
        return None
    chosen = samples.get("samples/split") == SPLITS.index(split)
    images = samples.get("samples/image_index")[chosen]
    classes = samples.get("samples/class_index")[chosen]
    reference = np.asarray(centre(statistics.class_means, "class"))  # (d,)
    features = _directions(arrays.get(f"samples/{space}")[chosen].astype(np.float64) - reference)
    means = _directions(np.asarray(statistics.class_means) - reference)
    # every ordered pair of stored features of one image
    rows, seconds = np.nonzero((images[:, None] == images) & (classes[:, None] != classes))
    if len(rows) == 0:
        return None
    own = _degrees(features[rows], means[classes[rows]])
    other = _degrees(features[rows], means[classes[seconds]])
    return LabelPairs(
        space=space,
        epoch=epoch,
        split=split,
        num_images=len(np.unique(images[rows])),
        num_features=len(np.unique(rows)),
        to_own=float(own.mean()),
        to_other=float(other.mean()),
        apart=float(_degrees(features[rows], features[seconds]).mean()),
        nearer_own=float((own < other).mean()),
    )


def label_pairs_course(run: Run, *, split: str = "test") -> tuple[LabelPairs, ...]:
    """Return the record of every epoch with stored arrays that has one, in order.

    Raises:
        RunFormatError: a file is damaged.
    """
    records = (label_pairs(run, epoch, split=split) for epoch in run.array_epochs())
    return tuple(record for record in records if record is not None)


def _directions(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, np.nan))


def _degrees(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.degrees(np.arccos(np.clip((ones * others).sum(axis=1), -1.0, 1.0))))
