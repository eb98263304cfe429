"""A disk that fills up or turns read-only while a run trains: one clear sentence, nothing lost, others unaffected.

A small disk in memory stands in for it where the test may mount one, which needs root; a limit on the size of
files needs no rights at all.
"""

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from mlcnc.store import RunStore, RunWriter
from mlcnc.store.metrics_file import read_metrics
from tests.processes.small_training import assert_same_run
from tests.processes.stand_in import wait_until

pytestmark = pytest.mark.xdist_group("trainings")

FOREVER = {"training": {"epochs": 5000}}


def wait_for_epochs(root, run_id, number):
    """Wait until so many epochs are logged."""
    path = root / run_id / "metrics.jsonl"
    wait_until(lambda: len(read_metrics(path)[0]) >= number, 120)


def go_on_for_two_epochs(nursery, root, logged):
    """Resume a run, stop it after two more epochs and check that those before are still the same."""
    nursery.begin(root, "run", resume=True)
    wait_for_epochs(root, "run", len(logged) + 2)
    nursery.send(signal.SIGTERM)
    assert nursery.end() == 130
    run = RunStore(root).open("run")
    assert run.status.state == "stopped"
    assert run.warnings == ()
    assert not list(root.rglob("*.tmp"))
    losses = [line["train/loss"] for line in run.metrics()]
    assert losses[: len(logged)] == [line["train/loss"] for line in logged]
    assert len(losses) >= len(logged) + 2


@pytest.fixture
def small_disk(tmp_path):
    """Return a disk in memory of 60 MiB, or skip where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def full(path):
    """Take every byte that is free or becomes free, as long as the block runs."""
    over, filled = threading.Event(), threading.Event()

    def fill():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        while not over.is_set():
            try:
                os.write(descriptor, b"\1" * 4096)
            except OSError:
                filled.set()
                over.wait(0.001)
        os.close(descriptor)

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        assert filled.wait(60)
        yield
    finally:
        over.set()
        filler.join()


def make_read_only(disk):
    """Let a disk refuse all writes; the system does so only while no file is open for writing."""
    deadline = time.monotonic() + 60
    while subprocess.run(
        ["mount", "-o", "remount,ro", str(disk)], stderr=subprocess.DEVNULL, check=False
    ).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def other_run(root):
    """Return the writer of a run beside the one that suffers."""
    other = RunWriter.create(root, "other", class_names=["a"], class_counts=[3])
    other.log_epoch(0, {"x": 1.0})
    return other


def test_a_disk_that_fills_up_fails_the_run_and_loses_nothing(nursery, small_disk, tmp_path):
    other = other_run(small_disk)
    nursery.begin(small_disk, "run", changes=FOREVER, errors=str(tmp_path / "errors.txt"))
    wait_for_epochs(small_disk, "run", 2)
    with full(small_disk / "ballast"):
        assert nursery.end() == 1
    sentence = (tmp_path / "errors.txt").read_text()
    assert "could not be written" in sentence
    assert "No space left on device" in sentence
    run = RunStore(small_disk).open("run")
    # also the end is recorded, on a disk without a free byte
    assert run.status.state == "failed"
    assert run.status.error.message == sentence
    logged = run.metrics()
    assert len(logged) >= 2
    assert all(warning.endswith("it was cut off") for warning in run.warnings)
    assert RunStore(small_disk).open("other").metrics() == [{"epoch": 0.0, "x": 1.0}]
    (small_disk / "ballast").unlink()
    other.log_epoch(1, {"x": 2.0})
    other.finish()
    go_on_for_two_epochs(nursery, small_disk, logged)


def test_a_disk_that_turns_read_only_fails_with_a_sentence(nursery, small_disk, tmp_path):
    other_run(small_disk).finish()
    nursery.begin(small_disk, "run", changes=FOREVER, errors=str(tmp_path / "errors.txt"))
    wait_for_epochs(small_disk, "run", 2)
    make_read_only(small_disk)
    assert nursery.end() == 1
    sentence = (tmp_path / "errors.txt").read_text()
    assert "could not be written: Read-only file system" in sentence
    run = RunStore(small_disk).open("run")
    assert run.status.state == "lost"  # nothing could be recorded, but the process is gone
    logged = run.metrics()
    assert len(logged) >= 2
    assert RunStore(small_disk).open("other").status.state == "finished"
    assert nursery.run(small_disk, "run", resume=True, errors=str(tmp_path / "again.txt")) == 1
    assert "Read-only file system" in (tmp_path / "again.txt").read_text()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    go_on_for_two_epochs(nursery, small_disk, logged)


def test_a_limit_on_files_fails_with_a_sentence_and_loses_nothing(nursery, tmp_path):
    """What needs no root: the kernel refuses every byte beyond the limit, as a full disk does."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert nursery.run(whole, "run") == 0
    largest = (whole / "run" / "checkpoints" / "last.pt").stat().st_size
    errors = tmp_path / "errors.txt"
    assert nursery.run(cut, "run", largest_file=largest - 100, errors=str(errors)) == 1
    assert "could not be written" in errors.read_text()
    run = RunStore(cut).open("run")
    assert run.status.state == "failed"
    assert len(run.metrics()) >= 1
    assert all(warning.endswith("it was cut off") for warning in run.warnings)
    assert not list(cut.rglob("*.tmp"))
    assert nursery.run(cut, "run", resume=True) == 0
    assert_same_run(whole / "run", cut / "run")


def test_a_new_run_on_a_full_disk_is_refused_with_a_sentence(nursery, small_disk, tmp_path):
    errors = tmp_path / "errors.txt"
    with full(small_disk / "ballast"):
        assert nursery.run(small_disk, "run", errors=str(errors)) == 1
    assert "MiB free, 50 are needed; free some space" in errors.read_text()
    assert os.listdir(small_disk) == ["ballast"]
