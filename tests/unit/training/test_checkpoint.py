"""Damaged checkpoints are one sentence, and cost an epoch instead of the run."""

import errno
import json
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch

from mlcnc.cli import main
from mlcnc.errors import RunFormatError, StoreError
from mlcnc.store import RunStore, RunWriter
from mlcnc.training import checkpoint, resume, train
from mlcnc.training.checkpoint import read_checkpoint
from mlcnc.training.evaluation import evaluate
from tests.processes.small_training import assert_same_run, small_config, use_few_images

QUIET = {"say": lambda text: None, "show_progress": False}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Return the runs folder of one finished run called ``whole``."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        use_few_images(patch)
        train(small_config(), runs_root=root, run_id="whole", **QUIET)
    return root


@pytest.fixture
def cut(root, tmp_path, monkeypatch):
    """Return the folder of a copy of that run whose last epoch has not been saved."""
    use_few_images(monkeypatch)
    folder = tmp_path / "cut"
    shutil.copytree(root / "whole", folder)
    (folder / "checkpoints" / "previous.pt").replace(folder / "checkpoints" / "last.pt")
    status = folder / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "stopped"}))
    return folder


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_no_flipped_bit_changes_a_weight_unnoticed(root, tmp_path):
    """Every flip is either told or harmless: in the padding or in a name that nothing reads."""
    good = root / "whole" / "checkpoints" / "last.pt"
    expected = torch.load(good, weights_only=True)
    path = tmp_path / "checkpoints" / "last.pt"
    path.parent.mkdir()
    rng = np.random.default_rng(4)
    told = []
    size = 8 * good.stat().st_size
    for bit in [*rng.integers(0, size, 150), *(size - 1 - rng.integers(0, 8 * 4000, 50))]:
        shutil.copy(good, path)
        flip(path, int(bit))
        try:
            state = read_checkpoint(tmp_path)
        except RunFormatError as error:
            told.append(str(error))
            continue
        for name, value in expected["method"].items():
            assert torch.equal(value, state["method"][name])
        assert state["next_epoch"] == expected["next_epoch"]
    assert len(told) > 100
    assert all("is damaged" in sentence and "\n" not in sentence for sentence in told)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_told_and_the_one_before_it_taken(root, cut, share):
    last = cut / "checkpoints" / "last.pt"
    previous = last.with_name("previous.pt")
    shutil.copy(last, previous)
    content = last.read_bytes()
    last.write_bytes(content[: int(share * len(content))])
    said = []
    resume("cut", runs_root=cut.parent, say=said.append, show_progress=False)
    assert "is damaged" in said[0]
    assert "going on from checkpoints/previous.pt" in said[0]
    assert_same_run(root / "whole", cut)


def test_a_flipped_weight_costs_an_epoch_not_the_run(root, cut):
    last = cut / "checkpoints" / "last.pt"
    shutil.copy(last, last.with_name("previous.pt"))
    flip(last, 4 * last.stat().st_size)
    said = []
    resume("cut", runs_root=cut.parent, say=said.append, show_progress=False)
    assert "the checksum of" in said[0]
    assert_same_run(root / "whole", cut)


def test_what_is_said_of_a_checkpoint_stays_out_of_the_json(cut, capsys):
    last = cut / "checkpoints" / "last.pt"
    last.replace(last.with_name("previous.pt"))
    last.write_bytes(b"damaged")
    assert main(["evaluate", "cut", "--runs", str(cut.parent), "--json"]) == 0
    said = capsys.readouterr()
    metrics = json.loads(said.out)
    assert metrics["epoch"] == 2
    assert metrics["test/map_total"] > 0
    assert "last.pt is damaged" in said.err


def test_two_damaged_checkpoints_are_one_sentence_and_leave_the_run_readable(cut):
    for name in ("last.pt", "previous.pt"):
        (cut / "checkpoints" / name).write_bytes(b"PK\x03\x04 nonsense")
    for call in (resume, evaluate):
        with pytest.raises(RunFormatError, match=r"last\.pt is damaged: File is not a zip file"):
            call("cut", runs_root=cut.parent)
    run = RunStore(cut.parent).open("cut")
    assert run.status.state == "stopped"
    assert len(run.metrics()) == 4
    # nobody was left with the lock
    RunWriter.reopen(cut.parent, "cut", keep_epochs=4).finish()


def test_killed_between_the_two_renames_the_one_before_is_taken(root, cut):
    last = cut / "checkpoints" / "last.pt"
    last.replace(last.with_name("previous.pt"))
    said = []
    resume("cut", runs_root=cut.parent, say=said.append, show_progress=False)
    assert (
        said[0] == "there is no checkpoints/last.pt; going on from checkpoints/previous.pt, the one before it"
    )
    assert_same_run(root / "whole", cut)


class Evil:
    """What runs a command where it is unpickled without care."""

    def __reduce__(self):
        import os

        return os.system, ("touch executed",)


