"""What a run folder bears: two writers, a clock that is set, a disk that is away for a while, dead writers."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.store import RunProblem, RunStatus, RunStore, RunWriter, files, liveness, run_lock, writer
from mlcnc.store.files import overwrite_json, remove_leftovers
from mlcnc.store.schema import parse_status
from tests.conftest import ROOT
from tests.processes.stand_in import wait_until


def new_run(root, run_id="run"):
    return RunWriter.create(root, run_id, class_names=["a", "b"], class_counts=[9, 2], num_epochs=9)


def log(run, *epochs):
    for epoch in epochs:
        run.log_epoch(epoch, {"x": float(epoch)}, {"test/ap": np.array([0.5, epoch / 100])})


HOLDER = """
import sys, time
from mlcnc.store import RunWriter
run = RunWriter.create(sys.argv[1], "run", class_names=["a"], class_counts=[3])
run.log_epoch(0, {"x": 1.0})
print("written", flush=True)
time.sleep(300)
"""


@pytest.fixture
def held(tmp_path):
    """Return the pid of another process that writes the run ``run``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "written\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_run_has_one_writer_and_its_death_lets_the_next_one_in(held, tmp_path, monkeypatch):
    words = f"is still being written by process {held.pid}; wait until it ends, or stop it first"
    with pytest.raises(StoreError, match=words):
        RunWriter.reopen(tmp_path, "run", keep_epochs=1)
    # also where the record says nothing of a process that lives
    status = tmp_path / "run" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "stopped"}))
    with pytest.raises(StoreError, match="is being written by another process"):
        RunWriter.reopen(tmp_path, "run", keep_epochs=1)
    held.kill()
    held.wait()
    with RunWriter.reopen(tmp_path, "run", keep_epochs=1) as run:
        log(run, 1)
    assert len(RunStore(tmp_path).open("run").metrics()) == 2


def test_two_that_reopen_at_once_cannot_both_write(tmp_path):
    new_run(tmp_path).finish()
    run = RunStore(tmp_path).open("run")
    barrier, held, refused = threading.Barrier(8), [], []

    def race():
        barrier.wait()
        try:
            held.append(run_lock.RunLock(run.folder))
        except StoreError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 7)
    held[0].release()
    run_lock.RunLock(run.folder).release()


def test_a_later_writer_of_the_same_process_takes_over(tmp_path):
    left_open = new_run(tmp_path)
    log(left_open, 0)
    with RunWriter.reopen(tmp_path, "run", keep_epochs=1) as run:
        log(run, 1)
    taken = "not open for writing here any more"
    with pytest.raises(StoreError, match=taken):
        log(left_open, 5)
    with pytest.raises(StoreError, match=taken):
        left_open.log_batch(1, 2)
    with pytest.raises(StoreError, match=taken):
        left_open.log_samples({"test/targets": np.eye(2)})
    with pytest.raises(StoreError, match=taken):
        left_open._update()  # as its heartbeat would
    left_open.finish()
    read = RunStore(tmp_path).open("run")
    assert read.status.state == "finished"
    assert [line["epoch"] for line in read.metrics()] == [0, 1]
    assert not (read.folder / "samples.safetensors").exists()


