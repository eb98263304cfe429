"""``mlcnc data`` on photographs."""

import numpy as np
import pytest
from PIL import Image

from mlcnc.cli import main
from tests.unit.data.trees import coco, picture


@pytest.fixture
def root(tmp_path):
    """Three white photographs, with boxes, of two classes."""
    images = []
    for number, name in enumerate("abc", start=1):
        Image.new("RGB", (200, 100), "white").save(tmp_path / f"{name}.png")
        images.append((number, f"{name}.png", 200, 100))
    boxes = [(number, label, [50, 25, 100, 50]) for number in (1, 2, 3) for label in (1, 2)]
    coco(tmp_path / "instances.json", images, boxes, [(1, "cat"), (2, "a dog of a very long and foreign name")])
    return tmp_path


def test_verify_prints_the_long_tail_and_finds_nothing(root, capsys):
    assert main(["data", "verify", "folder", "--root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "images: train 2, test 1"
    assert lines[2].split() == ["cat", "tail", "2", "1"]
    assert lines[4].startswith("2 training images with 2.00 labels each; images a class 2 to 2, imbalance 1.0")
    assert lines[-2:] == ["3 of 3 files can be decoded", "folder: nothing is wrong"]
    assert any("no split is named in" in line for line in lines)


def test_verify_names_what_cannot_be_decoded_and_ends_with_one(root, capsys):
    (root / "b.png").write_bytes(b"")
    assert main(["data", "verify", "folder", "--root", str(root), "--seed", "1"]) == 1
    told = capsys.readouterr()
    assert "2 of 3 files can be decoded" in told.out
    assert told.out.endswith("folder: 1 thing is wrong\n")
    assert f"wrong file: {root}/b.png cannot be read as an image" in told.err
    (root / "b.png").unlink()
    assert main(["data", "verify", "folder", "--root", str(root)]) == 1
    assert "1 of 3 photographs is missing" in capsys.readouterr().err
    assert main(["data", "verify", "folder", "--root", str(root), "--annotations", "no.csv"]) == 1
    assert "data.annotations must name" in capsys.readouterr().err


def test_drawn_data_sets_are_verified_too(capsys):
    assert main(["data", "verify", "digits-lt"]) == 0
    assert capsys.readouterr().out.endswith("digits-lt: nothing is wrong\n")


def test_preview_draws_boxes_on_squashed_photographs(root, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    arguments = ["data", "preview", "folder", "--root", str(root), "--out", str(out), "--per-class", "2"]
    assert main([*arguments, "--boxes", "--size", "80"]) == 0
    assert "test images of folder, 2 classes; images: train 2, validation 0, test 1" in capsys.readouterr().out
    sheet = np.array(Image.open(out))
    assert sheet.shape == (2 * 84 + 8, 150 + 2 * 84 + 8, 3)
    cell = sheet[8 : 8 + 80, 150 : 150 + 80].astype(int)
    coloured = np.argwhere(cell.sum(axis=2) < 3 * 250)
    # the box of the middle half, whatever the shape of the photograph
    assert coloured.min(axis=0).tolist() == pytest.approx([20, 20], abs=1)
    assert coloured.max(axis=0).tolist() == pytest.approx([60, 60], abs=1)
    assert main(arguments) == 0
    assert (np.array(Image.open(out))[8 : 8 + 96, 150 : 150 + 96] == 255).all()


def test_preview_refuses_sizes_that_show_nothing(root, tmp_path, capsys):
    picture(root / "d.png")
    arguments = ["data", "preview", "folder", "--root", str(root), "--out", str(tmp_path / "x.png")]
    assert main([*arguments, "--size", "8"]) == 1
    assert "--size must be between 32 and 1024, got 8" in capsys.readouterr().err


def test_cached_maps_are_listed_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLCNC_CACHE", str(tmp_path))
    assert main(["data", "maps"]) == 0
    assert capsys.readouterr().out == f"maps of images: none in {tmp_path}/maps\n"
    for name in ("one", "two"):
        (tmp_path / "maps" / name).mkdir(parents=True)
        (tmp_path / "maps" / name / "train-plain.npy").write_bytes(bytes(3_000_000))
    assert main(["data", "maps"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["3", "MB", "one"]
    assert told[-1] == f"maps of images: 2 folders in {tmp_path}/maps"
    assert main(["data", "maps", "--remove", "../other"]) == 1
    assert "--remove must be all or a folder" in capsys.readouterr().err
    assert main(["data", "maps", "--remove", "one"]) == 0
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["two"]
    assert main(["data", "maps", "--remove", "all"]) == 0
    assert list((tmp_path / "maps").iterdir()) == []


@pytest.mark.parametrize("words", [
    ["preview", "digits-lt", "--seed", "-1", "--out", "x.png"],
    ["preview", "digits-lt", "--seed", "99999999999999999999", "--out", "x.png"],
    ["preview", "digits-lt", "--per-class", "100000000", "--out", "x.png"],
    ["preview", "digits-lt", "--per-class", "0", "--out", "x.png"],
    ["verify", "digits-lt", "--seed", "-1"], ["preview", "digits-lt", "--out", "/nonexistent/x.png"],
])  # fmt: skip
def test_numbers_and_paths_out_of_reach_are_refused_in_a_sentence(words, capsys):
    assert main(["data", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        ("mlcnc: --seed must be from 0 to ", "mlcnc: --per-class must be from 1 to ", "mlcnc: --out ")
    )
    assert "Errno" not in said
