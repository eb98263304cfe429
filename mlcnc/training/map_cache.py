"""What a frozen part of a backbone makes of every image, computed once and kept on disk.

One file an array (``train-plain.npy``, ``train-mirrored.npy``, ``train-db-0.npy``, ``test-plain.npy``) and
beside each a JSON file, written last, with the key of what it was made from and the SHA-256 of its bytes. An
array without it, of another key or of another checksum is computed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mlcnc import stopping
from mlcnc.data import ImageSplit
from mlcnc.data.augmentation import Augmentation
from mlcnc.data.cache import cache_folder
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.loader import ImageLoader
from mlcnc.data.protocol import Normalisation, RowsOfSplit
from mlcnc.errors import ConfigError, DataError, counted
from mlcnc.files.locking import alone_in
from mlcnc.files.writing import aside_of, replace_file, write_all
from mlcnc.models.weights_file import file_sha256

FORMAT = 1
BATCH_SIZE = 64
LINE_EVERY_SECONDS = 10.0
SPARE_BYTES = 200 * 2**20
"""Free disk that is left beside the maps."""


@dataclass(frozen=True)
class Variant:
    """One way in which every image of a split goes through the frozen part.

    Attributes:
        name: part of the file's name.
        augmentation: None leaves the image as the view shows it.
        draw: of the random changes; another number gives others.
        is_mirrored: left to right, after all else.
    """

    name: str
    augmentation: Augmentation | None = None
    draw: int = 0
    is_mirrored: bool = False


PLAIN = Variant("plain")
MIRRORED = Variant("mirrored", is_mirrored=True)


@dataclass(frozen=True)
class FrozenPart:
    """The part of a backbone that is not trained, with all that decides what comes out of it.

    Attributes:
        module: maps (B, 3, H, W) to (B, d, h, w); in eval mode.
        digest: of its weights.
        normalisation: of the images.
        device: where it is.
        num_workers: that read images.
    """

    module: nn.Module
    digest: str
    normalisation: Normalisation
    device: torch.device
    num_workers: int | None


@dataclass
class MapCache:
    """The maps of one data set in one folder.

    Args:
        name: of the folder below the user's cache folder.
        frozen: makes the maps.
        say: receives lines.
    """

    name: str
    frozen: FrozenPart
    say: Callable[[str], None]
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = cache_folder() / "maps" / self.name

    def maps(
        self, splits: Mapping[str, ImageSplit], variants: Mapping[str, list[Variant]]
    ) -> dict[str, list[NDArray[np.float16]]]:
        """Return, by split, one memory-mapped array (N, d, h, w) a variant, computing what is missing.

        Args:
            splits: by name, as they are seen when measured.
            variants: of each split, the plain one first.

        Raises:
            ConfigError: the disk has too little space, or values leave the range of half precision.
            DataError: the folder cannot be written, or an image cannot be read.
            KeyboardInterrupt: on the way; the arrays that are complete are kept.
        """
        wanted = [(name, variant) for name in splits for variant in variants[name]]
        keys = {
            (name, variant.name): self._key(content, variant)
            for name, content in ((name, content_key(split)) for name, split in splits.items())
            for variant in variants[name]
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with alone_in(self.folder, self._waiter()):
                missing = [
                    (name, variant)
                    for name, variant in wanted
                    if not self._is_good(self._path(name, variant), keys[name, variant.name])
                ]
                if missing:
                    self._compute(splits, missing, keys)
                # before another run may replace them by maps of its own settings
                return {
                    name: [np.load(self._path(name, variant), mmap_mode="r") for variant in variants[name]]
                    for name in splits
                }
        except OSError as error:
            raise DataError(
                f"the cache of maps {self.folder} cannot be used: {error.strerror or error}; set MLCNC_CACHE "
                "to another folder, or model.cache_maps false"
            ) from error

    def _path(self, split: str, variant: Variant) -> Path:
        return self.folder / f"{split}-{variant.name}.npy"

    def _key(self, content: str, variant: Variant) -> str:
        parts = [
            FORMAT,
            content,
            self.frozen.digest,
            repr(self.frozen.normalisation),
            variant.name,
            repr(variant.augmentation),
            variant.draw,
            variant.is_mirrored,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _is_good(self, path: Path, key: str) -> bool:
        about = _about(path)
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(about.read_text(encoding="utf-8"))
            if isinstance(known, dict) and known.get("key") == key:
                if known.get("sha256") == file_sha256(path):
                    return True
                self.say(f"{path.name} is damaged and is computed anew")
        return False

    def _compute(
        self,
        splits: Mapping[str, ImageSplit],
        missing: list[tuple[str, Variant]],
        keys: Mapping[tuple[str, str], str],
    ) -> None:
        shape = self._map_shape(next(iter(splits.values())))
        number = sum(len(splits[name]) for name, _ in missing)
        needed = 2 * number * int(np.prod(shape))
        # what is there of outdated files is given back as they are replaced
        free = shutil.disk_usage(self.folder).free
        self.say(
            f"computing maps of {counted(number, 'image')} once, {' x '.join(str(side) for side in shape)} "
            f"numbers each: {needed / 1e6:,.0f} MB in {self.folder} ({free / 1e6:,.0f} MB free; "
            "mlcnc data maps lists and removes them)"
        )
        if free < needed + SPARE_BYTES:
            raise ConfigError(
                f"the cached maps take {needed / 1e6:,.0f} MB and the disk of {self.folder} has "
                f"{free / 1e6:,.0f} MB free; set MLCNC_CACHE to a folder on another disk, lower "
                "model.cached_draws, or set model.cache_maps false"
            )
        progress = _Progress(number, self.say)
        for name, variant in missing:
            self._write(name, splits[name], variant, shape, keys[name, variant.name], progress)
        progress.end()

    def _map_shape(self, split: ImageSplit) -> tuple[int, int, int]:
        height, width, channels = split.image(0).shape
        with torch.no_grad():
            grey = torch.zeros(1, channels, height, width, device=self.frozen.device)
            _, d, h, w = self.frozen.module(grey).shape
        return d, h, w

    @torch.no_grad()
    def _write(
        self,
        name: str,
        split: ImageSplit,
        variant: Variant,
        shape: tuple[int, int, int],
        key: str,
        progress: _Progress,
    ) -> None:
        path = self._path(name, variant)
        aside = aside_of(path)
        loader = ImageLoader(
            split,
            lambda epoch: np.arange(len(split)),
            batch_size=BATCH_SIZE,
            augmentation=variant.augmentation,
            normalisation=self.frozen.normalisation,
            device=self.frozen.device,
            num_workers=self.frozen.num_workers,
        )
        with contextlib.closing(loader):
            try:
                # written and not mapped: on a disk that is full the write to a map would kill the process
                with aside.open("wb") as out:
                    _write_header(out, (len(split), *shape))
                    for batch in loader.epoch(variant.draw):
                        stopping.raise_if_asked()
                        images = batch.images.flip(3) if variant.is_mirrored else batch.images
                        maps = self.frozen.module(images).half()
                        if not bool(torch.isfinite(maps).all()):
                            raise ConfigError(
                                "the maps of this backbone leave the range of half precision; "
                                "set model.cache_maps false"
                            )
                        out.write(maps.cpu().numpy().tobytes())  # of the rows in natural order
                        progress.add(len(batch.indices))
                _about(path).unlink(missing_ok=True)
                os.replace(aside, path)
                told = json.dumps({"key": key, "sha256": file_sha256(path)})
                replace_file(_about(path), lambda aside: write_all(aside, told.encode()))
            finally:
                aside.unlink(missing_ok=True)

    def _waiter(self) -> Callable[[], None]:
        """Return what to do while another run holds the folder: of two that want the same maps one computes."""
        told: list[str] = []

        def wait() -> None:
            stopping.raise_if_asked()
            if not told:
                told.append(f"another run computes the maps in {self.folder}; waiting for it")
                self.say(told[0])

        return wait


class _Progress:
    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self.total = total
        self.say = say
        self.done = 0
        self.began = self.told = time.monotonic()

    def add(self, number: int) -> None:
        self.done += number
        if time.monotonic() - self.told >= LINE_EVERY_SECONDS:
            self.told = time.monotonic()
            rate = self.done / (self.told - self.began)
            left = (self.total - self.done) / rate
            self.say(f"maps: {self.done:,} of {self.total:,}, {rate:.0f} images/s, {left:.0f} s left")

    def end(self) -> None:
        seconds = time.monotonic() - self.began
        self.say(f"maps: all {self.total:,} in {seconds:.0f} s, {self.total / max(seconds, 1e-9):.0f} images/s")


def content_key(split: ImageSplit) -> str:
    """Return a digest of what the images of a split are: names, sizes and times of files, else their pixels.

    Raises:
        DataError: a file is missing.
    """
    digest = hashlib.sha256()
    if isinstance(split, RowsOfSplit):
        digest.update(split.rows.tobytes())
        split = split.whole
    if isinstance(split, ImageFileSplit):
        digest.update(repr(split.view).encode())
        for row, path in enumerate(split.paths):
            try:
                found = os.stat(path)
            except OSError as error:
                raise DataError(f"{path} cannot be read ({error.strerror}); restore the file") from error
            digest.update(f"{split.image_id(row)}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    else:
        for row in range(len(split)):
            digest.update(split.image(row).tobytes())
    return digest.hexdigest()


def _write_header(out: BinaryIO, shape: tuple[int, ...]) -> None:
    """Begin an array file of half precision in C order."""
    descr = np.lib.format.dtype_to_descr(np.dtype(np.float16))
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})


def _about(path: Path) -> Path:
    return path.with_suffix(".json")
