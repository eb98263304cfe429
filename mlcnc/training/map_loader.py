"""Batches of cached maps in place of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mlcnc.data import ImageSplit
from mlcnc.data.augmentation import image_seed
from mlcnc.data.loader import WHOLE, Batch, OrderedLoader, Share, on_device


class MapLoader(OrderedLoader):
    """Batches of maps, epoch by epoch, as :class:`mlcnc.data.loader.ImageLoader` gives batches of images.

    Which variant of an image is taken follows from seed, epoch, position and stream, so that a resumed run
    repeats an uninterrupted one.

    Args:
        split: of the images.
        maps: one array (N, d, h, w) float16 a variant.
        order: gives the rows of an epoch in order.
        batch_size: at most so many images a batch.
        seed, stream: of the choice among variants.
        device: where batches go.
        rows: of the split's images in the arrays; None where they hold its images alone.
        share: of the images of every batch that are read.
    """

    def __init__(
        self,
        split: ImageSplit,
        maps: Sequence[NDArray[np.float16]],
        order: Callable[[int], NDArray[np.int64]],
        *,
        batch_size: int,
        seed: int = 0,
        stream: int = 0,
        device: torch.device,
        rows: NDArray[np.int64] | None = None,
        share: Share = WHOLE,
    ) -> None:
        super().__init__(split, order, batch_size, share)
        self.maps = maps
        self.seed = seed
        self.stream = stream
        self.device = device
        self._rows = np.arange(len(split)) if rows is None else rows

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; their images are maps (B, d, h, w) float32."""
        if not (num_batches := self.num_batches(epoch)):
            return
        position = 0
        for rows in np.array_split(self._order(epoch), num_batches):
            part = self.share.of(len(rows))
            chosen = [self._variant(epoch, position + place) for place in range(part.start, part.stop)]
            position += len(rows)
            picked = np.stack(
                [self.maps[variant][self._rows[row]] for variant, row in zip(chosen, rows[part], strict=True)]
            )
            maps = on_device(torch.from_numpy(picked), self.device).float()
            if self.device.type != "mps":
                maps = maps.contiguous(memory_format=torch.channels_last)
            targets = on_device(torch.from_numpy(self.split.targets[rows].astype(np.float32)), self.device)
            yield Batch(maps, targets, rows)

    def close(self) -> None:
        """Do nothing: there are no processes to end."""

    def _variant(self, epoch: int, position: int) -> int:
        if len(self.maps) == 1:
            return 0
        return image_seed(self.seed, epoch, position, self.stream) % len(self.maps)
