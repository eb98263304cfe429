"""Photographs that a run names are read from the reader's folder, and nothing else is ever opened."""

import io
import os

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from mlcnc.analysis.images.attention import attention_course, localisation, probe_attention
from mlcnc.analysis.images.image_ids import image_id
from mlcnc.analysis.images.photographs import (
    needs_data_folder,
    photograph,
    photographs_in,
    where_photographs_are,
    with_data_folder,
)
from mlcnc.analysis.images.report_choice import probe_of_each_bucket
from mlcnc.analysis.images.shared_probe import shared_probe
from mlcnc.config import ExperimentConfig, override
from mlcnc.errors import DataError, RunFormatError
from mlcnc.store import RunStore
from tests.app.conftest import write_run
from tests.conftest import ROOT
from tests.fuzz.watch import Watch
from tests.photograph_tree import BLUE, RED, id_arrays, photographs, run_naming


@pytest.fixture
def root(tmp_path):
    """Return a folder of data sets, beside it files that nobody may open."""
    root = tmp_path / "data"
    photographs(root)
    folder = root / "voc07-lt" / "VOCdevkit" / "VOC2007" / "JPEGImages"
    for secret in (tmp_path / "secret.jpg", root / "secret.jpg", folder / "secret.jpg"):
        Image.new("RGB", (9, 9), "white").save(secret)
    return root


def shown(run, root, image=0, split="test", side=64):
    with Image.open(io.BytesIO(photograph(run, str(root), split, image, side)), formats=["WEBP"]) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


def num_red(picture):
    return sum(near(pixel, RED) for pixel in picture[32])


def near(pixel, colour):
    return np.abs(pixel - np.array(colour)).max() < 40


def test_a_photograph_is_seen_as_the_network_saw_it_and_made_small(root, tmp_path):
    run = run_naming(tmp_path / "runs", photographs(root))
    seen = shown(run, root, 1)
    assert seen.shape == (64, 64, 3)
    assert num_red(seen) == pytest.approx(64 * 0.4, abs=2), "squashed to a square"
    assert shown(run, root, 1, side=40).shape == (40, 40, 3)
    cut = run_naming(tmp_path / "runs", photographs(root), "cut", {"augmentation": "mlc_nc"})
    assert num_red(shown(cut, root)) == pytest.approx(40 / 60 * 73 - (122 - 64) / 2, abs=2)
    mirrored = run_naming(tmp_path / "runs", photographs(root), "mirrored", {"test_mirror": True})
    sides = {near(shown(mirrored, root, image)[32, 10], BLUE) for image in range(3)}
    assert sides == {True, False}


def test_photographs_of_training_images_are_found_by_their_own_ids(root, tmp_path):
    train = id_arrays("train", photographs(root, 2, "train"))
    run = run_naming(tmp_path / "runs", photographs(root), arrays=train)
    assert shown(run, root, 1, "train").shape == (64, 64, 3)
    with pytest.raises(DataError, match="does not say which photograph train image 2 is"):
        photograph(run, str(root), "train", 2, 64)
    with pytest.raises(DataError, match="does not say which photograph validation image 0 is"):
        photograph(run, str(root), "validation", 0, 64)


HOSTILE = [
    "test-../../../../../secret", "test-../../../../secret", "test-secret", "secret", "test-", "", "-", "test",
    "test-/etc/hostname", "/etc/hostname", "test-000001/../000002", "test-000001\0", "test-0000010", "a" * 4000,
    "..-..", "../..-secret", "VOCdevkit-000001", "train-000001", b"test-\xff\xfe", "test-000001\n",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_no_id_leads_to_a_file_that_is_not_listed(root, tmp_path, number):
    ids = [*photographs(root, 2), HOSTILE[number]]
    run = run_naming(tmp_path / "runs", ids)
    shown(run, root)  # so that lists and decoders are there
    watch = Watch([run.folder])
    with watch.watching(), pytest.raises(DataError) as caught:
        photograph(run, str(root), "test", 2, 64)
    assert watch.seen == []
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "data",
    [
        {"dataset": "../voc07-lt"},
        {"dataset": "voc07-lt/../.."},
        {"dataset": 7},
        {"dataset": None},
        {"dataset": "pictogram-lt"},
        {"dataset": "a" * 5000},
        {"dataset": "folder", "annotations": "../secret.csv"},
        {"dataset": "folder", "annotations": "/etc/passwd"},
        {"dataset": "coco-lt"},
    ],
)
def test_a_run_chooses_neither_folder_nor_lists(root, tmp_path, data):
    (tmp_path / "secret.csv").write_text("path,labels\nsecret.jpg,a\n")
    ids = [*photographs(root, 2), "test-secret.jpg"]
    run = run_naming(tmp_path / "runs", ids, data={**data, "root": str(tmp_path)})
    shown(run_naming(tmp_path / "runs", ids, "usual"), root)
    watch = Watch([run.folder, ROOT / "mlcnc" / "data" / "lists"])
    for image in range(3):
        with watch.watching(), pytest.raises(DataError):
            photograph(run, str(root), "test", image, 64)
    assert [name for name in watch.seen if not name.startswith("listed")] == []


def test_the_folder_that_a_run_names_is_never_looked_at(root, tmp_path):
    run = run_naming(tmp_path / "runs", photographs(root), data={"root": str(root)})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        photograph(run, str(tmp_path / "empty"), "test", 0, 64)
    assert "show them with" in where_photographs_are([run], None)[0]


