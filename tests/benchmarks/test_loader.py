"""Images a second of the loader with two workers, against a bare torch DataLoader on the same files.

The bare one is what a reader of torchvision's documentation writes: Pillow, the same v2 transforms, and the
default collation. It is timed in two ways, with the images normalised in the workers, as is usual, and with
bytes sent over and normalised by the caller, as ours are; the bound holds against the quicker of the two.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest
import torch
from PIL import Image

from mlcnc.data import Normalisation
from mlcnc.data.augmentation import v2
from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.loader import ImageLoader
from tests.conftest import SHARED

NUM_IMAGES, BATCH_SIZE, NUM_WORKERS, ROUNDS = 768, 64, 2, 6
BOUND = 0.95
NORMALISATION = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def photographs(folder):
    """Return paths of VOC photographs where they lie beside the checkout, else of noise of their size."""
    found = sorted((SHARED / "data" / "voc07-lt" / "VOCdevkit").glob("*/JPEGImages/*.jpg"))[:NUM_IMAGES]
    if len(found) == NUM_IMAGES:
        return found, "photographs"
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:04d}.jpg" for number in range(NUM_IMAGES)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (28, 37, 3), dtype=np.uint8))
        coarse.resize((298, 224), Image.Resampling.BICUBIC).save(path, quality=78)
    return paths, "drawn JPEGs"


def augmentation():
    crop = v2.RandomResizedCrop(224)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), v2.ColorJitter(0.2, 0.2, 0.2)])


class BareImages(torch.utils.data.Dataset):
    def __init__(self, paths, targets, last_steps):
        self.paths = paths
        self.targets = torch.from_numpy(targets.astype(np.float32))
        self.transform = v2.Compose([augmentation(), v2.PILToTensor(), *last_steps])

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as file:
            return self.transform(file.convert("RGB")), self.targets[index]


def bare(paths, targets, last_steps):
    images = BareImages(paths, targets, last_steps)
    return torch.utils.data.DataLoader(
        images, BATCH_SIZE, shuffle=True, num_workers=NUM_WORKERS, persistent_workers=True
    )


def rate(batches):
    """Return images a second of one pass over ``batches`` of pairs or more, images first."""
    started = time.perf_counter()
    number = sum(len(images) for images, *_ in batches)
    return number / (time.perf_counter() - started)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_loader_keeps_up_with_a_bare_one(tmp_path, say):
    paths, kind = photographs(tmp_path)
    targets = (np.random.default_rng(1).random((NUM_IMAGES, 20)) < 0.1).astype(np.uint8)
    last_steps = [
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(NORMALISATION.mean, NORMALISATION.std),
    ]
    usual, bytes_sent = bare(paths, targets, last_steps), bare(paths, targets, [])
    normalised = v2.Compose(last_steps)
    loader = ImageLoader(
        ImageFileSplit("train", paths, targets),
        lambda epoch: np.random.default_rng(epoch).permutation(NUM_IMAGES),
        batch_size=BATCH_SIZE,
        augmentation=augmentation(),
        normalisation=NORMALISATION,
        device=torch.device("cpu"),
        num_workers=NUM_WORKERS,
    )

    passes = {
        "ours": lambda epoch: rate(loader.epoch(epoch)),
        "usual": lambda epoch: rate(usual),
        "bytes": lambda epoch: rate((normalised(images), labels) for images, labels in bytes_sent),
    }
    for one_pass in passes.values():
        one_pass(0)
    rounds = []
    for epoch in range(1, ROUNDS + 1):
        # each is first, second and last in turn, so that none always follows the same one
        order = [list(passes)[(epoch + place) % len(passes)] for place in range(len(passes))]
        rounds.append({name: passes[name](epoch) for name in order})
    rates = {name: statistics.median(one[name] for one in rounds) for name in passes}
    ratios = {name: statistics.median(one["ours"] / one[name] for one in rounds) for name in passes}
    say(
        f"loader with {NUM_WORKERS} workers on {NUM_IMAGES} {kind}: {rates['ours']:.0f} images/s; "
        f"bare DataLoader {rates['usual']:.0f} images/s, ratio {ratios['usual']:.2f}, and with bytes sent over "
        f"{rates['bytes']:.0f} images/s, ratio {ratios['bytes']:.2f} (at least {BOUND} both)"
    )
    assert min(ratios.values()) >= BOUND
