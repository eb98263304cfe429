import errno
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcnc.errors import RunFormatError, RunNotFoundError, StoreError
from mlcnc.store import SCHEMA_VERSION, Run, RunProblem, RunStore, RunWriter, files, new_run_id


def new_run(root, run_id="run", **changes):
    arguments = {"class_names": ["a", "b", "c"], "class_counts": [120, 30, 3], "num_epochs": 9, "seed": 5}
    return RunWriter.create(root, run_id, **{**arguments, **changes})


def logged(root, run_id="run", epochs=3):
    with new_run(root, run_id) as run:
        for epoch in range(epochs):
            run.log_epoch(epoch, {"test/map_total": 10.0 * epoch}, {"test/ap": np.array([0.1, epoch / 8, 0.3])})
    return RunStore(root).open(run_id)


def test_a_logged_run_reads_back(tmp_path):
    with new_run(
        tmp_path, config={"model": {"label_embedding": "etf"}}, co_occurrence=np.eye(3, dtype=int)
    ) as run:
        run.log_samples({"test/targets": np.eye(3, dtype=np.uint8)})
        run.log_epoch(0, {"test/map_total": np.float32(41.5), "lr": 1e-3, "broken": math.nan})
        run.log_epoch(4, {"test/map_total": 43}, {"samples/mu": np.ones((5, 2), np.float32)})
    read = RunStore(tmp_path).open("run")
    assert read.info.groups == {"head": [0], "medium": [1], "tail": [2]}
    assert read.info.config["model"]["label_embedding"] == "etf"
    assert read.status.state == "finished"
    assert read.status.epoch == 4
    first, second = read.metrics()
    assert first["test/map_total"] == 41.5
    assert math.isnan(first["broken"])
    assert second == {"epoch": 4.0, "test/map_total": 43.0}
    assert read.array_epochs() == [4]
    assert read.arrays(4).keys() == {"samples/mu"}
    np.testing.assert_array_equal(read.arrays(4).get("samples/mu", slice(1, 3)), np.ones((2, 2)))
    np.testing.assert_array_equal(read.samples().get("test/targets", 1), [0, 1, 0])
    assert read.warnings == ()


class FakeTensor:
    """What a torch tensor looks like to the store, which never imports torch."""

    def __init__(self, value):
        self.value = value

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return np.asarray(self.value)

    def __float__(self):
        return float(self.value)


def test_tensors_are_taken_by_their_shape_of_a_duck(tmp_path):
    with new_run(tmp_path) as run:
        run.log_epoch(0, {"loss": FakeTensor(0.5)}, {"test/ap": FakeTensor([1.0, 0.5])})
    assert RunStore(tmp_path).open("run").metrics()[0]["loss"] == 0.5


names = st.text("abcdefgh/_.", min_size=1, max_size=12)
values = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(epochs=st.lists(st.dictionaries(names, values, max_size=5), max_size=4))
def test_metrics_round_trip(tmp_path_factory, epochs):
    root = tmp_path_factory.mktemp("round")
    with new_run(root) as run:
        for epoch, metrics in enumerate(epochs):
            run.log_epoch(epoch, metrics)
    for written, read in zip(epochs, RunStore(root).open("run").metrics(), strict=True):
        for name, value in written.items():
            assert read[name] == value or (not math.isfinite(value) and math.isnan(read[name]))


@pytest.mark.parametrize(
    ("error", "state"), [(None, "finished"), (KeyboardInterrupt(), "stopped"), (OSError("gone"), "failed")]
)
def test_leaving_the_writer_records_how(tmp_path, error, state):
    def body():
        with new_run(tmp_path) as run:
            run.log_epoch(0, {"x": 1.0})
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            body()
    else:
        body()
    status = RunStore(tmp_path).open("run").status
    assert status.state == state
    assert (status.error is not None) == (state == "failed")
    assert status.finished_at is not None


