import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from mlcnc.data.augmentation import LightAugmentation, image_seed, in_unit_range, seeded, v2


def pixels(number=5, height=11, width=13):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8, generator=generator)


def the_changes_of(image, draws, *, flip, shift, jitter):
    """The light changes of one image (3, H, W) in the units they were first written for, (x / 255 - 0.5) / 0.25."""
    image = (image.double() / 255 - 0.5) / 0.25
    mirror, down, right, *gains, offset = draws
    if flip and mirror < 0.5:
        image = image.flip(2)
    height, width = image.shape[1:]
    top, left = int(down * (2 * shift + 1)), int(right * (2 * shift + 1))
    if shift:
        padded = functional.pad(image[None], (shift,) * 4, mode="replicate")[0]
        image = padded[:, top : top + height, left : left + width]
    changed = [channel * (1 + jitter * (2 * gain - 1)) for channel, gain in zip(image, gains, strict=True)]
    return torch.stack(changed) + 0.5 * jitter * (2 * offset - 1) / 0.25


@pytest.mark.parametrize(
    "settings",
    [
        {"flip": True, "shift": 0, "jitter": 0.0},
        {"flip": False, "shift": 3, "jitter": 0.0},
        {"flip": False, "shift": 0, "jitter": 0.3},
        {"flip": True, "shift": 4, "jitter": 0.2},
    ],
)
def test_light_changes_are_those_written_for_normalised_images(settings):
    images, seeds = pixels(number=17), list(range(40, 57))
    changed = LightAugmentation(**settings).batch(images, seeds)
    normalised = (in_unit_range(changed) - 0.5) / 0.25
    for image, seed, result in zip(images, seeds, normalised, strict=True):
        draws = torch.rand(7, generator=torch.Generator().manual_seed(seed)).double().tolist()
        expected = the_changes_of(image, draws, **settings)
        torch.testing.assert_close(result.double(), expected, rtol=0, atol=3e-6)
    assert not torch.equal(in_unit_range(changed), in_unit_range(images))


def test_mirrors_are_half_and_every_shift_is_as_likely():
    image = pixels(1, height=1, width=9).expand(9000, 3, 1, 9)
    seeds = [image_seed(0, 0, position, 0) for position in range(9000)]
    mirrored = LightAugmentation(flip=True, shift=0, jitter=0.0).batch(image, seeds)
    share = (mirrored == image.flip(3)).all(dim=(1, 2, 3)).float().mean()
    assert abs(share - 0.5) < 0.03
    column = torch.arange(9, dtype=torch.uint8).expand(9000, 3, 1, 9)
    moved = LightAugmentation(flip=False, shift=2, jitter=0.0).batch(column, seeds)
    counts = torch.bincount(moved[:, 0, 0, 4].long(), minlength=9)[2:7]
    assert counts.sum() == 9000
    assert (counts - 1800).abs().max() < 180


def test_a_picture_and_its_tensor_change_alike():
    image = pixels(1)[0]
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    change = LightAugmentation(flip=True, shift=2, jitter=0.2)
    for seed in range(4):
        with torch.random.fork_rng(devices=[]):
            assert torch.equal(seeded(change, picture, seed), seeded(change, image, seed))


def test_light_changes_stand_among_other_transforms():
    chain = v2.Compose([v2.RandomResizedCrop(7), LightAugmentation(flip=True, shift=1, jitter=0.1)])
    with torch.random.fork_rng(devices=[]):
        one, again, other = (seeded(chain, pixels(1)[0], seed) for seed in (1, 1, 2))
    assert one.shape == (3, 7, 7)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_every_part_of_a_key_changes_the_seed():
    keys = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (2**31, 0, 0, 0)]
    found = {image_seed(*key) for key in keys}
    assert len(found) == len(keys)
    assert all(0 <= seed < 2**32 for seed in found)
    assert image_seed(5, 6, 7, 8) == np.random.SeedSequence([5, 6, 7, 8]).generate_state(1)[0]


def test_a_whole_epoch_is_augmented_in_time():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images = torch.zeros((64, 64, 64, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
        change = LightAugmentation(flip=True, shift=4, jitter=0.1)
        times = []
        for _ in range(3):
            start = time.process_time()
            for batch in range(18):
                change.batch(images, [image_seed(0, 0, 64 * batch + place, 0) for place in range(64)])
            times.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    # 0.1 on an idle core; image by image takes 0.4
    assert min(times) < 0.3
