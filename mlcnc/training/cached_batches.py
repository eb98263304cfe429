"""Batches of maps that a frozen part of the backbone made of the images, once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mlcnc.config import ExperimentConfig
from mlcnc.data import ImageSplit, dataset_facts
from mlcnc.data.loader import WHOLE, Share
from mlcnc.data.protocol import RowsOfSplit
from mlcnc.data.view import CENTRAL_CUT
from mlcnc.models import weights_digest
from mlcnc.models.backbone import Backbone
from mlcnc.training.batches import Loader, Order, SeenImages
from mlcnc.training.map_cache import MIRRORED, PLAIN, FrozenPart, MapCache, Variant
from mlcnc.training.map_loader import MapLoader


@dataclass(frozen=True)
class MapBatches:
    """Batches of cached maps.

    Args:
        train: the training images.
        maps: by split, one array (N, d, h, w) a variant, the plain one first.
        device: where batches go.
        seed: of the choice among variants.
        share: of the images of every training batch, and of the batches that are measured.
    """

    train: ImageSplit
    maps: Mapping[str, Sequence[NDArray[np.float16]]]
    device: torch.device
    seed: int
    share: Share = WHOLE

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.maps["train"][0].shape[1:]

    def training(self, order: Order, batch_size: int, stream: int) -> Loader:
        return MapLoader(
            self.train,
            self.maps["train"],
            order,
            batch_size=batch_size,
            seed=self.seed,
            stream=stream,
            device=self.device,
            share=self.share,
        )

    def measured(self, name: str, split: ImageSplit, batch_size: int) -> Loader:
        rows = split.rows if isinstance(split, RowsOfSplit) and split.whole is self.train else None
        return MapLoader(
            split,
            self.maps[name][:1],
            lambda epoch: self.share.of_batches(len(split), batch_size),
            batch_size=batch_size,
            device=self.device,
            rows=rows,
        )


def cached_batches(
    config: ExperimentConfig,
    seen: SeenImages,
    frozen: Backbone,
    device: torch.device,
    say: Callable[[str], None],
    share: Share = WHOLE,
) -> MapBatches:
    """Return batches of maps, computing those that are not on disk.

    Training draws among the plain image, the mirrored one where ``data.flip`` is on, and
    ``model.cached_draws`` random draws of the augmentation; a measurement reads the plain one.

    Raises:
        ConfigError, DataError: as :meth:`mlcnc.training.map_cache.MapCache.maps`.
    """
    part = FrozenPart(
        frozen.eval().to(device),
        weights_digest(frozen),
        seen.normalisation,
        device,
        config.data.num_workers,
    )
    changed = config.data.augmentation or "light"
    draws = [Variant(f"{changed}-{draw}", seen.augmentation, draw) for draw in range(config.model.cached_draws)]
    dataset = seen.dataset
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    maps = MapCache(folder_name(config), part, say).maps(
        {name: split for name, split in splits.items() if split is not None},
        {"train": [PLAIN, *([MIRRORED] if seen.flip else []), *draws], "validation": [PLAIN], "test": [PLAIN]},
    )
    return MapBatches(dataset.train, maps, device, config.training.seed, share)


def folder_name(config: ExperimentConfig) -> str:
    """Return a name that differs where the plain maps of two settings should lie beside each other on disk."""
    data, model = config.data, config.model
    root = dataset_facts(data.dataset).root
    told = [data.dataset, model.backbone, f"{data.image_size}px"]
    rest = [
        CENTRAL_CUT.get(data.augmentation or ""),
        None if root is None else str(root(None if data.root is None else Path(data.root)).resolve()),
        data.annotations,
        data.test_images,
        data.test_mirror,
        data.seed,
        model.weights,
        model.weights_file,
        model.stage,
        model.trained_blocks,
    ]
    short = hashlib.sha256(json.dumps(rest).encode()).hexdigest()[:8]
    return re.sub(r"[^a-z0-9_.-]+", "-", "-".join([*told, short]).lower())
