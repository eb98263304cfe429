"""Where batches come from: images that are read and changed anew, or maps of them that lie on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mlcnc.config import DataConfig
from mlcnc.data import ImageSplit, MultiLabelDataset
from mlcnc.data.augmentation import Augmentation, LightAugmentation
from mlcnc.data.augmentation_presets import augmentation_preset
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.loader import WHOLE, Batch, ImageLoader, Share
from mlcnc.data.protocol import Normalisation
from mlcnc.data.view import view_of
from mlcnc.models.backbone import Backbone

Order = Callable[[int], NDArray[np.int64]]


class Loader(Protocol):
    """Gives the batches of a split epoch by epoch; nothing but its arguments decides what is in them."""

    split: ImageSplit

    @property
    def num_images(self) -> int: ...

    def num_batches(self, epoch: int) -> int: ...

    def epoch(self, epoch: int) -> Iterator[Batch]: ...

    def close(self) -> None: ...


class Batches(Protocol):
    """Makes the loaders of one run."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what a batch holds of one image."""

    def training(self, order: Order, batch_size: int, stream: int) -> Loader:
        """Return the loader of a stream of changed training images."""

    def measured(self, name: str, split: ImageSplit, batch_size: int) -> Loader:
        """Return the loader of a split as it is measured, in natural order; of the batches of this process."""


@dataclass(frozen=True)
class SeenImages:
    """A data set as a backbone sees it.

    Attributes:
        dataset: its splits of files have a view.
        augmentation: of training images.
        normalisation: of all images.
        flip: whether a mirrored image is as good as a plain one.
    """

    dataset: MultiLabelDataset
    augmentation: Augmentation
    normalisation: Normalisation
    flip: bool


def seen_images(dataset: MultiLabelDataset, data: DataConfig, backbone: Backbone) -> SeenImages:
    """Return a data set as a backbone and the settings see it.

    Args:
        dataset: splits of files without a view get that of the settings.
        data: with a side of the images.
        backbone: gives interpolation and, where it has one, normalisation.

    Raises:
        ConfigError: there is no such augmentation.
    """
    preset = augmentation_preset(data.augmentation or "light")
    size, interpolation = data.image_size or backbone.size, backbone.interpolation
    view = view_of(data.augmentation, size, interpolation)

    def seen(split: ImageSplit, mirrored: bool = False) -> ImageSplit:
        if isinstance(split, ImageFileSplit) and split.view is None:
            return replace(split, view=replace(view, mirrored=mirrored))
        return split

    augmentation: Augmentation = LightAugmentation(flip=data.flip, shift=data.shift, jitter=data.jitter)
    if data.augmentation is None and dataset.augmentation is not None:
        augmentation = dataset.augmentation
    elif preset.train is not None:
        augmentation = preset.train(size, interpolation, data.flip)
    normalisation = dataset.normalisation
    if backbone.mean is not None and backbone.std is not None:
        normalisation = Normalisation(backbone.mean, backbone.std)
    validation = None if dataset.validation is None else seen(dataset.validation)
    return SeenImages(
        replace(
            dataset,
            train=seen(dataset.train),
            validation=validation,
            test=seen(dataset.test, mirrored=data.test_mirror),
        ),
        augmentation,
        preset.normalisation or normalisation,
        data.flip,
    )


@dataclass(frozen=True)
class ImageBatches:
    """Batches of images.

    Args:
        seen: the images.
        device: where batches go.
        num_workers: processes that read files.
        seed: of random changes.
        share: of the images of every training batch, and of the batches that are measured.
    """

    seen: SeenImages
    device: torch.device
    num_workers: int | None
    seed: int
    share: Share = WHOLE

    @property
    def input_shape(self) -> tuple[int, ...]:
        height, width, channels = self.seen.dataset.test.image(0).shape
        return channels, height, width

    def training(self, order: Order, batch_size: int, stream: int) -> Loader:
        train, changes = self.seen.dataset.train, self.seen.augmentation
        return self._loader(train, order, batch_size, stream, changes, self.share)

    def measured(self, name: str, split: ImageSplit, batch_size: int) -> Loader:
        return self._loader(split, lambda epoch: self.share.of_batches(len(split), batch_size), batch_size)

    def _loader(
        self,
        split: ImageSplit,
        order: Order,
        batch_size: int,
        stream: int = 0,
        augmentation: Augmentation | None = None,
        share: Share = WHOLE,
    ) -> Loader:
        return ImageLoader(
            split,
            order,
            batch_size=batch_size,
            seed=self.seed,
            stream=stream,
            augmentation=augmentation,
            normalisation=self.seen.normalisation,
            device=self.device,
            num_workers=self.num_workers,
            share=share,
        )
