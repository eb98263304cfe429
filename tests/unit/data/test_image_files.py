import numpy as np
import pytest
from PIL import Image

from mlcnc.data.image_files import ImageFileSplit
from mlcnc.data.view import View
from mlcnc.errors import DataError

ORIENTATION = 0x0112


def split_of(paths, **more):
    return ImageFileSplit("test", paths, np.ones((len(paths), 2), np.uint8), **more)


@pytest.fixture
def wide(tmp_path):
    """A PNG of 7 x 5 with a red left half."""
    array = np.zeros((5, 7, 3), np.uint8)
    array[:, :3, 0] = 255
    Image.fromarray(array).save(tmp_path / "wide.png")
    return tmp_path / "wide.png", array


def test_images_are_read_as_they_are(wide):
    path, array = wide
    split = split_of([str(path), path])
    assert len(split) == 2
    np.testing.assert_array_equal(split.image(1), array)
    assert split.image(0).flags.writeable
    assert split.pil(0).mode == "RGB"
    assert split.image_id(0) == "test-wide"
    assert split_of([path], ids=["000012"]).image_id(0) == "test-000012"
    assert split.boxes(0) is None


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA"])
def test_other_colour_modes_become_red_green_and_blue(tmp_path, wide, mode):
    path = tmp_path / ("other.tif" if mode == "CMYK" else "other.png")
    Image.open(wide[0]).convert(mode).save(path)
    assert split_of([path]).image(0).shape == (5, 7, 3)


def test_pictures_are_upright(tmp_path, wide):
    path, array = wide
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn clockwise brings it upright
    Image.open(path).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(split_of([tmp_path / "turned.png"]).image(0), np.rot90(array, -1))


def test_boxes_follow_the_size_of_the_image(wide):
    tables = [np.array([[1, 0, 0.2, 1, 0.6]], np.float32), np.zeros((0, 5), np.float32), None]
    split = split_of([wide[0]] * 3, object_boxes=lambda index: tables[index])
    np.testing.assert_allclose(split.boxes(0), [[1, 0, 1, 7, 3]], atol=1e-5)
    assert split.boxes(1).shape == (0, 5)
    assert split.boxes(2) is None
    square = split_of([wide[0]] * 3, object_boxes=lambda index: tables[index], view=View(64))
    assert square.image(0).shape == (64, 64, 3)
    np.testing.assert_allclose(square.boxes(0), [[1, 0, 12.8, 64, 38.4]], atol=1e-4)


@pytest.mark.parametrize("content", [None, b"", b"no image", "half", "half of a JPEG"])
def test_a_bad_file_is_named(tmp_path, content):
    path = tmp_path / "bad.jpg"
    if content is not None:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        noise.save(path, format="JPEG" if content == "half of a JPEG" else "PNG")
        path.write_bytes(path.read_bytes()[:-2000] if isinstance(content, str) else content)
    with pytest.raises(DataError, match=r"bad\.jpg cannot be read as an image \("):
        split_of([path]).image(0)


def test_targets_and_ids_fit_the_paths(wide):
    with pytest.raises(ValueError, match=r"targets must have shape \(1, C\) like paths, got \(2, 3\)"):
        ImageFileSplit("test", [wide[0]], np.ones((2, 3), np.uint8))
    with pytest.raises(ValueError, match="ids must have shape"):
        split_of([wide[0]], ids=["a", "b"])