def test_a_run_about_to_be_gone_on_with_is_not_deleted(tmp_path):
    new_run(tmp_path).finish()
    store = RunStore(tmp_path)
    with RunWriter.lock(store.open("run")):
        assert store.open("run").status.state == "finished"
        with pytest.raises(StoreError, match="is being written by another process"):
            store.delete("run")
    store.delete("run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("released", [True, False])
def test_a_forked_child_does_not_keep_the_lock(tmp_path, released):
    new_run(tmp_path).finish()
    lock = run_lock.RunLock(tmp_path / "run")
    reading, writing = os.pipe()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        lock.release()  # its copy: the parent's is not touched
        os.write(told, b"1")
        os.read(reading, 1)
        os._exit(0)
    try:
        os.read(ready, 1)
        with pytest.raises(StoreError, match="being written by another process"):
            run_lock.RunLock(tmp_path / "run")
        if released:
            lock.release()
        else:
            os.close(lock._descriptor)  # as the end of this process does
            lock._descriptor = None
        run_lock.RunLock(tmp_path / "run").release()
    finally:
        os.write(writing, b"2")
        os.waitpid(child, 0)
        for end in (reading, writing, ready, told):
            os.close(end)


def test_a_disk_without_locks_still_works(tmp_path, monkeypatch):
    def unsupported(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with new_run(tmp_path) as run:
        log(run, 0)
    assert RunStore(tmp_path).open("run").status.state == "finished"


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_clock_that_is_set_changes_nothing_about_who_lives(held, tmp_path, monkeypatch, hours):
    run = RunStore(tmp_path).open("run")
    monkeypatch.setattr(liveness, "clock", lambda: datetime.now(UTC) + timedelta(hours=hours))
    age = liveness.heartbeat_age_seconds(run.status)
    assert age == pytest.approx(3600 * hours, abs=60)
    assert run.status.state == "running"
    held.kill()
    held.wait()
    assert run.status.state == "lost"


def test_the_start_of_a_process_is_told_without_a_clock(held, tmp_path, monkeypatch):
    """Setting the clock moves the time of creation that psutil computes; the ticks since boot stay."""
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert isinstance(status["process_start_ticks"], int)
    moved = parse_status(status | {"process_start_time": status["process_start_time"] + 3600})
    assert liveness.true_state(moved).state == "running"
    reused = parse_status(status | {"process_start_ticks": status["process_start_ticks"] + 1})
    assert liveness.true_state(reused).state == "lost"


def test_a_run_of_another_container_lives_by_its_heartbeat(tmp_path):
    """Containers of one machine may share its name and boot, and number their processes each from 1."""
    run = new_run(tmp_path)
    path = run.folder / "status.json"
    tree = json.loads(path.read_text())
    assert tree["pid_namespace"] == os.stat("/proc/self/ns/pid").st_ino
    run._let_go()
    # there the pid is a living one; here it is that of nobody, or of somebody else
    for pid in (2**22 - 3, os.getppid()):
        other = tree | {"pid": pid, "pid_namespace": tree["pid_namespace"] + 1}
        path.write_text(json.dumps(other))
        assert RunStore(tmp_path).open("run").status.state == "running"
        with pytest.raises(StoreError, match="stop it first"):
            RunStore(tmp_path).delete("run")
        path.write_text(json.dumps(other | {"heartbeat_at": "2001-01-01T00:00:00+00:00"}))
        assert RunStore(tmp_path).open("run").status.state == "lost"


def test_a_folder_that_another_container_is_making_stays(tmp_path):
    begun = tmp_path / f".other.{2**22 - 3}.77.tmp"
    begun.mkdir()
    with run_lock.RunLock(begun):
        new_run(tmp_path, "first").finish()
        assert begun.exists()
    new_run(tmp_path, "second").finish()
    assert not begun.exists()


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "running"), (-15, "running"), (15, "running"), (25, "lost"), (-25, "lost")]
)
def test_a_run_of_another_machine_lives_by_its_heartbeat(seconds, state):
    beat = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    status = RunStatus(state="running", heartbeat_at=beat, pid=os.getpid(), host="elsewhere", boot_id="another")
    assert liveness.true_state(status).state == state
    assert liveness.true_state(status.model_copy(update={"heartbeat_at": None})).state == "lost"


def test_the_heartbeat_outlives_a_full_disk_and_tells_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "HEARTBEAT_SECONDS", 0.01)
    run = new_run(tmp_path)
    store = RunStore(tmp_path)

    run.log_batch(3, 11)
    wait_until(lambda: store.open("run").status.batch == 3)
    assert store.open("run").status.num_batches == 11
    attempts, real = [], files.os.replace

    def full(*arguments):
        attempts.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    run.log_batch(4, 11)
    wait_until(lambda: len(attempts) > 3)
    assert store.open("run").status.batch == 3
    monkeypatch.setattr(files.os, "replace", real)
    wait_until(lambda: store.open("run").status.batch == 4)
    log(run, 0)
    assert (run._status.batch, run._status.num_batches) == (0, 11)
    run.finish()
    status = store.open("run").status
    assert (status.state, status.batch, status.num_batches) == ("finished", None, None)
    assert not list(run.folder.glob(".*"))


def test_batches_cost_no_write(tmp_path, monkeypatch):
    run = new_run(tmp_path)
    before = (run.folder / "status.json").stat().st_mtime_ns
    monkeypatch.setattr(files, "replace_file", lambda *arguments: pytest.fail("a batch was written"))
    started = time.perf_counter()
    for batch in range(1000):
        run.log_batch(batch, 1000)
    assert time.perf_counter() - started < 1.0
    assert (run.folder / "status.json").stat().st_mtime_ns == before
    monkeypatch.undo()
    run.finish()


def test_older_records_without_the_new_fields_are_read():
    status = parse_status({"state": "running", "pid": os.getpid(), "heartbeat_at": liveness.now()})
    assert (status.batch, status.num_batches, status.host, status.boot_id) == (None, None, None, None)
    assert liveness.true_state(status).state == "running"


def test_a_full_disk_at_the_end_is_still_recorded(tmp_path, monkeypatch):
    run = new_run(tmp_path)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(StoreError, match="No space left"), run:
        log(run, 0)
    monkeypatch.undo()
    status = RunStore(tmp_path).open("run").status
    assert status.state == "failed"
    assert "No space left on device" in status.error.message


def test_a_file_is_overwritten_in_place_without_a_rest_of_the_old_text(tmp_path):
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"a": "x" * 500}))
    assert overwrite_json(path, {"b": 1})
    assert json.loads(path.read_text()) == {"b": 1}
    assert overwrite_json(path, {"c": "y" * 900})
    assert json.loads(path.read_text()) == {"c": "y" * 900}
    assert not overwrite_json(tmp_path / "missing.json", {})


