import numpy as np
import pytest
import torch
from PIL import Image

from mlcnc.data.augmentation import seeded, v2
from mlcnc.data.augmentation_presets import AUGMENTATIONS, CropSides, ShiftBrightness, augmentation_preset
from mlcnc.data.view import view_of
from mlcnc.errors import ConfigError

pil_to_tensor = v2.functional.pil_to_tensor


@pytest.fixture
def picture():
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(0, 256, (47, 61, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def kept_random_state():
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.mark.parametrize("name", ["crop", "db", "mlc_nc", "vg200"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_every_preset_gives_squares_that_follow_the_seed(picture, name, interpolation):
    augmentation = augmentation_preset(name).train(42, interpolation, True)
    once, again, other = (np.asarray(seeded(augmentation, picture, seed)) for seed in (5, 5, 6))
    assert once.shape in ((42, 42, 3), (3, 42, 42))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_a_side_of_a_crop_is_four_fifths_at_least():
    crop = CropSides()
    wide = Image.new("RGB", (200, 100))
    sizes = {seeded(crop, wide, seed).size for seed in range(200)}
    widths, heights = zip(*sizes, strict=True)
    assert min(widths) >= 160
    assert min(heights) >= 80
    assert max(widths) > 190
    assert len(sizes) > 100
    # an aspect ratio below 1/2 is not allowed, and the whole picture has just that
    assert all(height / width >= 0.5 for width, height in sizes)


def test_a_picture_that_is_too_wide_is_left_whole():
    assert seeded(CropSides(), Image.new("RGB", (400, 100)), 1).size == (400, 100)


def test_brightness_moves_all_pixels_by_one_number_half_of_the_time():
    grey = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    found = [seeded(ShiftBrightness(), grey, seed) for seed in range(200)]
    values = np.array([float(image[0, 0, 0]) for image in found])
    assert all((image == image[0, 0, 0]).all() for image in found)
    assert 68 <= values.min() < 72
    assert 128 < values.max() <= 132
    assert 70 < (values == 100).sum() < 130


def test_vg200_crops_at_the_sides_of_the_published_code():
    resize, crops, again, _ = augmentation_preset("vg200").train(448, "bilinear", True).transforms
    assert [list(crop.size) for crop in crops.transforms] == [[448, 448], [384, 384], [320, 320]]
    assert list(resize.size) == list(again.size) == [448, 448]


def test_test_images_are_squashed_or_cut():
    assert view_of("mlc_nc", 224, "bilinear").shorter_side == 256
    for name in (None, "light", "crop", "db", "vg200"):
        assert view_of(name, 224, "bicubic").shorter_side is None
    assert set(AUGMENTATIONS) == {"light", "crop", "db", "mlc_nc", "vg200"}


def test_an_unknown_preset_is_one_sentence():
    with pytest.raises(
        ConfigError, match="one of light, crop, db, mlc_nc, vg200, got 'mlcnc'; did you mean 'mlc_nc'"
    ):
        augmentation_preset("mlcnc")


@pytest.mark.parametrize("name", ["crop", "db", "mlc_nc", "vg200"])
def test_nothing_is_mirrored_where_flip_is_off(name):
    """The left half of a picture stays darker than its right half, whatever is cut."""
    grey = np.repeat(np.linspace(0, 255, 60).astype(np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    darker = {}
    for flip in (True, False):
        augmentation = augmentation_preset(name).train(24, "bilinear", flip)
        seen = (seeded(augmentation, Image.fromarray(grey), seed) for seed in range(40))
        images = (image if isinstance(image, torch.Tensor) else pil_to_tensor(image) for image in seen)
        darker[flip] = [
            float(image[0, :, :8].float().mean()) <= float(image[0, :, -8:].float().mean()) for image in images
        ]
    assert all(darker[False])
    assert 5 < sum(darker[True]) < 35
