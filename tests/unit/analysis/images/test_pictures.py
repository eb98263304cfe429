"""Pictures come back by split and index, and look like the images they were made of."""

import io

import numpy as np
import pytest
from PIL import Image

from mlcnc.analysis.images.pictures import picture, picture_bytes, picture_index, webp_sides
from mlcnc.data import build_dataset
from mlcnc.errors import RunFormatError
from mlcnc.store import RunStore, RunWriter


def webp(colour):
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(stream, "WEBP", lossless=True)
    return stream.getvalue()


@pytest.fixture
def painted(tmp_path):
    encoded = [webp("red"), webp("blue")]
    with RunWriter.create(tmp_path, "painted", class_names=["a"], class_counts=[1]) as run:
        run.log_samples(
            {
                "pictures/split": np.array([0, 1], np.uint8),
                "pictures/index": np.array([7, 3]),
                "pictures/ends": np.cumsum([len(part) for part in encoded]),
                "pictures/bytes": np.frombuffer(b"".join(encoded), np.uint8),
            }
        )
    return RunStore(tmp_path).open("painted")


def test_pictures_are_found_by_split_and_index(painted):
    index = picture_index(painted)
    assert picture(painted, index, "train", 7)[0, 0].tolist() == [255, 0, 0]
    assert picture(painted, index, "test", 3)[3, 5].tolist() == [0, 0, 255]
    assert picture(painted, index, "test", 7) is None


def test_bytes_that_are_no_picture_are_refused(painted, tmp_path):
    with RunWriter.create(tmp_path, "forged", class_names=["a"], class_counts=[1]) as run:
        run.log_samples(
            {
                "pictures/split": np.zeros(1, np.uint8),
                "pictures/index": np.zeros(1, np.int64),
                "pictures/ends": np.array([40]),
                "pictures/bytes": np.frombuffer(b"<svg onload=alert(1)>" + b" " * 19, np.uint8),
            }
        )
    forged = RunStore(tmp_path).open("forged")
    with pytest.raises(RunFormatError, match="not a WebP"):
        picture_bytes(forged, picture_index(forged), "train", 0)


def test_a_run_without_pictures_has_none(tmp_path):
    with RunWriter.create(tmp_path, "bare", class_names=["a"], class_counts=[1]):
        pass
    run = RunStore(tmp_path).open("bare")
    assert picture(run, picture_index(run), "test", 0) is None


def test_a_trained_run_keeps_its_test_images(trained):
    run = RunStore(trained).open("tiny")
    index = picture_index(run)
    dataset = build_dataset("pictogram-lt")
    assert {("test", i) for i in range(len(dataset.test))} <= set(index.positions)
    pairs = run.samples()
    for code, row in zip(pairs.get("samples/split")[:9], pairs.get("samples/image_index")[:9], strict=True):
        split = ("train", "test")[code]
        original = getattr(dataset, split).image(int(row)).astype(int)
        assert np.abs(picture(run, index, split, int(row)).astype(int) - original).mean() < 12


def one_picture(root, encoded):
    """Write a run whose only picture is this."""
    writer = RunWriter.create(root, "one", class_names=["a"], class_counts=[1])
    writer.log_samples(
        {
            "pictures/split": np.ones(1, np.uint8),
            "pictures/index": np.zeros(1, np.int64),
            "pictures/ends": np.array([len(encoded)]),
            "pictures/bytes": np.frombuffer(encoded, np.uint8),
        }
    )
    writer.finish()
    return RunStore(root).open("one")


def plain_webp(width, height, mode="RGB", **settings):
    stream = io.BytesIO()
    Image.new(mode, (width, height), (200, 40, 90, 120)[: len(mode)]).save(stream, "WEBP", **settings)
    return stream.getvalue()


@pytest.mark.parametrize("sides", [(1, 1), (1, 7), (64, 48), (500, 3), (4097, 2), (16383, 1)])
@pytest.mark.parametrize(
    "settings",
    [{}, {"lossless": True}, {"mode": "RGBA"}, {"mode": "RGBA", "lossless": True}, {"exif": b"Exif\0\0"}],
    ids=["lossy", "lossless", "alpha", "lossless alpha", "extended"],
)
def test_the_header_says_how_large_a_picture_is(sides, settings):
    assert webp_sides(plain_webp(*sides, **settings)) == sides


def test_what_is_no_picture_has_no_sides():
    whole = plain_webp(5, 5)
    assert webp_sides(b"") is None
    assert webp_sides(b"<svg onload=alert(1)>" + b" " * 19) is None
    assert all(webp_sides(whole[:length]) is None for length in range(25))
    assert webp_sides(whole[:12] + b"VP9 " + whole[16:]) is None


def test_a_small_file_that_claims_to_be_huge_is_refused_before_memory_is_taken_for_it(tmp_path):
    encoded = bytearray(plain_webp(1, 1, lossless=True))
    encoded[21:25] = (11_999 | 11_999 << 14).to_bytes(4, "little")
    run = one_picture(tmp_path, bytes(encoded))
    index = picture_index(run)
    for read in (picture, picture_bytes):
        with pytest.raises(RunFormatError, match="it would have 12000 by 12000 pixels"):
            read(run, index, "test", 0)


def test_a_picture_that_is_damaged_behind_its_header_is_a_sentence(tmp_path):
    encoded = bytearray(plain_webp(9, 9))
    encoded[23:26] = bytes(3)
    run = one_picture(tmp_path, bytes(encoded))
    with pytest.raises(RunFormatError, match="a picture of run one is damaged"):
        picture(run, picture_index(run), "test", 0)