def test_a_deleted_run_is_not_made_again_by_its_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "HEARTBEAT_SECONDS", 0.005)
    run = new_run(tmp_path)
    RunStore(tmp_path).delete("run", force=True)
    time.sleep(0.05)
    with pytest.raises(StoreError, match="No such file or directory"):
        log(run, 0)
    assert list(tmp_path.iterdir()) == []
    run._let_go()


@pytest.mark.parametrize("name", ["run.json", "status.json"])
def test_a_new_run_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch, name):
    real = files.write_all

    def full(path, content):
        real(path, content[:20])
        if name in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    monkeypatch.setattr(files, "write_all", full)
    with pytest.raises(StoreError, match="cannot be written: No space left on device"):
        new_run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    new_run(tmp_path).finish()
    with pytest.raises(StoreError, match="run run exists already"):
        new_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_dead_writers_left_goes_and_what_live_ones_write_stays(tmp_path):
    with new_run(tmp_path) as run:
        log(run, 0)
    dead = 2**22 - 3
    leftovers = [
        run.folder / f".status.json.{dead}.77.tmp",
        run.folder / "epochs" / f".0001.safetensors.{dead}.77.tmp",
        run.folder / "epochs" / f".0002.safetensors.{os.getpid()}.77.tmp",
    ]
    alive = run.folder / "epochs" / f".0003.safetensors.{os.getppid()}.77.tmp"
    for path in (*leftovers, alive):
        path.write_bytes(b"half")
    begun = tmp_path / f".other.{dead}.77.tmp"
    begun.mkdir()
    (begun / "run.json").write_text("{")
    assert not [found for found in RunStore(tmp_path).scan() if isinstance(found, RunProblem)]
    assert RunStore(tmp_path).open("run").warnings == ()
    RunWriter.reopen(tmp_path, "run", keep_epochs=1).finish()
    assert not [path for path in leftovers if path.exists()]
    assert alive.exists()
    assert begun.exists()
    new_run(tmp_path, "next").finish()
    assert not begun.exists()
    remove_leftovers(tmp_path / "missing")


def test_reopening_drops_half_lines_and_leaves_the_others_byte_for_byte(tmp_path):
    with new_run(tmp_path) as run:
        log(run, 0, 1, 2)
    path = run.folder / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"epoch": 3, "x": 3.')
    with RunWriter.reopen(tmp_path, "run", keep_epochs=3) as again:
        assert path.read_bytes() == whole
        log(again, 3)
    read = RunStore(tmp_path).open("run")
    assert [line["epoch"] for line in read.metrics()] == [0, 1, 2, 3]
    assert read.warnings == ()
    before = path.stat()
    RunWriter.reopen(tmp_path, "run", keep_epochs=4).finish()
    assert path.stat().st_ino == before.st_ino  # nothing to mend, nothing rewritten


def test_a_damaged_line_in_between_stays_where_it_is_and_stops_nobody(tmp_path):
    with new_run(tmp_path) as run:
        log(run, 0, 1, 2)
    path = run.folder / "metrics.jsonl"
    damaged = path.read_bytes().replace(b'{"epoch": 1', b'{"epoc\xff: 1')
    path.write_bytes(damaged)
    with RunWriter.reopen(tmp_path, "run", keep_epochs=3, keep_later=True) as again:
        assert path.read_bytes() == damaged
        log(again, 3)
    read = RunStore(tmp_path).open("run")
    assert [line["epoch"] for line in read.metrics()] == [0, 2, 3]
    assert "line 2 of metrics.jsonl" in read.warnings[0]


def test_later_epochs_stay_until_they_are_logged_again(tmp_path):
    with new_run(tmp_path) as run:
        log(run, 0, 1, 2, 3)
    with RunWriter.reopen(tmp_path, "run", keep_epochs=2, keep_later=True) as again:
        read = RunStore(tmp_path).open("run")
        assert read.status.epoch == 1
        assert [line["x"] for line in read.metrics()] == [0, 1, 2, 3]
        assert read.array_epochs() == [0, 1, 2, 3]
        again.log_epoch(2, {"x": 20.0}, {"test/ap": np.array([0.0, 0.5])})
        assert [line["x"] for line in read.metrics()] == [0, 1, 20, 3]
        assert read.arrays(2).get("test/ap").tolist() == [0.0, 0.5]
    with pytest.raises(RunFormatError, match="has 4 of 5 epochs"):
        RunWriter.reopen(tmp_path, "run", keep_epochs=5)
    # refused, it did not keep the lock
    RunWriter.reopen(tmp_path, "run", keep_epochs=4).finish()


@pytest.mark.parametrize("overwritten", [True, False])
def test_a_run_stopped_on_a_full_disk_is_recorded_as_stopped(tmp_path, monkeypatch, overwritten):
    """The error of the full disk then stands in the context of Ctrl-C, and is no new Ctrl-C."""
    run = new_run(tmp_path)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    if not overwritten:
        monkeypatch.setattr(writer, "overwrite_json", lambda *arguments: False)
    with pytest.raises(KeyboardInterrupt), run:
        raise KeyboardInterrupt
    monkeypatch.undo()
    assert RunStore(tmp_path).open("run").status.state == ("stopped" if overwritten else "running")
    run_lock.RunLock(tmp_path / "run").release()
