"""What stands in the place of a run's files and is none, and files that claim what cannot be: one sentence each."""

import json
import os
import struct
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file

from mlcnc.analysis.images.attention import localisation
from mlcnc.analysis.images.pictures import picture_index
from mlcnc.analysis.runs.statistics import stored_statistics
from mlcnc.errors import RunFormatError
from mlcnc.store import RunProblem, RunStore, RunWriter
from mlcnc.store.regular_files import read_json

FITTING = {
    "test.f/class_means": np.ones((3, 4), np.float32),
    "test.f/class_counts": np.array([5, 2, 1]),
    "test.f/within_scatter": np.ones(3),
}


@pytest.fixture
def run(tmp_path):
    with RunWriter.create(
        tmp_path / "runs", "run", class_names=["a", "b", "c"], class_counts=[9, 3, 1]
    ) as writer:
        writer.log_samples({"test/targets": np.eye(3, dtype=np.uint8), "samples/split": np.ones(2, np.uint8)})
        writer.log_epoch(0, {"test/map_total": 1.0}, FITTING)
    return RunStore(tmp_path / "runs").open("run")


def in_place(path, kind, outside):
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(outside)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 10 * 2**30)


@pytest.mark.parametrize("kind", ["pipe", "link", "device", "giant"])
@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "status.json",
        "metrics.jsonl",
        "notes.json",
        "samples.safetensors",
        "epochs/0000.safetensors",
    ],
)
def test_only_regular_files_of_a_possible_size_are_opened(run, tmp_path, kind, name):
    run.write_notes({"name": "mine"})
    outside = tmp_path / "outside"
    outside.write_bytes((run.folder / name).read_bytes())
    in_place(run.folder / name, kind, outside)
    tracemalloc.start()
    (found,) = RunStore(run.folder.parent).scan()
    if isinstance(found, RunProblem):
        said = [found.text]
    else:
        said = list(found.warnings)
        assert found.metrics() == [] or name != "metrics.jsonl"
        assert found.notes() == {} or name != "notes.json"
        if name == "samples.safetensors":
            with pytest.raises(RunFormatError) as caught:
                found.samples()
            said.append(str(caught.value))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert name == "notes.json" or any("cannot be read" in text or "is damaged" in text for text in said)


def test_a_folder_of_epochs_that_is_a_link_is_not_followed(run, tmp_path):
    os.rename(run.folder / "epochs", tmp_path / "elsewhere")
    (run.folder / "epochs").symlink_to(tmp_path / "elsewhere")
    assert run.array_epochs() == []
    assert run.warnings == (
        "epochs of run run cannot be read: it is a link, and links inside a run folder are not followed",
    )
    with pytest.raises(RunFormatError, match="links inside a run folder are not followed"):
        run.arrays(0)


