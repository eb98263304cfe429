"""Maps on disk: what they hold, when they are computed anew, and what a batch of them is."""

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mlcnc.data.augmentation import LightAugmentation, image_seed
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.protocol import ArraySplit, Normalisation, RowsOfSplit
from mlcnc.data.view import View
from mlcnc.errors import ConfigError, DataError
from mlcnc.files.locking import alone_in
from mlcnc.training import map_cache
from mlcnc.training.cached_batches import MapBatches
from mlcnc.training.map_cache import MIRRORED, PLAIN, FrozenPart, MapCache, Variant, content_key
from mlcnc.training.map_loader import MapLoader

DRAWS = [Variant(f"draw-{draw}", LightAugmentation(flip=True, shift=2, jitter=0.3), draw) for draw in range(2)]
VARIANTS = {"train": [PLAIN, MIRRORED, *DRAWS], "test": [PLAIN]}


class Blur(torch.nn.Module):
    """A frozen part that counts the images it sees."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.layer = torch.nn.Conv2d(3, 5, 4, stride=4, bias=False)
        self.num_images = 0

    def forward(self, images):
        self.num_images += len(images)
        return self.layer(images)


@pytest.fixture
def splits():
    rng = np.random.default_rng(8)

    def split(name, number):
        images = rng.integers(0, 256, (number, 12, 16, 3), dtype=np.uint8)
        return ArraySplit(name, images, (rng.random((number, 3)) < 0.5).astype(np.uint8))

    return {"train": split("train", 67), "test": split("test", 11)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_CACHE", str(tmp_path))
    return made()


def made(digest="weights", normalisation=None):
    part = FrozenPart(Blur().eval(), digest, normalisation or Normalisation(), torch.device("cpu"), 0)
    lines = []
    cache = MapCache("tiny", part, lines.append)
    cache.lines = lines
    return cache


def test_maps_are_what_the_frozen_part_makes_of_each_image(cache, splits):
    maps = cache.maps(splits, VARIANTS)
    assert [len(maps[name]) for name in splits] == [4, 1]
    layer = cache.frozen.module.layer
    images = torch.from_numpy(splits["train"].images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = layer((images - 0.5) / 0.25)
        mirrored = layer((images.flip(-1) - 0.5) / 0.25)
        drawn = DRAWS[1].augmentation.batch(
            torch.from_numpy(splits["train"].images).permute(0, 3, 1, 2),
            [image_seed(0, 1, row, 0) for row in range(67)],
        )
        drawn = layer((drawn - 0.5) / 0.25)
    for place, wanted in ((0, expected), (1, mirrored), (3, drawn)):
        found = maps["train"][place]
        assert found.dtype == np.float16
        torch.testing.assert_close(torch.from_numpy(np.array(found)).float(), wanted, atol=2e-3, rtol=2e-3)
    assert isinstance(maps["test"][0], np.memmap)


def test_they_are_computed_once(cache, splits):
    cache.maps(splits, VARIANTS)
    number = 4 * 67 + 11
    assert cache.frozen.module.num_images == number + 1  # one grey image gives the shape
    assert "0.1 MB" in cache.lines[0] or "MB in" in cache.lines[0]
    again = made()
    again.maps(splits, VARIANTS)
    assert again.frozen.module.num_images == 0
    assert again.lines == []


@pytest.mark.parametrize("harm", ["flipped bit", "cut", "no word", "half a word", "gone"])
def test_a_damaged_array_is_computed_anew(cache, splits, harm):
    first = [np.array(part) for part in cache.maps(splits, VARIANTS)["train"]]
    path = cache.folder / "train-mirrored.npy"
    if harm == "flipped bit":
        content = bytearray(path.read_bytes())
        content[-3] ^= 4
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "no word":
        path.with_suffix(".json").unlink()
    elif harm == "half a word":
        path.with_suffix(".json").write_text('{"key": "12')
    else:
        path.unlink()
    again = made()
    second = again.maps(splits, VARIANTS)["train"]
    assert again.frozen.module.num_images == 67 + 1
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(part.name for part in cache.folder.iterdir() if part.name.startswith(".")) == []


@pytest.mark.parametrize("change", ["weights", "normalisation", "images", "augmentation"])
def test_outdated_arrays_are_computed_anew(cache, splits, change):
    cache.maps(splits, VARIANTS)
    variants, number = VARIANTS, 4 * 67 + 11
    again = made()
    if change == "weights":
        again = made("others")
    elif change == "normalisation":
        again = made(normalisation=Normalisation((0.4, 0.5, 0.5)))
    elif change == "images":
        splits["test"].images[5, 0, 0, 0] ^= 1
        number = 11
    else:
        stronger = LightAugmentation(flip=True, shift=2, jitter=0.4)
        variants = {"train": [PLAIN, MIRRORED, Variant("draw-0", stronger)], "test": [PLAIN]}
        number = 67
    again.maps(splits, variants)
    assert again.frozen.module.num_images == number + 1


def test_an_interrupted_computation_keeps_whole_arrays_only(cache, splits, monkeypatch):
    asked = iter([False] * 5 + [True] * 100)

    def stop():
        if next(asked):
            raise KeyboardInterrupt

    monkeypatch.setattr(map_cache.stopping, "raise_if_asked", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.maps(splits, VARIANTS)
    assert sorted(part.name for part in cache.folder.iterdir()) == [
        "train-mirrored.json",
        "train-mirrored.npy",
        "train-plain.json",
        "train-plain.npy",
    ]
    monkeypatch.setattr(map_cache.stopping, "raise_if_asked", lambda: None)
    again = made()
    again.maps(splits, VARIANTS)
    assert again.frozen.module.num_images == 2 * 67 + 11 + 1


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(cache, splits, monkeypatch):
    monkeypatch.setattr(map_cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(ConfigError, match=r"the cached maps take 0 MB and the disk of .* has 1 MB free"):
        cache.maps(splits, VARIANTS)
    assert list(cache.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, splits):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("MLCNC_CACHE", str(tmp_path / "taken"))
    with pytest.raises(DataError, match=r"the cache of maps .* cannot be used: .*; set MLCNC_CACHE"):
        made().maps(splits, VARIANTS)


def test_values_beyond_half_precision_are_refused(cache, splits):
    with torch.no_grad():
        cache.frozen.module.layer.weight.mul_(1e7)
    with pytest.raises(ConfigError, match=r"half precision; set model\.cache_maps false"):
        cache.maps(splits, VARIANTS)


def test_files_are_known_by_name_size_and_time(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (9, 7), (number, 0, 0)).save(path)
    split = ImageFileSplit("test", paths, np.ones((3, 2), np.uint8), view=View(8))
    key = content_key(split)
    assert content_key(ImageFileSplit("test", paths, np.zeros((3, 2), np.uint8), view=View(8))) == key
    assert content_key(ImageFileSplit("test", paths, split.targets, view=View(9))) != key
    assert content_key(RowsOfSplit(split, np.array([0, 2]))) != key
    os.utime(paths[1], ns=(1, 1))
    assert content_key(split) != key
    paths[2].unlink()
    with pytest.raises(DataError, match=f"{paths[2]} cannot be read .No such file or directory."):
        content_key(split)


def test_batches_are_maps_of_the_rows(splits):
    rng = np.random.default_rng(1)
    maps = [rng.standard_normal((67, 5, 3, 4)).astype(np.float16) for _ in range(3)]
    order = rng.permutation(67)
    loader = MapLoader(
        splits["train"], maps, lambda epoch: order, batch_size=10, seed=3, stream=1, device=torch.device("cpu")
    )
    assert (loader.num_images, loader.num_batches(0)) == (67, 7)
    seen, chosen = [], []
    for batch in loader.epoch(2):
        assert batch.images.dtype == torch.float32
        for image, row in zip(batch.images.numpy(), batch.indices, strict=True):
            (variant,) = [v for v in range(3) if (maps[v][row].astype(np.float32) == image).all()]
            chosen.append(variant)
        np.testing.assert_array_equal(batch.targets.numpy(), splits["train"].targets[batch.indices])
        seen += batch.indices.tolist()
    assert seen == order.tolist()
    assert chosen == [image_seed(3, 2, position, 1) % 3 for position in range(67)]
    assert set(chosen) == {0, 1, 2}


def test_rows_of_a_split_have_their_own_maps(splits):
    maps = np.arange(67, dtype=np.float16).reshape(67, 1, 1, 1)
    some = RowsOfSplit(splits["train"], np.array([60, 3, 9]))
    batches = MapBatches(splits["train"], {"train": [maps]}, torch.device("cpu"), 0)
    parts = list(batches.measured("train", some, 2).epoch(0))
    assert torch.cat([part.images for part in parts]).flatten().tolist() == [60.0, 3.0, 9.0]
    np.testing.assert_array_equal(torch.cat([part.targets for part in parts]), some.targets)


def test_a_training_set_that_is_part_of_another_has_maps_of_its_own(cache, splits):
    some = RowsOfSplit(splits["train"], np.array([60, 3, 9]))
    maps = cache.maps({"train": some}, {"train": [PLAIN]})
    batches = MapBatches(some, maps, torch.device("cpu"), 0)
    for loader in (batches.training(lambda epoch: np.arange(3), 2, 0), batches.measured("train", some, 2)):
        seen = torch.cat([batch.images for batch in loader.epoch(0)]).numpy()
        np.testing.assert_array_equal(seen, maps["train"][0].astype(np.float32))
    inner = RowsOfSplit(some, np.array([1, 2]))
    (batch,) = batches.measured("train", inner, 2).epoch(0)
    np.testing.assert_array_equal(batch.images.numpy(), maps["train"][0][1:].astype(np.float32))


def test_arrays_are_taken_before_another_run_replaces_them(cache, splits, monkeypatch):
    """Of two runs whose settings give the files one name, the second begins when the first lets the lock go."""
    alone = map_cache.alone_in

    @contextlib.contextmanager
    def then_another(folder, waiting):
        with alone(folder, waiting):
            yield
        monkeypatch.setattr(map_cache, "alone_in", alone)
        made("others", Normalisation((0.1, 0.1, 0.1))).maps(splits, VARIANTS)

    monkeypatch.setattr(map_cache, "alone_in", then_another)
    first = np.array(cache.maps(splits, VARIANTS)["test"][0])
    np.testing.assert_array_equal(first, made().maps(splits, VARIANTS)["test"][0])


def test_a_second_run_waits_for_the_first(cache, splits):
    cache.folder.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with alone_in(cache.folder):
            found = pool.submit(cache.maps, splits, VARIANTS)
            while not cache.lines:
                assert not found.done()
            assert list(cache.folder.iterdir()) == []
        assert len(found.result(timeout=30)["train"]) == 4
    assert cache.lines[0] == f"another run computes the maps in {cache.folder}; waiting for it"
    assert sum("another run" in line for line in cache.lines) == 1


def test_what_is_beside_an_array_names_its_key(cache, splits):
    cache.maps(splits, VARIANTS)
    told = json.loads((cache.folder / "test-plain.json").read_text())
    assert set(told) == {"key", "sha256"}
