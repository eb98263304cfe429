"""Going on with a run that someone else prepared: nothing outside of its folder is changed, and nothing hangs."""

import os

import numpy as np
import pytest

from mlcnc.errors import RunFormatError, StoreError
from mlcnc.store import RunStore, RunWriter
from mlcnc.store.files import append_line, overwrite_json, write_arrays, write_json

ARRAYS = {"test/ap": np.array([0.5, 0.25])}


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "runs"
    with RunWriter.create(root, "run", class_names=["a", "b"], class_counts=[9, 2]) as writer:
        writer.log_epoch(0, {"x": 1.0}, ARRAYS)
    return RunStore(root).open("run")


def go_on(run):
    return RunWriter.reopen(run.folder.parent, run.run_id, keep_epochs=1, keep_later=True)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_unlocked(run):
    run.folder.joinpath("metrics.jsonl").unlink(missing_ok=True)
    RunWriter.reopen(run.folder.parent, run.run_id, keep_epochs=0).finish()


@pytest.mark.parametrize("name", ["epochs", "layouts", "checkpoints"])
def test_a_folder_that_is_a_link_keeps_a_run_from_going_on(run, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0000.safetensors").write_bytes(b"of someone else")
    # as a killed writer leaves it
    (outside / f".x.{2**22 - 3}.7.tmp").write_bytes(b"of someone else")
    before = contents(outside)
    if (run.folder / name).exists():
        os.rename(run.folder / name, tmp_path / "moved")
    (run.folder / name).symlink_to(outside)
    with pytest.raises(RunFormatError, match=f"^{name} of run run cannot be written: it is a link, and links"):
        go_on(run)
    with pytest.raises(StoreError, match=f"could not be written: {name}: it is a link"):
        write_arrays(run.folder / name / "0000.safetensors", ARRAYS)
    assert contents(outside) == before
    (run.folder / name).unlink()
    assert_unlocked(run)


def in_its_place(path, kind, outside):
    path.unlink()
    if kind == "link":
        path.symlink_to(outside)
    else:
        os.mkfifo(path)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("link", "it is a link, and links inside a run folder are not followed"),
        ("pipe", "it is no regular file"),
    ],
)
def test_metrics_that_are_no_file_of_the_run_keep_it_from_going_on(run, tmp_path, kind, reason):
    path, outside = run.folder / "metrics.jsonl", tmp_path / "outside"
    outside.write_bytes(b'{"epoch": 0, "x": 2.0}\n{"half')
    in_its_place(path, kind, outside)
    with pytest.raises(RunFormatError, match=rf"^metrics.jsonl of run run cannot be read: {reason}$"):
        go_on(run)
    with pytest.raises(StoreError, match=rf"{reason}; what was logged before is intact$"):
        append_line(path, {"epoch": 1})
    assert outside.read_bytes() == b'{"epoch": 0, "x": 2.0}\n{"half'
    assert_unlocked(run)


def test_nothing_is_written_through_a_link(run, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"of someone else")
    path = run.folder / "status.json"
    path.unlink()
    path.symlink_to(outside)
    assert not overwrite_json(path, {"state": "stopped"})
    # a file of the run takes the place of the link
    write_json(path, {"state": "stopped"})
    assert not path.is_symlink()
    assert outside.read_bytes() == b"of someone else"


def test_advice_fits_the_reason(run):
    (run.folder / "metrics.jsonl").unlink()
    (run.folder / "metrics.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"Is a directory; what was logged before is intact$"):
        append_line(run.folder / "metrics.jsonl", {"epoch": 1})
