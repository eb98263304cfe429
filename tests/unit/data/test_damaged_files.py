"""Odd and damaged files of the user's own photographs: read, named, or left out on request."""

import numpy as np
import pytest
from PIL import Image

from mlcnc.data import DatasetRequest, build_dataset
from mlcnc.errors import DataError
from tests.unit.data.trees import picture

ORIENTATION = 0x0112


@pytest.fixture
def odd(tmp_path):
    """A folder whose training images are odd, and whose first two test images are damaged."""
    noise = Image.open(picture(tmp_path / "plain.png", (64, 48)))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    noise.save(tmp_path / "turned.jpg", exif=exif)
    noise.convert("CMYK").save(tmp_path / "cmyk.jpg")
    noise.convert("P").save(tmp_path / "palette.gif")
    noise.convert("RGBA").save(tmp_path / "clear.png")
    noise.resize((1, 1)).save(tmp_path / "dot.png")
    noise.save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-900])
    (tmp_path / "empty.png").write_bytes(b"")
    names = ["turned.jpg", "cmyk.jpg", "palette.gif", "clear.png", "dot.png"]
    rows = [f"{name},a;b,train" for name in names] + [
        f"{name},a,test" for name in ("cut.jpg", "empty.png", "plain.png")
    ]
    (tmp_path / "labels.csv").write_text("path,labels,split\n" + "\n".join(rows))
    return tmp_path


def test_odd_files_are_upright_and_red_green_blue(odd):
    train = build_dataset("folder", DatasetRequest(root=odd)).train
    sizes = [train.image(index).shape for index in range(len(train))]
    assert sizes == [(64, 48, 3), (48, 64, 3), (48, 64, 3), (48, 64, 3), (1, 1, 3)]


def test_damaged_files_stop_when_they_are_met_and_are_named(odd):
    test = build_dataset("folder", DatasetRequest(root=odd)).test
    for index, name in enumerate(["cut.jpg", "empty.png"]):
        with pytest.raises(DataError, match=f"{name} cannot be read as an image"):
            test.image(index)


def test_damaged_files_are_left_out_on_request_and_counted(odd):
    dataset = build_dataset("folder", DatasetRequest(root=odd, damaged="skip"))
    assert (len(dataset.train), len(dataset.test)) == (5, 1)
    assert dataset.test.image_id(0) == "test-plain.png"
    assert dataset.test.image(0).shape == (48, 64, 3)
    np.testing.assert_array_equal(dataset.test.targets, [[1, 0]])
    note = f"2 of 8 photographs cannot be read and are left out: {odd}/cut.jpg, {odd}/empty.png"
    assert note in dataset.notes


def test_many_damaged_files_are_counted_and_three_are_named(odd):
    for name in ("clear.png", "dot.png"):
        (odd / name).write_bytes(b"no picture")
    (note, *_) = [
        n for n in build_dataset("folder", DatasetRequest(root=odd, damaged="skip")).notes if "left out" in n
    ]
    assert note.startswith("4 of 8 photographs cannot be read")
    assert note.endswith(", ...")
    assert note.count(str(odd)) == 3


def test_what_is_left_must_still_be_a_data_set(odd):
    (odd / "plain.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="folder has no test images; name some, or restore their files"):
        build_dataset("folder", DatasetRequest(root=odd, damaged="skip"))


def test_missing_files_are_said_before_any_is_decoded(odd):
    (odd / "dot.png").unlink()
    with pytest.raises(DataError, match=r"1 of 8 photographs is missing, first .*dot\.png"):
        build_dataset("folder", DatasetRequest(root=odd))
    dataset = build_dataset("folder", DatasetRequest(root=odd, damaged="skip"))
    assert dataset.train.ids == ["turned.jpg", "cmyk.jpg", "palette.gif", "clear.png"]
    note = f"3 of 8 photographs cannot be read and are left out: {odd}/dot.png, {odd}/cut.jpg, {odd}/empty.png"
    assert note in dataset.notes


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused_rather_than_cut(odd, mode):
    deep = np.full((5, 7), 1000, {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
    Image.fromarray(deep).save(odd / "dot.tif")
    labels = odd / "labels.csv"
    labels.write_text(labels.read_text().replace("dot.png", "dot.tif"))
    train = build_dataset("folder", DatasetRequest(root=odd)).train
    with pytest.raises(DataError, match=rf"dot\.tif cannot be read .*more than 8 bits a pixel, mode {mode}"):
        train.image(4)