def test_a_half_written_last_line_is_left_out_and_said(tmp_path):
    run = logged(tmp_path)
    with (run.folder / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"epoch": 3, "test/map_')
    assert len(run.metrics()) == 3
    assert "the last line of metrics.jsonl is half-written" in run.warnings[0]
    files.append_line(run.folder / "metrics.jsonl", {"epoch": 3, "test/map_total": 1.0})
    assert [line["epoch"] for line in run.metrics()] == [0, 1, 2, 3]


@pytest.mark.parametrize("damage", ["truncate", "flip header", "empty"])
def test_damaged_arrays_are_one_sentence(tmp_path, damage):
    run = logged(tmp_path)
    path = run.folder / "epochs" / "0001.safetensors"
    raw = path.read_bytes()
    path.write_bytes({"truncate": raw[:-5], "flip header": b"\xff" * 9 + raw[9:], "empty": b""}[damage])
    with pytest.raises(RunFormatError, match=r"0001.safetensors of run run is damaged"):
        run.arrays(1)
    assert any("0001" in warning for warning in run.warnings)
    assert run.arrays(2).get("test/ap")[1] == 0.25
    path.unlink()
    with pytest.raises(RunFormatError, match="missing"):
        run.arrays(1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[]", "must hold an object"),
        ('{"schema_version": 99}', "upgrade mlcnc"),
        ('{"schema_version": 1, "run_id": "run"}', "field name"),
    ],
)
def test_a_broken_run_never_hides_the_others(tmp_path, text, words):
    logged(tmp_path, "good")
    run = logged(tmp_path, "bad")
    (run.folder / "run.json").write_text(text)
    (tmp_path / "no-run").mkdir()
    found = {item.run_id: item for item in RunStore(tmp_path).scan()}
    assert isinstance(found["good"], Run)
    assert isinstance(found["bad"], RunProblem)
    assert words in found["bad"].text
    assert "missing" in found["no-run"].text


def test_an_older_schema_is_migrated(tmp_path):
    run = logged(tmp_path)
    tree = json.loads((run.folder / "run.json").read_text())
    tree["splits"] = tree.pop("groups")
    del tree["schema_version"], tree["group_thresholds"]
    (run.folder / "run.json").write_text(json.dumps(tree))
    info = RunStore(tmp_path).open("run").info
    assert info.schema_version == SCHEMA_VERSION
    assert info.groups["tail"] == [2]
    assert info.group_thresholds.head_min == 100


@pytest.mark.parametrize("run_id", ["../run", "/etc", "a/b", "", "A", "-a", "x" * 65, "run\n"])
def test_ids_that_leave_the_root_are_refused(tmp_path, run_id):
    logged(tmp_path / "runs")
    store = RunStore(tmp_path / "runs")
    for call in (store.open, store.delete):
        with pytest.raises(RunNotFoundError):
            call(run_id)
    with pytest.raises(RunNotFoundError):
        new_run(tmp_path / "runs", run_id)


def test_links_out_of_the_root_are_no_runs(tmp_path):
    outside = logged(tmp_path / "outside")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(outside.folder)
    store = RunStore(tmp_path / "runs")
    assert store.run_ids() == []
    with pytest.raises(RunNotFoundError, match="no run 'linked'"):
        store.open("linked")
    with pytest.raises(RunNotFoundError):
        store.delete("linked")


def test_a_taken_id_is_refused_and_a_new_one_is_found(tmp_path):
    logged(tmp_path)
    with pytest.raises(StoreError, match="exists already"):
        new_run(tmp_path)
    assert new_run_id(tmp_path, "run") == "run-2"


def test_states_of_running_and_dead_writers(tmp_path):
    run = new_run(tmp_path)
    store = RunStore(tmp_path)
    assert store.open("run").status.state == "running"
    with pytest.raises(StoreError, match="stop it first"):
        store.delete("run")
    run._let_go()
    path = run.folder / "status.json"
    tree = json.loads(path.read_text())
    old = {"heartbeat_at": "2001-01-01T00:00:00+00:00"}
    path.write_text(json.dumps(tree | old))
    assert store.open("run").status.state == "running"  # this very process still lives
    older = {"process_start_ticks": None, "boot_id": None, "host": None}  # of versions that did not note them
    path.write_text(json.dumps(tree | old | older))
    assert store.open("run").status.state == "running"
    for other in ({"process_start_ticks": 1}, {"process_start_time": 1.0, **older}):
        path.write_text(json.dumps(tree | old | other))
        assert store.open("run").status.state == "lost"  # the pid is somebody else's now
    path.write_text(json.dumps(tree | {"pid": 2**22 - 3}))
    assert store.open("run").status.state == "lost"  # the processes of this machine are known for sure
    path.write_text(json.dumps(tree | {"boot_id": "another", "host": "elsewhere"}))
    assert store.open("run").status.state == "running"  # another machine's, with a fresh heartbeat
    path.unlink()
    assert store.open("run").status.state == "lost"
    store.delete("run")
    assert store.run_ids() == []


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, monkeypatch):
    run = new_run(tmp_path)
    run.log_epoch(0, {"x": 1.0}, {"test/ap": np.ones(3)})

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; what was logged before is intact"):
        run.log_epoch(1, {"x": 2.0}, {"test/ap": np.ones(3)})
    monkeypatch.undo()
    read = RunStore(tmp_path).open("run")
    assert [line["epoch"] for line in read.metrics()] == [0]
    assert read.array_epochs() == [0]
    assert not list(run.folder.rglob("*.tmp"))
    run.log_epoch(1, {"x": 2.0})
    run.finish()
    assert len(read.metrics()) == 2