def test_a_checkpoint_runs_nothing(cut, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("last.pt", "previous.pt"):
        torch.save({"next_epoch": Evil()}, cut / "checkpoints" / name)
    with pytest.raises(RunFormatError, match="it holds more than tensors and plain values"):
        resume("cut", runs_root=cut.parent, **QUIET)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("state", [[1, 2], {"next_epoch": 1}, {"method": {}}, {"network": {}}])
def test_a_checkpoint_of_something_else_is_one_sentence(cut, state):
    torch.save(state, cut / "checkpoints" / "last.pt")
    with pytest.raises(RunFormatError, match=r"does not fit its config|holds a list|by an earlier mlcnc"):
        resume("cut", runs_root=cut.parent, **QUIET)


def test_on_a_full_disk_the_one_before_is_given_up_first(root, cut, monkeypatch):
    from mlcnc.training.build import build

    folder = cut / "checkpoints"
    shutil.copy(folder / "last.pt", folder / "previous.pt")
    experiment = build(small_config())
    checkpoint.load_checkpoint(experiment, cut)
    real = checkpoint.write_all
    room = folder.joinpath("last.pt").stat().st_size

    def nearly_full(path, content):
        if (folder / "previous.pt").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    monkeypatch.setattr(checkpoint, "write_all", nearly_full)
    checkpoint.save_checkpoint(experiment, cut, 4)
    assert [path.name for path in folder.iterdir()] == ["last.pt"]
    assert read_checkpoint(cut)["next_epoch"] == 4

    def full(path, content):
        real(path, bytes(content)[: room // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_all", full)
    with pytest.raises(StoreError, match=r"the checkpoint .* could not be written: No space left on device$"):
        checkpoint.save_checkpoint(experiment, cut, 5)
    assert [path.name for path in folder.iterdir()] == ["last.pt"]
    assert read_checkpoint(cut)["next_epoch"] == 4


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_only_a_full_disk_costs_the_one_before(cut, monkeypatch, number):
    from mlcnc.training.build import build

    folder = cut / "checkpoints"
    shutil.copy(folder / "last.pt", folder / "previous.pt")
    experiment = build(small_config())

    def failing(path, content):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoint, "write_all", failing)
    with pytest.raises(StoreError, match=f"could not be written: {os.strerror(number)}$"):
        checkpoint.save_checkpoint(experiment, cut, 4)
    assert sorted(path.name for path in folder.iterdir()) == ["last.pt", "previous.pt"]


def deflated(path):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def overlapping(path):
    """Let every entry of the index name the same large part of the file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(100_000))
        for number in range(50):
            part = zipfile.ZipInfo(f"archive/data/{number}")
            first = archive.filelist[0]
            part.header_offset, part.CRC = first.header_offset, first.CRC
            part.file_size = part.compress_size = first.file_size
            archive.filelist.append(part)
        archive._didModify = True


@pytest.mark.parametrize(
    ("change", "reason"), [(deflated, "it is compressed"), (overlapping, "its parts are larger than itself")]
)
def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_refused(cut, monkeypatch, change, reason):
    change(cut / "checkpoints" / "last.pt")
    (cut / "checkpoints" / "previous.pt").unlink(missing_ok=True)
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: pytest.fail("it was unpacked"))
    with pytest.raises(RunFormatError, match=rf"last\.pt is damaged: {reason}"):
        read_checkpoint(cut)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (MemoryError(), "there is not enough memory"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(cut, monkeypatch, error, reason):
    shutil.copy(cut / "checkpoints" / "last.pt", cut / "checkpoints" / "previous.pt")

    def failing(*arguments, **named):
        raise error

    monkeypatch.setattr(checkpoint.torch, "load", failing)
    said = []
    with pytest.raises(StoreError, match=rf"last\.pt cannot be read: {reason}$") as caught:
        read_checkpoint(cut, said.append)
    assert not isinstance(caught.value, RunFormatError)
    assert said == []  # the one before it is not taken instead


def test_a_run_that_is_being_written_is_neither_resumed_nor_evaluated(cut):
    with RunWriter.reopen(cut.parent, "cut", keep_epochs=3, keep_later=True) as run:
        path = cut / "status.json"
        # as another process would have it: a parent always lives
        from mlcnc.store import liveness

        parent = liveness.process_stat(os.getppid())
        tree = json.loads(path.read_text()) | {
            "pid": os.getppid(),
            "process_start_ticks": parent.start_ticks,
        }
        path.write_text(json.dumps(tree))
        words = (
            f"run cut is still being written by process {os.getppid()}; wait until it ends, or stop it first"
        )
        with pytest.raises(StoreError, match=words):
            evaluate("cut", runs_root=cut.parent)
        run._let_go()
        with pytest.raises(StoreError, match=words):
            resume("cut", runs_root=cut.parent, **QUIET)


def test_a_damaged_line_is_told_when_going_on(cut):
    path = cut / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"epoch": 1', b'{"epoc\xff: 1'))
    said = []
    resume("cut", runs_root=cut.parent, say=said.append, show_progress=False)
    assert said[1] == "metrics.jsonl is damaged: epochs [2] cannot be read and stay out of all curves"
    run = RunStore(cut.parent).open("cut")
    assert [line["epoch"] for line in run.metrics()] == [0, 2, 3]
    assert run.status.state == "finished"


def test_a_run_that_was_not_trained_here_has_no_weights_to_measure(tmp_path, capsys):
    config = {"data": {"dataset": "mine"}, "features": {"file": "mine.npz"}}
    RunWriter.create(
        tmp_path, "read", config=config, class_names=["a", "b"], class_counts=[3, 1], groups={}
    ).finish()
    assert main(["evaluate", "read", "--runs", str(tmp_path)]) == 1
    assert "run read has no checkpoint" in capsys.readouterr().err
    assert main(["train", "--resume", "read", "--runs", str(tmp_path)]) == 0
    assert "run read is complete: 0 epochs logged" in capsys.readouterr().out