def test_an_array_that_claims_gigabytes_is_not_read(run):
    path = run.folder / "epochs" / "0000.safetensors"
    size = 4 * 3 * 500_000_000
    header = json.dumps(
        {"test.f/class_means": {"dtype": "F32", "shape": [3, 500_000_000], "data_offsets": [0, size]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(path, 8 + len(header) + size)
    with pytest.raises(RunFormatError, match="larger than what can be read at once"):
        run.arrays(0).get("test.f/class_means")
    path.write_bytes(struct.pack("<Q", 2**40) + header)
    with pytest.raises(RunFormatError, match="its header would have 1099511627776 bytes"):
        run.arrays(0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test.f/class_means": np.ones((4, 4), np.float32)}, r"must have shape \(3, d\), got \(4, 4\)"),
        ({"test.f/class_means": np.ones(3, np.float32)}, r"must have shape \(3, d\), got \(3\)"),
        ({"test.f/class_means": np.ones((3, 4), np.int64)}, "must hold numbers with a fraction, got type I64"),
        ({"test.f/class_means": np.array([[1, np.nan]] * 3)}, "defined, or undefined, in whole rows"),
        ({"test.f/class_means": np.full((3, 4), np.inf)}, "must hold values from"),
        ({"test.f/class_means": np.full((3, 4), np.nan)}, "mean or scatter is undefined"),
        (
            {"test.f/class_counts": np.array([5, -2, 1])},
            "whole numbers from 0 to 9007199254740992, got -2 to 5",
        ),
        ({"test.f/class_counts": np.ones(3)}, "must hold whole numbers, got type F64"),
        ({"test.f/within_scatter": np.array([1.0, -1.0, 1.0])}, "must hold values from 0 to"),
        (
            {"train.f/class_means": np.ones((3, 5), np.float32)},
            "does not fit other arrays of the file, with 5 for d f",
        ),
        (
            {"test.f/negative_means": np.ones((3, 4), np.float32), "test.f/num_images": np.array([4])},
            "counts more images of a class than there are",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_one_sentence(run, changes, words):
    save_file({**FITTING, **changes}, run.folder / "epochs" / "0000.safetensors")
    with pytest.raises(RunFormatError, match=words):
        stored_statistics(run.arrays(0), "test.f")


def test_a_precision_of_a_class_is_from_0_to_1(run):
    path = run.folder / "epochs" / "0000.safetensors"
    save_file({"test/ap": np.array([0.5, -1.0, 0.5], np.float32)}, path)
    with pytest.raises(RunFormatError, match="must hold values from 0 to 1, got -1 to"):
        run.arrays(0).get("test/ap")


def test_samples_fix_the_sizes_of_arrays_of_epochs(run):
    save_file({"test/scores": np.ones((4, 3), np.float16)}, run.folder / "epochs" / "0000.safetensors")
    with pytest.raises(RunFormatError, match=r"test/scores must have shape \(3, 3\), got \(4, 3\)"):
        run.arrays(0).get("test/scores")


def test_ends_of_pictures_rise_and_a_slice_never_runs_backwards(run):
    parts = {"pictures/split": np.ones(2, np.uint8), "pictures/index": np.arange(2)}
    parts |= {"pictures/ends": np.array([9, 4]), "pictures/bytes": np.zeros(9, np.uint8)}
    save_file(parts, run.folder / "samples.safetensors")
    with pytest.raises(RunFormatError, match="pictures/ends does not rise"):
        picture_index(run)
    assert run.samples().get("pictures/bytes", slice(9, 4)).size == 0
    with pytest.raises(RunFormatError, match="holds no array nothing"):
        run.samples().get("nothing")


def test_parts_are_those_of_numpy(run):
    whole = np.arange(12.0).reshape(6, 2)
    save_file({"a": whole, "none": np.zeros((0, 6), np.float32)}, run.folder / "epochs" / "0000.safetensors")
    arrays = run.arrays(0)
    for part in (
        slice(None),
        slice(1, 3),
        slice(3, 1),
        slice(0, 0),
        slice(9, 12),
        slice(4, 99),
        slice(-2, None),
    ):
        np.testing.assert_array_equal(arrays.get("a", part), whole[part])
        assert arrays.get("none", part).shape == (0, 6)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\ud800"}',
        '{"a": ' + "9" * 5000 + "}",
        "[" * 5000 + "]" * 5000,
        '{"a": 1} x',
        '\ufeff{"a": 1}',
        "",
    ],
)
def test_json_that_no_page_could_show_is_damaged(tmp_path, text):
    path = tmp_path / "run" / "run.json"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunFormatError, match=r"run.json of run run is damaged"):
        read_json(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": -1}, "schema version -1"),
        ({"class_names": ["a", "a", "c"]}, "a name occurs twice"),
        ({"class_counts": [1, -1, 2]}, "field class_counts.1"),
        ({"class_counts": [1, 2**60, 2]}, "field class_counts.1"),
        ({"groups": {"head": [0, 0]}}, "a class stands in them twice"),
        ({"co_occurrence": [[1, 2, 3], [1], []]}, "3 rows of 3 are needed"),
        ({"name": "x" * 1001}, "field name"),
        ({"seed": 10**30}, "field seed"),
    ],
)
def test_records_have_bounds(run, changes, words):
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    (problem,) = RunStore(run.folder.parent).scan()
    assert words in problem.text


def test_notes_that_could_not_be_written_again_are_kept_aside(run):
    (run.folder / "notes.json").write_text('{"name": "old", "rating": 1e999}')
    assert run.notes() == {}
    run.write_notes({"name": "new"})
    assert run.name == "new"
    assert "1e999" in (run.folder / "notes.damaged.json").read_text()


@pytest.mark.parametrize("named", [(0, -1), (-2, 1), (2, 0), (0, 3), (0, -(2**31))])
def test_boxes_of_images_or_classes_that_there_are_not_are_damaged(run, named):
    """A negative number would count from the end, and take another image's place."""
    parts = {"probes/images": np.zeros((2, 8, 8, 3), np.uint8), "samples/split": np.ones(2, np.uint8)}
    parts["probes/boxes"] = np.array([[*named, 1, 1, 4, 4]], np.float32)
    save_file(parts, run.folder / "samples.safetensors")
    save_file(
        {"probes/attention": np.ones((2, 3, 4, 4), np.float32)}, run.folder / "epochs" / "0000.safetensors"
    )
    with pytest.raises(RunFormatError, match="names an image or a class that there is not"):
        localisation(run, 0)
