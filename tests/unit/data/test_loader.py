import os
import random
import signal
import subprocess
import sys
import time
from itertools import zip_longest

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from mlcnc.data import ArraySplit, Normalisation
from mlcnc.data.augmentation import LightAugmentation, v2
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.loader import ImageLoader
from mlcnc.data.samplers import build_sampler
from mlcnc.errors import ConfigError, DataError

NUM_IMAGES, NUM_CLASSES, HEIGHT, WIDTH = 23, 3, 11, 13
LIGHT = LightAugmentation(flip=True, shift=2, jitter=0.2)
CROPS = v2.Compose([v2.RandomResizedCrop(7), v2.ColorJitter(0.3, 0.3, 0.3, 0.1), v2.RandomHorizontalFlip()])
IN_FLOATS = v2.Compose(
    [v2.RandomCrop(5), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.RandomErasing()]
)
AUGMENTATIONS = {"none": None, "light": LIGHT, "crops": CROPS, "floats": IN_FLOATS}


def arrays():
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (NUM_IMAGES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    return images, (rng.random((NUM_IMAGES, NUM_CLASSES)) < 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def in_memory():
    return ArraySplit("train", *arrays())


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    images, targets = arrays()
    paths = [folder / f"{index}.png" for index in range(NUM_IMAGES)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return ImageFileSplit("train", paths, targets)


def loader_of(split, augmentation=None, sampler="class_aware", **more):
    settings = {
        "batch_size": 5,
        "seed": 4,
        "augmentation": augmentation,
        "normalisation": Normalisation(),
        "device": torch.device("cpu"),
        "num_workers": 0,
    }
    order = build_sampler(sampler, split.targets, 18, 4).indices
    return ImageLoader(split, order, **(settings | more))


def assert_same(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left.images, right.images)
        assert left.images.stride() == right.images.stride()
        assert torch.equal(left.targets, right.targets)
        np.testing.assert_array_equal(left.indices, right.indices)


def disturb():
    torch.rand(3)
    torch.default_generator.seed()
    np.random.seed()  # noqa: NPY002  # the very state that must not matter
    random.seed()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_the_normalised_images_of_the_order(in_memory, on_disk, num_workers):
    normalisation = Normalisation(mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    order = build_sampler("class_aware", in_memory.targets, 18, 4).indices(3)
    for split in (in_memory, on_disk):
        loader = loader_of(split, normalisation=normalisation, num_workers=num_workers)
        batches = list(loader.epoch(3))
        assert (loader.num_images, loader.num_batches(3), len(batches)) == (18, 4, 4)
        assert [len(batch.indices) for batch in batches] == [5, 5, 4, 4]
        rows = np.concatenate([batch.indices for batch in batches])
        np.testing.assert_array_equal(rows, order)
        assert rows.dtype == np.int64
        expected = (in_memory.images[rows] / 255 - normalisation.mean) / normalisation.std  # (N, H, W, 3)
        images = torch.cat([batch.images for batch in batches])
        np.testing.assert_allclose(images.permute(0, 2, 3, 1).numpy(), expected, atol=2e-6)
        assert images.dtype == torch.float32
        assert batches[0].images.is_contiguous(memory_format=torch.channels_last)
        targets = torch.cat([batch.targets for batch in batches])
        assert targets.dtype == torch.float32
        np.testing.assert_array_equal(targets.numpy(), in_memory.targets[rows])


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_the_number_of_workers_changes_nothing(on_disk, augmentation):
    loaders = {
        number: loader_of(on_disk, AUGMENTATIONS[augmentation], num_workers=number) for number in (0, 2, 4)
    }
    for epoch in (0, 2):
        expected = list(loaders[0].epoch(epoch))
        for number in (0, 2, 4):
            disturb()
            assert_same(expected, loaders[number].epoch(epoch))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_second_stream_changes_nothing_in_the_first(on_disk, num_workers):
    alone = list(loader_of(on_disk, CROPS).epoch(1))
    first = loader_of(on_disk, CROPS, num_workers=num_workers)
    second = loader_of(on_disk, CROPS, sampler="uniform", stream=1, num_workers=num_workers)
    pairs = list(zip_longest(first.epoch(1), second.epoch(1)))
    assert_same(alone, [pair[0] for pair in pairs])
    assert_same(loader_of(on_disk, CROPS, sampler="uniform", stream=1).epoch(1), [pair[1] for pair in pairs])
    other_stream = list(loader_of(on_disk, CROPS, stream=1).epoch(1))
    np.testing.assert_array_equal(alone[0].indices, other_stream[0].indices)
    assert not torch.equal(alone[0].images, other_stream[0].images)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_the_callers_random_states_are_left_alone(on_disk, augmentation, num_workers):
    """Dropout follows the batches of a step, so they must leave torch's state as it was."""
    loader = loader_of(on_disk, AUGMENTATIONS[augmentation], num_workers=num_workers)
    torch.manual_seed(5)
    dropped = [torch.rand(2) for _ in range(8)]
    torch.manual_seed(5)
    python, numpy = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    seen = []
    for epoch in range(2):
        for _ in loader.epoch(epoch):
            seen.append(torch.rand(2))
    assert torch.equal(torch.stack(dropped), torch.stack(seen))
    assert random.getstate() == python
    assert np.random.get_state()[1].tolist() == numpy  # noqa: NPY002


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_epoch_does_not_depend_on_those_before(on_disk, num_workers):
    """Neither whole epochs nor one left in the middle, as by an error or Ctrl-C."""
    through = loader_of(on_disk, CROPS, num_workers=num_workers)
    epochs = [list(through.epoch(epoch)) for epoch in range(4)]
    resumed = loader_of(on_disk, CROPS, num_workers=num_workers)
    assert_same(epochs[2], resumed.epoch(2))
    next(resumed.epoch(0))
    assert_same(epochs[3], resumed.epoch(3))
    assert not torch.equal(epochs[2][0].images, epochs[3][0].images)


def test_images_in_memory_change_as_files_do_and_batches_as_single_images(in_memory, on_disk):
    batches = list(loader_of(in_memory, LIGHT).epoch(1))
    assert_same(batches, loader_of(on_disk, LIGHT, num_workers=2).epoch(1))
    for split in (in_memory, on_disk):
        one_by_one = list(loader_of(split, v2.Compose([LIGHT])).epoch(1))
        for batch, other in zip(batches, one_by_one, strict=True):
            assert torch.equal(batch.images, other.images)
    assert batches[0].images.shape == (5, 3, HEIGHT, WIDTH)
    as_tensors, as_pictures = (next(loader_of(split, CROPS).epoch(0)).images for split in (in_memory, on_disk))
    assert as_tensors.shape == as_pictures.shape == (5, 3, 7, 7)


@pytest.mark.parametrize("augmentation", [LIGHT, CROPS])
def test_an_image_drawn_twice_changes_in_two_ways(in_memory, augmentation):
    loader = ImageLoader(
        in_memory,
        lambda epoch: np.array([3, 3]),
        batch_size=2,
        augmentation=augmentation,
        normalisation=Normalisation(),
        device=torch.device("cpu"),
    )
    images = next(loader.epoch(0)).images
    assert not torch.equal(images[0], images[1])


def test_images_in_memory_need_no_workers(in_memory, on_disk):
    assert loader_of(in_memory, num_workers=None).num_workers == 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert loader_of(on_disk, num_workers=None).num_workers == min(4, cores)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_bad_file_is_named_and_the_loader_goes_on(on_disk, tmp_path, num_workers):
    paths = list(on_disk.paths)
    paths[2] = tmp_path / "missing.png"
    split = ImageFileSplit("train", paths, on_disk.targets)
    orders = [np.array([0, 1, 2, 3, 4, 5]), np.array([6, 7, 8])]
    loader = ImageLoader(
        split,
        orders.__getitem__,
        batch_size=2,
        normalisation=Normalisation(),
        device=torch.device("cpu"),
        num_workers=num_workers,
    )
    batches = loader.epoch(0)
    assert next(batches).indices.tolist() == [0, 1]
    with pytest.raises(DataError) as caught:
        next(batches)
    assert str(caught.value).startswith(f"{paths[2]} cannot be read as an image (FileNotFoundError")
    assert "\n" not in str(caught.value)
    assert [batch.indices.tolist() for batch in loader.epoch(1)] == [[6, 7], [8]]
    loader.close()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_images_of_several_sizes_are_refused_with_the_remedy(tmp_path, num_workers):
    for side in (5, 7):
        Image.new("RGB", (side, 5)).save(tmp_path / f"{side}.png")
    split = ImageFileSplit("train", sorted(tmp_path.iterdir()), np.ones((2, 2), np.uint8))
    with pytest.raises(ConfigError, match=r"got shapes \[\(5, 5, 3\), \(5, 7, 3\)\]; give the split a size"):
        list(loader_of(split, num_workers=num_workers).epoch(0))


def test_one_epoch_at_a_time(in_memory):
    loader = loader_of(in_memory)
    first = loader.epoch(0)
    next(first)
    next(loader.epoch(1))
    with pytest.raises(RuntimeError, match="another epoch of this loader was begun"):
        next(first)


def test_no_images_are_no_batches(in_memory):
    loader = ImageLoader(
        in_memory,
        lambda epoch: np.zeros(0, np.int64),
        batch_size=4,
        normalisation=Normalisation(),
        device=torch.device("cpu"),
    )
    assert (loader.num_images, loader.num_batches(0), list(loader.epoch(0))) == (0, 0, [])


def runs(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ended(processes, *, seconds):
    """Return whether all processes end in time; whoever adopts orphans may bury them much later."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(map(runs, processes)):
            return True
        time.sleep(0.05)
    return False


PROGRAM = """
import contextlib, os, signal, sys, time
import numpy as np, torch
from mlcnc import stopping
from mlcnc.data import Normalisation
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.loader import ImageLoader

paths = sys.argv[2:]
split = ImageFileSplit("train", paths, np.ones((len(paths), 2), np.uint8))
settings = dict(batch_size=1, normalisation=Normalisation(), device=torch.device("cpu"), num_workers=2)
loaders = [ImageLoader(split, lambda epoch: np.arange(len(paths)), stream=stream, **settings) for stream in (0, 1)]
stopping.listen()

def train():
    epoch = 0
    while True:
        for batch, _ in enumerate(zip(*(loader.epoch(epoch) for loader in loaders))):
            if epoch == 0 and batch == 1:
                print("ready", flush=True)
            if sys.argv[1] == "end" and epoch == 1 and batch == 3:
                return
            if sys.argv[1] == "write" and (epoch, batch) == (1, 0):
                os.killpg(0, signal.SIGTERM)
                time.sleep(0.5)
            if sys.argv[1] == "write" and (epoch, batch) == (1, 9):
                print("written", flush=True)
                stopping.raise_if_asked()
        epoch += 1

try:
    with stopping.deferred() if sys.argv[1] == "write" else contextlib.nullcontext():
        train()
except KeyboardInterrupt:
    print("stopped", flush=True)
    stopping.leave(stopping.EXIT_STATUS)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("mode", "number", "said", "status"),
    [
        ("end", None, "ready\ndone\n", 0),
        pytest.param("go on", signal.SIGINT, "ready\nstopped\n", 130, marks=pytest.mark.slow),
        ("go on", signal.SIGTERM, "ready\nstopped\n", 130),
        pytest.param("go on", signal.SIGHUP, "ready\nstopped\n", 130, marks=pytest.mark.slow),
        ("write", None, "ready\nwritten\nstopped\n", 130),
        ("go on", signal.SIGKILL, "ready\n", -9),
    ],
    ids=["end", "SIGINT", "SIGTERM", "SIGHUP", "SIGTERM in a write", "SIGKILL"],
)
def test_workers_end_with_their_parent_and_say_nothing(on_disk, mode, number, said, status):
    """Whether it ends by itself with loaders still open, or the whole group is told to stop."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, mode, *map(str, on_disk.paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # nohup and background jobs of a shell ignore signals, and children inherit that
        preexec_fn=lambda: (
            [signal.signal(kind, signal.SIG_DFL) for kind in (signal.SIGHUP, signal.SIGTERM)]
            + [signal.signal(signal.SIGINT, signal.default_int_handler)]
        ),
    )
    assert program.stdout.readline() == "ready\n"
    workers = psutil.Process(program.pid).children(recursive=True)
    if number == signal.SIGKILL:
        program.kill()
    elif number:
        os.killpg(program.pid, number)
    output, errors = program.communicate(timeout=15)
    assert ("ready\n" + output, errors, program.returncode) == (said, "", status)
    if mode == "go on":
        assert len(workers) == 4
    # they hold the locks that they inherited, so that a run could not be resumed meanwhile
    assert ended(workers, seconds=5)


@pytest.mark.parametrize("how", ["dropped", "closed", "left early", "bad file"])
def test_loaders_take_their_workers_along(on_disk, tmp_path, how):
    orders = {"bad file": [*range(15), NUM_IMAGES]}
    split = ImageFileSplit(
        "train", [*on_disk.paths, tmp_path / "missing.png"], np.ones((NUM_IMAGES + 1, 1), np.uint8)
    )
    before = set(psutil.Process().children())
    loader = ImageLoader(
        split,
        lambda epoch: np.array(orders.get(how, range(15))),
        batch_size=2,
        normalisation=Normalisation(),
        device=torch.device("cpu"),
        num_workers=2,
    )
    batches = loader.epoch(0)
    next(batches)
    workers = set(psutil.Process().children()) - before
    assert len(workers) == 2
    if how == "dropped":
        list(batches)
        assert all(map(runs, workers))
        del loader
    elif how == "closed":
        list(batches)
        loader.close()
    elif how == "left early":
        batches.close()
    else:
        with pytest.raises(DataError):
            list(batches)
    assert ended(workers, seconds=3)