def test_a_short_write_leaves_no_half_line(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    files.append_line(path, {"epoch": 0})
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda descriptor, data: real(descriptor, data[:4]))
    with pytest.raises(StoreError, match=os.strerror(errno.ENOSPC)):
        files.append_line(path, {"epoch": 1})
    assert path.read_text() == '{"epoch": 0}\n'


def test_what_nobody_would_read_is_not_written(tmp_path, monkeypatch):
    with new_run(tmp_path) as run:
        run.log_epoch(0, {"x": 1.0})
        with pytest.raises(StoreError, match="is the most that is read; log values by class as arrays"):
            run.log_epoch(1, {f"by_class/{number}": float(number) for number in range(50_000)})
        path = run.folder / "metrics.jsonl"
        before = path.read_bytes()
        monkeypatch.setattr(files, "MOST_BYTES", len(before) + 10)
        with pytest.raises(StoreError, match=r"it would exceed \d+ bytes.*what was logged before is intact"):
            run.log_epoch(1, {"x": 1.0})
        assert path.read_bytes() == before
        monkeypatch.undo()
        run.log_epoch(1, {"x": 1.0})


def test_a_line_of_megabytes_is_damaged_and_costs_no_memory(tmp_path):
    read = logged(tmp_path)
    with (read.folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 3, ' + ", ".join(f'"{number}": 1' for number in range(150_000)) + "}\n")
    assert [line["epoch"] for line in read.metrics()] == [0, 1, 2]
    assert read.warnings == ("line 4 of metrics.jsonl is half-written or damaged and is left out",)


def test_a_large_real_run_fits(tmp_path):
    """Two hundred classes, a hundred epochs of four hundred metrics, scores of ten thousand images."""
    rng = np.random.default_rng(0)
    together = rng.integers(0, 60_000, (200, 200))
    metrics = {f"test.f/some_longer_name_{number}": value for number, value in enumerate(rng.random(400))}
    names, counts = [f"class {number}" for number in range(200)], [50_000] * 200
    with RunWriter.create(
        tmp_path, "large", class_names=names, class_counts=counts, co_occurrence=together
    ) as run:
        run.log_epoch(0, metrics, {"test/scores": np.zeros((10_000, 200), np.float16)})
        line = (run.folder / "metrics.jsonl").read_text()
        (run.folder / "metrics.jsonl").write_text(
            "".join(line.replace('"epoch": 0', f'"epoch": {n}') for n in range(100))
        )
    read = RunStore(tmp_path).open("large")
    assert len(read.metrics()) == 100
    assert read.arrays(0).get("test/scores").shape == (10_000, 200)
    assert read.info.co_occurrence == together.tolist()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        new_run(tmp_path / "file" / "runs")


def test_reopening_keeps_the_epochs_asked_for(tmp_path):
    logged(tmp_path, epochs=5)
    with RunWriter.reopen(tmp_path, "run", keep_epochs=2) as run:
        run.log_epoch(2, {"test/map_total": 99.0})
    read = RunStore(tmp_path).open("run")
    assert [line["test/map_total"] for line in read.metrics()] == [0.0, 10.0, 99.0]
    assert read.array_epochs() == [0, 1]
    with pytest.raises(RunFormatError, match="has 3 of 7 epochs"):
        RunWriter.reopen(tmp_path, "run", keep_epochs=7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: run.log_epoch(0, {"x": "text"}), "metric 'x' must be one number"),
        (lambda run: run.log_epoch(0, {"x": np.ones(2)}), "must be one number"),
        (lambda run: run.log_epoch(0, {}, {"../up": np.ones(2)}), "array name"),
        (lambda run: run.log_epoch(0, {}, {"a": np.array(["t"])}), "must be numeric"),
        (lambda run: run.finish("odd"), "state must be"),
        (lambda run: (run.log_epoch(3, {}), run.log_epoch(3, {})), "epoch must be above 3"),
    ],
)
def test_bad_arguments_are_named(tmp_path, call, words):
    run = new_run(tmp_path)
    with pytest.raises(ValueError, match=words):
        call(run)
    run.finish()