@pytest.mark.parametrize("side", [0, -1, 1025, 2**40])
def test_a_size_that_cannot_be_is_a_sentence(root, tmp_path, side):
    run = run_naming(tmp_path / "runs", photographs(root), arrays={"probes/size": np.array([side, 64])})
    with pytest.raises(RunFormatError):
        photograph(run, str(root), "test", 0, 64)


def test_settings_of_any_kind_are_no_error(root, tmp_path):
    odd = {"augmentation": ["mlc_nc"], "test_mirror": "yes", "image_size": "large", "annotations": 3}
    assert shown(run_naming(tmp_path / "runs", photographs(root), data=odd), root).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ([9, 4, 12], "does not rise"),
        ([5, 2**40, 2**40], "by more than"),
        ([5, 4000, 4001], "ends before the id of image 1"),
    ],
)
def test_ends_of_ids_that_cannot_be_are_damage(tmp_path, ends, words):
    run = run_naming(tmp_path / "runs", ["x" * 4, "y" * 4, "z" * 4])
    path = run.folder / "samples.safetensors"
    save_file(load_file(path) | {"test/id_ends": np.array(ends)}, path)
    with pytest.raises(RunFormatError, match=words):
        image_id(run, "test", 1)


def test_ids_come_back_by_split_and_index(tmp_path):
    run = run_naming(tmp_path / "runs", ["test-a", "", "test-größer"])
    assert [image_id(run, "test", i) for i in (-1, 0, 1, 2, 3)] == [None, "test-a", "", "test-größer", None]
    assert image_id(run, "train", 0) is None


def test_a_damaged_photograph_is_an_error_that_a_page_survives(root, tmp_path):
    run = run_naming(tmp_path / "runs", photographs(root))
    (file,) = root.rglob(f"{image_id(run, 'test', 0).removeprefix('test-')}.jpg")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match="cannot be read as an image"):
        photograph(run, str(root), "test", 0, 64)


def test_where_photographs_are_is_said_once_a_data_set(root, tmp_path):
    runs = [run_naming(tmp_path / "runs", photographs(root), f"r{number}") for number in range(2)]
    assert where_photographs_are(runs, None) == [
        "Pictures of voc07-lt are not stored in runs; show them with: streamlit run app/main.py -- --data-root "
        "DIR (mlcnc data prepare voc07-lt --root DIR --download gets them)."
    ]
    assert where_photographs_are(runs, str(root)) == []
    (elsewhere,) = where_photographs_are(runs, str(tmp_path / "runs"))
    assert "JPEGImages is missing" in elsewhere
    assert "mlcnc data prepare voc07-lt" in elsewhere
    own = run_naming(tmp_path / "runs", ["test-a"], "own", {"dataset": "nobody's"})
    assert where_photographs_are([own], str(root)) == [
        'Pictures of run own are not stored in it, and no data set of photographs called "nobody\'s" is known here.'
    ]
    write_run(tmp_path / "runs", "drawn").finish()
    drawn = RunStore(tmp_path / "runs").open("drawn")
    assert not needs_data_folder(drawn)
    assert where_photographs_are([drawn], None) == []


def test_a_folder_is_found_by_itself_or_below_the_one_of_all(root):
    assert photographs_in("voc07-lt", str(root)) == photographs_in("voc07-lt", str(root / "voc07-lt"))
    for name, place in (("voc07-lt", "a\0b"), ("pictogram-lt", str(root)), ("absent", str(root))):
        with pytest.raises(DataError):
            photographs_in(name, place)


def test_a_config_takes_the_folder_only_where_it_needs_one():
    drawn = ExperimentConfig()
    assert with_data_folder(drawn, "/data") is drawn
    photographed = override(drawn, {"data": {"dataset": "voc07-lt"}})
    assert with_data_folder(photographed, "/data").data.root == "/data"
    assert with_data_folder(photographed, None) is photographed
    own = override(photographed, {"data": {"root": "/own"}})
    assert with_data_folder(own, "/data") is own


@pytest.fixture
def two_runs(tmp_path):
    for run_id in ("one", "two"):
        ids = [f"test-{image}" for image in range(90)]
        write_run(tmp_path, run_id, ids=ids, dataset="voc07-lt").finish()
    return [RunStore(tmp_path).open(run_id) for run_id in ("one", "two")]


def test_attention_is_read_without_images(two_runs):
    run = two_runs[0]
    record = probe_attention(run, 2, 1, 0)
    assert (record.image, record.size, record.image_index) == (None, (16, 16), 1)
    course = attention_course(run, 0, 0)
    assert (course.image, course.size) == (None, (16, 16))
    assert course.mass_in_box.tolist() == [1.0] * 3
    assert course.chance == 0.25
    assert localisation(run, 2).mass == 1.0
    assert probe_of_each_bucket(run)


def test_probes_are_common_where_data_set_and_ids_are(two_runs):
    assert shared_probe(two_runs) is not None
    path = two_runs[1].folder / "samples.safetensors"
    arrays = load_file(path)
    other = id_arrays("test", ["test-other", *(f"test-{image}" for image in range(1, 90))])
    save_file(arrays | other, path)
    assert shared_probe(two_runs) is None
    nameless = {name: array for name, array in arrays.items() if "/id_" not in name}
    for run in two_runs:
        save_file(nameless, run.folder / "samples.safetensors")
    assert shared_probe(two_runs) is None
    assert os.path.isfile(path)
