"""Pictures come back by split and index, and look like the images they were made of."""

import io

import numpy as np
import pytest
from PIL import Image

from mlcnc.analysis.pictures import picture, picture_bytes, picture_index
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
    dataset = build_dataset("pictogram-lt", seed=0, size=64)
    assert {("test", i) for i in range(len(dataset.test))} <= set(index.positions)
    pairs = run.samples()
    for code, row in zip(pairs.get("samples/split")[:9], pairs.get("samples/image_index")[:9], strict=True):
        split = ("train", "test")[code]
        original = getattr(dataset, split).image(int(row)).astype(int)
        assert np.abs(picture(run, index, split, int(row)).astype(int) - original).mean() < 12
