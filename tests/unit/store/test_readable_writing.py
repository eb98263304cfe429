"""What is written without an error can be read: nothing that a reader refuses gets into a run folder."""

import json
import math
import os

import numpy as np
import pytest

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.store import RunFailure, RunStore, RunWriter, files
from mlcnc.store.files import readable_json
from mlcnc.store.layouts import layout_path
from mlcnc.store.regular_files import MOST_JSON_BYTES, said_of

SURROGATE = os.fsdecode(b"data/\xe9.png")
DIGITS = "9" * 309


def new_run(root, run_id="run", **changes):
    arguments = {"class_names": ["a", "b", "c"], "class_counts": [120, 30, 3]}
    return RunWriter.create(root, run_id, **{**arguments, **changes})


@pytest.fixture
def run(tmp_path):
    with new_run(tmp_path) as writer:
        writer.log_epoch(0, {"x": 1.0})
    return RunStore(tmp_path).open("run")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_names": ["a", "b", "a"]}, r"^class_names must differ, got 'a' 2 times; rename all but one$"),
        ({"groups": {"head": [0, 3]}}, r"^groups must hold class indices 0 to 2, got 3 in 'head'$"),
        ({"groups": {"head": [0], "tail": [1, 0]}}, r"^groups must hold a class once, got index 0 again in 'tail'$"),
        ({"groups": {"head": [-1]}}, r"^groups.head.0 cannot be kept in run.json: .*greater than or equal to 0, got -1$"),
        ({"co_occurrence": np.ones((3, 2), int)}, r"^co_occurrence must have shape \(3, 3\) like class_names, got \(3, 2\)"),
        ({"co_occurrence": np.ones((2, 3), int)}, r"^co_occurrence must have shape \(3, 3\) like class_names, got \(2, 3\)"),
        ({"config": {"data": {"root": SURROGATE}}}, r"^config cannot be kept .*UTF-8 cannot encode.*udce9"),
        ({"config": {"text": DIGITS}}, r"^config cannot be kept in run.json: .*more than 308 digits$"),
        ({"config": {"a": math.nan}}, r"^config cannot be kept in run.json: Out of range float"),
        ({"config": {"a": object()}}, r"^config cannot be kept in run.json: Object of type object"),
        ({"config": {"a": "x" * MOST_JSON_BYTES}}, r"^config cannot be kept .*is the most that is read$"),
        ({"git_commit": DIGITS}, r"^git_commit cannot be kept in run.json"),
        ({"name": SURROGATE}, r"^name cannot be kept in run.json: .*valid string"),
        ({"seed": -1}, r"^seed cannot be kept in run.json: .*got -1$"),
    ],
)  # fmt: skip
def test_a_run_that_nobody_could_read_is_not_begun(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        new_run(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_the_co_occurrence_of_many_classes_fits(tmp_path):
    number = 1700
    names = [f"class {index}" for index in range(number)]
    table = np.diag(np.arange(number))
    new_run(
        tmp_path, class_names=names, class_counts=[5] * number, co_occurrence=table, config={"a": {"b": [1, 2]}}
    ).finish()
    read = RunStore(tmp_path).open("run").info
    assert read.co_occurrence == table.tolist()
    assert read.config == {"a": {"b": [1, 2]}}


def test_json_is_laid_out_for_people():
    tree = {"a": {"b": {"c": [1]}}, "names": ["x", "y"], "table": [[1, 2], [3, 4]], "none": [], "empty": {}}
    raw = readable_json(tree)
    assert json.loads(raw) == tree
    assert b'"table": [\n  [1,2],\n  [3,4]\n ]' in raw
    assert b'\n "names": ["x", "y"],\n' in raw


@pytest.mark.parametrize("epoch", [-1, 10**9, 2**60])
def test_an_epoch_that_nobody_would_find_is_refused(tmp_path, epoch):
    with new_run(tmp_path) as writer:
        with pytest.raises(ValueError, match=rf"^epoch must be 0 to 999999999, got {epoch}$"):
            writer.log_epoch(epoch, {"x": 1.0}, {"test/ap": np.ones(3)})
        writer.log_epoch(0, {"x": 1.0})
    assert [line["epoch"] for line in RunStore(tmp_path).open("run").metrics()] == [0]


def test_batches_below_zero_are_refused(tmp_path):
    with new_run(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"^batch must be 0 to \d+, got -1$"):
            writer.log_batch(-1, 5)
        with pytest.raises(ValueError, match=r"^num_batches must be 0 to \d+, got -5$"):
            writer.log_batch(1, -5)
        writer.log_epoch(0, {})
    assert RunStore(tmp_path).open("run").status.state == "finished"


@pytest.mark.parametrize(("name", "words"), [("epoch", "cannot be called 'epoch'"), (SURROGATE, "in UTF-8")])
def test_a_metric_cannot_take_the_name_of_the_epoch(tmp_path, name, words):
    with new_run(tmp_path) as writer:
        writer.log_epoch(0, {"x": 1.0})
        with pytest.raises(ValueError, match=words):
            writer.log_epoch(1, {name: 7, "x": 2.0})
        writer.log_epoch(1, {"x": 3.0})
    read = RunStore(tmp_path).open("run")
    assert [(line["epoch"], line["x"]) for line in read.metrics()] == [(0, 1), (1, 3)]
    assert read.warnings == ()


def test_a_number_beyond_all_floats_is_not_finite(tmp_path):
    with new_run(tmp_path) as writer:
        writer.log_epoch(0, {"images_per_second": 10**5000, "x": 2**53})
    read = RunStore(tmp_path).open("run")
    assert math.isnan(read.metrics()[0]["images_per_second"])
    assert read.metrics()[0]["x"] == 2**53
    assert read.status.state == "finished"


@pytest.mark.parametrize("half", [b"", b'{"epoch'])
def test_no_line_is_written_beyond_those_that_are_read(tmp_path, monkeypatch, half):
    monkeypatch.setattr("mlcnc.store.metrics_file.MOST_LINES", 7)
    monkeypatch.setattr(files, "MOST_LINES", 7)
    with new_run(tmp_path) as writer:
        path = writer.folder / "metrics.jsonl"
        for epoch in range(5):
            writer.log_epoch(epoch, {"x": 1.0})
        path.write_bytes(path.read_bytes() + half)
        if not half:
            writer.log_epoch(5, {"x": 1.0})
        before = path.read_bytes()
        with pytest.raises(StoreError, match="it has 6 lines, the most that are read; what was logged before"):
            writer.log_epoch(6, {"x": 1.0})
        assert path.read_bytes() == before
    assert len(RunStore(tmp_path).open("run").metrics()) == (5 if half else 6)


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"notes": SURROGATE}, "UTF-8 cannot encode"),
        ({"notes": DIGITS}, "more than 308 digits"),
        ({"notes": "x" * MOST_JSON_BYTES}, "is the most that is read"),
        ({"rating": math.inf}, "Out of range"),
    ],
)
def test_notes_that_nobody_could_read_leave_the_earlier_ones(run, notes, words):
    run.write_notes({"name": "mine", "tags": ["a"]})
    with pytest.raises(StoreError, match=f"^notes of run run cannot be kept: .*{words}"):
        run.write_notes(notes)
    assert run.notes() == {"schema_version": 1, "name": "mine", "tags": ["a"]}
    assert not (run.folder / "notes.damaged.json").exists()


