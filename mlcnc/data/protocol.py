"""What every data set offers: class names, and splits of images with targets and optional boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcnc.data.long_tail import class_counts, co_occurrence, frequency_groups
from mlcnc.errors import require_shape


class ImageSplit(Protocol):
    """One split: N images with multi-label targets. Images are read one by one, by index."""

    @property
    def targets(self) -> NDArray[np.uint8]:
        """(N, C), 1 where the image has the class."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return image ``index`` as (H, W, 3)."""

    def boxes(self, index: int) -> NDArray[np.float32] | None:
        """Return (M, 5) rows of class, x0, y0, x1, y1 in pixels, or None where none are known."""

    def image_id(self, index: int) -> str:
        """Return a name that stays the same wherever the data set is."""


@dataclass(frozen=True)
class ArraySplit:
    """A split whose images are one array.

    Args:
        name: of the split; part of the image ids.
        images: (N, H, W, 3) uint8.
        targets: (N, C) uint8.
        object_boxes: (M, 6) float32 rows of image, class, x0, y0, x1, y1, sorted by image, or None.
    """

    name: str
    images: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    object_boxes: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        require_shape("images", self.images.shape, ("N", "H", "W", 3))
        require_shape("targets", self.targets.shape, (len(self.images), "C"), like="images")

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> NDArray[np.uint8]:
        return self.images[index]

    def boxes(self, index: int) -> NDArray[np.float32] | None:
        if self.object_boxes is None:
            return None
        first, last = np.searchsorted(self.object_boxes[:, 0], [index, index + 1])
        return self.object_boxes[first:last, 1:]

    def image_id(self, index: int) -> str:
        return f"{self.name}-{index:05d}"


@dataclass(frozen=True)
class Normalisation:
    """What makes pixels in [0, 1] the input of a network: (pixel - mean) / std, by channel.

    Args:
        mean, std: of red, green and blue, in units of [0, 1].
    """

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


@dataclass(frozen=True)
class RowsOfSplit:
    """Some images of a split as a split of their own.

    Args:
        whole: the split.
        rows: (n,) of its images, in the order in which they are counted here.
    """

    whole: ImageSplit
    rows: NDArray[np.int64]

    @cached_property
    def targets(self) -> NDArray[np.uint8]:
        """(n, C)."""
        return self.whole.targets[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, index: int) -> NDArray[np.uint8]:
        return self.whole.image(int(self.rows[index]))

    def boxes(self, index: int) -> NDArray[np.float32] | None:
        return self.whole.boxes(int(self.rows[index]))

    def image_id(self, index: int) -> str:
        return self.whole.image_id(int(self.rows[index]))


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set before it is drawn or read.

    Args:
        class_names: C names; empty where they are known only when it is read.
        num_train, num_validation, num_test: images per split; all 0 where they are known only when it is read.
        image_sizes: sides in pixels that it offers; empty where any will do.
        root: of photographs, returns the folder in which they lie, of ``DatasetRequest.root``, or raises a
            ``DataError`` that says what is missing and how to get it; None where nothing is needed.
    """

    class_names: tuple[str, ...]
    num_train: int
    num_validation: int
    num_test: int
    image_sizes: tuple[int, ...] = ()
    root: Callable[[Path | None], Path] | None = None


Damaged = Literal["stop", "skip"]


@dataclass(frozen=True)
class DatasetRequest:
    """What a builder of data sets is asked for; each takes what concerns it.

    Args:
        seed: of drawn data, and of a split that the data do not name themselves.
        size: side of drawn images in pixels; None takes the smallest that is offered.
        cache_dir: where drawn data are kept; None is the user's cache folder.
        root: folder in which photographs lie, or a folder of the data set's name; None takes MLCNC_DATA.
        annotations: of ``folder``, a file of labels below ``root``; None looks for one.
        difficult: objects marked difficult count as labels.
        test_images: ``all``, or only those that are ``labelled``.
        damaged: files that are missing ``stop`` the run at once, those that cannot be read when they are met;
            or both are looked for at once and left out (``skip``).
    """

    seed: int = 0
    size: int | None = None
    cache_dir: Path | None = None
    root: Path | None = None
    annotations: str | None = None
    difficult: bool = True
    test_images: Literal["all", "labelled"] = "all"
    damaged: Damaged = "stop"


@dataclass(frozen=True)
class MultiLabelDataset:
    """A named data set with its splits; settings are chosen on validation, never on test.

    Args:
        name: as in the registry.
        class_names: C names.
        train, validation, test: splits; validation may be None.
        group_thresholds: a class is head from ``head_min`` training images on, tail below ``tail_max``.
        normalisation: that suits the images where the backbone does not ask for its own.
        augmentation: of training images, a v2 transform as :mod:`mlcnc.data.augmentation` takes it; None: that
            of the settings.
        class_groups: class indices of ``head``, ``medium`` and ``tail`` where a file names them; None takes the
            thresholds.
        may_be_copied: whether a run may keep small pictures of the images.
        notes: sentences that a run says of its data, e.g. how many files were left out.
    """

    name: str
    class_names: tuple[str, ...]
    train: ImageSplit
    validation: ImageSplit | None
    test: ImageSplit
    group_thresholds: tuple[int, int] = (100, 20)
    normalisation: Normalisation = Normalisation()
    augmentation: Callable[[Any], Any] | None = None
    class_groups: Mapping[str, list[int]] | None = None
    may_be_copied: bool = True
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @cached_property
    def class_counts(self) -> NDArray[np.int64]:
        """(C,) training images per class, n_c."""
        return class_counts(self.train.targets)

    @cached_property
    def co_occurrence(self) -> NDArray[np.int64]:
        """(C, C) training images having both classes; the diagonal is ``class_counts``."""
        return co_occurrence(self.train.targets)

    @cached_property
    def groups(self) -> Mapping[str, list[int]]:
        """Class indices of ``head``, ``medium`` and ``tail``."""
        return self.class_groups or frequency_groups(self.class_counts, *self.group_thresholds)