def test_best_epoch_and_notes(tmp_path):
    with new_run(tmp_path) as run:
        for epoch, value in enumerate([1.0, math.nan, 7.0, 7.0, 3.0]):
            run.log_epoch(epoch, {"validation/map_total": value})
    read = RunStore(tmp_path).open("run")
    assert read.best_epoch() == 2
    assert read.best_epoch("absent") is None
    before = read.identity()
    read.write_notes({"name": "The good one", "tags": ["a"]})
    assert read.name == "The good one"
    assert read.identity() != before
    (read.folder / "notes.json").write_text("{")
    assert read.name == "run"


WRITER = """
import sys, numpy as np
from mlcnc.store import RunWriter
run = RunWriter.create(sys.argv[1], sys.argv[2], class_names=["a", "b"], class_counts=[5, 2])
epoch = 0
while True:
    run.log_epoch(epoch, {"x": float(epoch)}, {"samples/mu": np.full((300, 20), epoch, np.float32)})
    print(epoch, flush=True)
    epoch += 1
"""


def test_killed_writers_leave_readable_runs_with_every_logged_epoch(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), f"run{number}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "0\n"
        time.sleep(float(rng.uniform(0, 0.15)))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        last = max([0, *map(int, rest)])
        run = RunStore(tmp_path).open(f"run{number}")
        epochs = [int(line["epoch"]) for line in run.metrics()]
        assert epochs == list(range(len(epochs)))
        assert len(epochs) >= last + 1
        for epoch in run.array_epochs()[: last + 1]:
            assert (run.arrays(epoch).get("samples/mu") == epoch).all()
        status = json.loads((run.folder / "status.json").read_text())
        status["heartbeat_at"] = "2001-01-01T00:00:00+00:00"
        (run.folder / "status.json").write_text(json.dumps(status))
        assert run.status.state == "lost"


def test_ctrl_c_inside_a_write_stays_ctrl_c(tmp_path):
    from mlcnc.store.files import replace_file

    path = tmp_path / "last.pt"
    path.write_text("old")

    def write(aside):
        aside.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("epoch", ["1" + "0" * 400, "-1", "true"])
def test_a_line_of_an_impossible_epoch_is_left_out(tmp_path, epoch):
    run = logged(tmp_path)
    with (run.folder / "metrics.jsonl").open("a") as stream:
        stream.write(f'{{"epoch": {epoch}, "test/map_total": 99.0}}\n')
    assert [line["epoch"] for line in run.metrics()] == [0, 1, 2]
    assert [line["test/map_total"] for line in run.metrics(("test/map_total",))] == [0.0, 10.0, 20.0]
    assert any("line" in warning for warning in run.warnings)


def test_what_cannot_be_read_is_said_without_its_path(tmp_path):
    run = logged(tmp_path)
    (run.folder / "run.json").unlink()
    (run.folder / "run.json").mkdir()
    (problem,) = RunStore(tmp_path).scan()
    assert "run.json of run run cannot be read: Is a directory" in problem.text
    assert str(tmp_path) not in problem.text
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "run" / "metrics.jsonl"))
    assert RunProblem.of("run", error) == RunProblem("run", "Permission denied")


def test_a_replaced_file_of_equal_size_and_time_has_another_identity(tmp_path):
    run = logged(tmp_path)
    path = run.folder / "metrics.jsonl"
    before, stat = run.identity(), path.stat()
    aside = path.with_name("aside")
    aside.write_text(path.read_text().replace("20.0", "90.0"))
    os.utime(aside, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(aside, path)
    assert path.stat().st_size == stat.st_size
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert run.identity() != before