class OddError(Exception):
    """Like those of libraries that count in their own way."""

    def __init__(self, message, epoch, batch):
        super().__init__(message)
        self.epoch, self.batch = epoch, batch


@pytest.mark.parametrize(
    ("message", "epoch", "batch", "kept"),
    [
        ("plain", "third", 2.5, ("plain", None, None)),
        ("plain", np.int64(3), 10**400, ("plain", 3, None)),
        (SURROGATE, -1, True, (r"data/\udce9.png", None, None)),
        (DIGITS, 1, 2, ("9" * 300 + "...", 1, 2)),
        ("x" * 20_000_000, 1, 2, ("x" * 10_000, 1, 2)),
    ],
)
def test_any_error_of_the_user_is_recorded_and_goes_on(tmp_path, message, epoch, batch, kept):
    with pytest.raises(OddError) as caught, new_run(tmp_path):
        raise OddError(message, epoch, batch)
    assert caught.value.__context__ is None
    status = RunStore(tmp_path).open("run").status
    assert status.state == "failed"
    assert (status.error.message, status.error.epoch, status.error.batch) == kept


def test_an_error_that_cannot_say_what_it_is_is_recorded_too(tmp_path):
    class Mute(Exception):
        def __str__(self):
            raise KeyError("nothing")

    with pytest.raises(Mute), new_run(tmp_path):
        raise Mute
    assert "cannot be shown: KeyError" in RunStore(tmp_path).open("run").status.error.message
    with new_run(tmp_path, "other") as writer:
        writer.finish("failed", RunFailure(type="Odd", message=DIGITS))
    assert RunStore(tmp_path).open("other").status.error.type == "Odd"


def test_a_writer_that_cannot_start_leaves_nothing_and_no_lock(tmp_path, monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    with pytest.raises(RuntimeError):
        new_run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    new_run(tmp_path).finish()
    monkeypatch.setattr("threading.Thread.start", refused)
    with pytest.raises(RuntimeError):
        RunWriter.reopen(tmp_path, "run", keep_epochs=0)
    monkeypatch.undo()
    RunWriter.reopen(tmp_path, "run", keep_epochs=0).finish()


def interrupted(monkeypatch, times):
    real, left = files.os.replace, [times]

    def replace(*arguments):
        if left[0]:
            left[0] -= 1
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(files.os, "replace", replace)


def test_ctrl_c_while_the_end_is_recorded_waits_until_it_is(tmp_path, monkeypatch):
    writer = new_run(tmp_path)
    writer.log_epoch(0, {"x": 1.0})
    interrupted(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        writer.finish()
    assert RunStore(tmp_path).open("run").status.state == "finished"
    RunWriter.reopen(tmp_path, "run", keep_epochs=1).finish()


@pytest.mark.parametrize("run_id", ["epochs", "layouts", "checkpoints"])
def test_a_run_called_like_a_subfolder_is_a_run(tmp_path, run_id):
    writer = new_run(tmp_path, run_id)
    writer.log_samples({"test/targets": np.eye(3, dtype=np.uint8)})
    writer.log_epoch(0, {"x": 1.0}, {"test/ap": np.ones(3)})
    read = RunStore(tmp_path).open(run_id)
    assert read.arrays(0).get("test/ap").tolist() == [1, 1, 1]
    assert said_of(writer.folder / "epochs" / "0000.safetensors") == f"0000.safetensors of run {run_id}"
    RunStore(tmp_path).delete(run_id, force=True)
    with pytest.raises(StoreError, match=rf"^metrics.jsonl of run {run_id} could not be written"):
        writer.log_epoch(1, {"x": 1.0})
    with pytest.raises(StoreError, match=rf"^status.json of run {run_id} could not be written"):
        writer.finish()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / run_id).mkdir()
    with pytest.raises(RunFormatError, match=rf"^run.json of run {run_id} is missing"):
        RunStore(tmp_path).open(run_id)


def test_a_layout_is_not_called_like_the_samples_of_a_run(tmp_path):
    with pytest.raises(ValueError, match="and not samples, got 'samples'"):
        layout_path(tmp_path, "samples")
