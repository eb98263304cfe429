"""Batches of a split on their device, the same ones whatever number of processes reads the images."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mlcnc.data.augmentation import Augmentation, LightAugmentation, image_seed, in_unit_range, seeded
from mlcnc.data.protocol import ArraySplit, ImageSplit, Normalisation, RowsOfSplit
from mlcnc.errors import ConfigError, MlcncError

Key = tuple[int, int, int]
"""Epoch, position of the image in the epoch's order, row of the split."""

MOST_WORKERS = 4
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Batch(NamedTuple):
    """What one step of training, or of measurement, reads.

    Args:
        images: (b, 3, H, W) float32, normalised, on the device; channels last but on MPS. All B of the batch
            or, where several processes train together, the part of this one.
        targets: (B, C) float32 of 0 and 1, on the device, of the whole batch.
        indices: (B,) rows of the split, of the whole batch.
    """

    images: Tensor
    targets: Tensor
    indices: NDArray[np.int64]


class Share(NamedTuple):
    """Which part of every batch a process has where several train together, as even as can be."""

    rank: int = 0
    number: int = 1

    def of(self, size: int) -> slice:
        """Return the rows of this part in a batch of ``size`` images."""
        each, more = divmod(size, self.number)
        first = self.rank * each + min(self.rank, more)
        return slice(first, first + each + (self.rank < more))

    def of_batches(self, num_images: int, batch_size: int) -> NDArray[np.int64]:
        """Return the rows, in natural order, of every ``number``-th batch, as one process makes them."""
        batches = np.array_split(np.arange(num_images), max(1, -(-num_images // batch_size)))
        return np.concatenate([np.arange(0), *batches[self.rank :: self.number]])


WHOLE = Share()


class OrderedLoader:
    """The images of a split in the order of an epoch, in batches that differ by one image at most.

    Args:
        split: of the images.
        order: gives the rows of an epoch in order, e.g. ``sampler.indices``.
        batch_size: at most so many images a batch.
        share: of the images of every batch that are read.
    """

    def __init__(
        self,
        split: ImageSplit,
        order: Callable[[int], NDArray[np.int64]],
        batch_size: int,
        share: Share = WHOLE,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.share = share
        self._order = lru_cache(maxsize=2)(order)

    @cached_property
    def num_images(self) -> int:
        """Images of the first epoch; samplers give as many in every epoch."""
        return len(self._order(0))

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self._order(epoch)) // self.batch_size)


class ImageLoader(OrderedLoader):
    """Batches of one stream, epoch by epoch; nothing but the arguments decides what is in them.

    An image's random changes follow from seed, epoch, position and stream, so that they do not depend on the
    number of workers, on the caller's random state, or on what was loaded before; nor is that state changed.

    Args:
        split: of the images.
        order: gives the rows of an epoch in order, e.g. ``sampler.indices``.
        batch_size: at most so many images a batch; the batches of an epoch differ by one image at most.
        seed: of the random changes.
        stream: number of this stream, where a step reads several batches.
        augmentation: a v2 transform; it gets the picture where the split has a method ``pil``, else (3, H, W)
            uint8. It must draw from torch alone and must not normalise. None leaves images as they are.
        normalisation: of all batches.
        device: where batches go.
        num_workers: processes that read images; None takes none where images lie in memory, else one a core,
            at most four. They live until :meth:`close`, an epoch that is left early, or the loader's end.
        share: of the images of every batch that are read, for one of several processes.

    Raises:
        ConfigError: while iterating, images of a batch differ in size.
        DataError: while iterating, an image cannot be read; the message names its file.
    """

    def __init__(
        self,
        split: ImageSplit,
        order: Callable[[int], NDArray[np.int64]],
        *,
        batch_size: int,
        seed: int = 0,
        stream: int = 0,
        augmentation: Augmentation | None = None,
        normalisation: Normalisation,
        device: torch.device,
        num_workers: int | None = None,
        share: Share = WHOLE,
    ) -> None:
        super().__init__(split, order, batch_size, share)
        self.device = device
        self.num_workers = _suitable_workers(split, share) if num_workers is None else num_workers
        self._mean = torch.tensor(normalisation.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(normalisation.std, device=device).view(1, 3, 1, 1)
        self._images = _KeyedImages(split, augmentation, seed, stream)
        self._keys = _Keys(share)
        self._loader: DataLoader[Any] | None = None

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; one epoch of a loader at a time."""
        if not (num_batches := self.num_batches(epoch)):
            return
        batches = np.array_split(self._order(epoch), num_batches)
        self._keys.epoch, self._keys.batches = epoch, batches
        images = None
        with _quiet_start():
            if self._loader is None:
                self._loader = self._new_loader()
            loaded = iter(self._loader)
        try:
            for rows, images in zip(batches, loaded, strict=True):
                if isinstance(images, MlcncError):
                    raise images
                yield Batch(self._normalised(images), self._targets(rows), rows)
                if self._keys.batches is not batches:
                    raise RuntimeError("another epoch of this loader was begun; iterate over one at a time")
        except BaseException:
            # else the traceback keeps them, in a ring that torch is slow to take apart
            del images, loaded
            self.close()
            raise

    def close(self) -> None:
        """End the workers, if any; another epoch would start new ones."""
        self._loader = None

    def _new_loader(self) -> DataLoader[Any]:
        return DataLoader(
            self._images,
            batch_sampler=self._keys,
            collate_fn=_as_it_is,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_begin_worker,
            multiprocessing_context=_context() if self.num_workers else None,
            # torch draws a seed for its workers at every epoch, else from the caller's state
            generator=torch.Generator(),
        )

    def _normalised(self, images: Tensor) -> Tensor:
        images = in_unit_range(images.to(self.device, non_blocking=True))
        if self.device.type != "mps":
            images = images.contiguous(memory_format=torch.channels_last)
        return images.sub_(self._mean).div_(self._std)

    def _targets(self, rows: NDArray[np.int64]) -> Tensor:
        return on_device(torch.from_numpy(self.split.targets[rows].astype(np.float32)), self.device)


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the host on a device, which a GPU copies while the host goes on."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


class _Keys:
    """The batches of keys of the epoch that is set; read once by every iterator of the DataLoader."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.epoch = 0
        self.batches: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Key]]:
        position = 0
        epoch = self.epoch
        for rows in self.batches:
            part = self.share.of(len(rows))
            places = range(position + part.start, position + part.stop)
            yield [(epoch, place, row) for place, row in zip(places, rows[part].tolist(), strict=True)]
            position += len(rows)


class _KeyedImages(Dataset[Tensor | MlcncError]):
    """The map from keys to batches that workers hold; a map-style data set to torch."""

    def __init__(self, split: ImageSplit, augmentation: Augmentation | None, seed: int, stream: int) -> None:
        self.split = split
        self.augmentation = augmentation
        self.seed = seed
        self.stream = stream

    def __getitem__(self, key: Key) -> Tensor | MlcncError:
        """Return one changed image (1, 3, H, W)."""
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Tensor | MlcncError:
        """Return the changed images of keys (B, 3, H, W), uint8 or float, or an error for the caller."""
        try:
            return self._images(keys)
        except MlcncError as error:
            return error

    def _images(self, keys: list[Key]) -> Tensor:
        seeds = [image_seed(self.seed, epoch, position, self.stream) for epoch, position, _ in keys]
        rows = [row for _, _, row in keys]
        augmentation = self.augmentation
        if augmentation is None or type(augmentation) is LightAugmentation:
            images = _stacked([self.split.image(row) for row in rows])
            return images if augmentation is None else augmentation.batch(images, seeds)
        # the state is the caller's where there are no workers
        with torch.random.fork_rng(devices=[]):
            pairs = zip(rows, seeds, strict=True)
            return _stacked([seeded(augmentation, self._picture(row), seed) for row, seed in pairs])

    def _picture(self, row: int) -> Any:
        if hasattr(self.split, "pil"):
            return self.split.pil(row)
        return torch.from_numpy(self.split.image(row)).permute(2, 0, 1)


def _stacked(images: list[Any]) -> Tensor:
    """Return (B, 3, H, W) of B pictures, arrays (H, W, 3) or tensors (3, H, W)."""
    if not isinstance(images[0], Tensor):
        images = [np.asarray(image) for image in images]
    if len(shapes := {tuple(image.shape) for image in images}) > 1:
        raise ConfigError(
            f"images of a batch must have one size, got shapes {sorted(shapes)}; "
            "give the split a size, or an augmentation that ends in one, e.g. RandomResizedCrop"
        )
    if isinstance(images[0], Tensor):
        return torch.stack(images)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _suitable_workers(split: ImageSplit, share: Share) -> int:
    if isinstance(split.whole if isinstance(split, RowsOfSplit) else split, ArraySplit):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, max(1, cores // share.number))


def _context() -> multiprocessing.context.BaseContext:
    # a fork shares what is imported and in memory; elsewhere than on Linux it is not safe
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _as_it_is(images: Any) -> Any:
    return images


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Block signals while workers start, which inherit that, and let torch not doubt the number of workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")
            warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(worker: int) -> None:
    """End with the parent, which alone hears signals to stop: they are blocked here since :func:`_quiet_start`.

    A worker that a signal to the whole group ended would raise in the parent, before that has read its flag.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.excepthook = _say_unless_left


def _end_with_parent() -> None:
    # torch's own watch takes up to ten seconds, and a worker holds the locks that it inherited
    parent = multiprocessing.parent_process()
    while parent is not None and os.getppid() == parent.pid:
        time.sleep(0.5)
    os._exit(0)


def _say_unless_left(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    # a parent that ends while images are handed over breaks the connection of the thread that does it
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
