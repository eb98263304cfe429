import os

import pytest

from mlcnc.cli import main
from mlcnc.errors import StoreError
from mlcnc.store import RunStore, RunWriter, left_out, require_runs_folder


def write_run(root, run_id="one"):
    writer = RunWriter.create(root, run_id, config={}, class_names=["a", "b"], class_counts=[3, 1], groups={})
    writer.finish()
    return writer.folder


def linked(root):
    write_run(root.parent / "elsewhere")
    root.mkdir()
    for number in range(5):
        (root / f"link{number}").symlink_to(root.parent / "elsewhere" / "one")


def misnamed(root):
    write_run(root).rename(root / "My Run")


def deeper(root):
    write_run(root / "exp1")


def single(root):
    write_run(root).rename(root.parent / "aside")
    root.rmdir()
    (root.parent / "aside").rename(root)


CASES = [
    (linked, "5 links (link0, link1, link2 and 2 more) in {root} are not followed; to see their runs, copy the folders here"),
    (misnamed, "1 folder (My Run) in {root} has the name of no run; rename to a-z, 0-9, _ and -, starting with a letter or digit"),
    (deeper, "runs lie deeper, in exp1; name it as the runs folder: --runs {root}/exp1"),
    (single, "{root} is the folder of one run; name the folder above it, {parent}"),
    (lambda root: root.write_text("x"), "{root} is a file and no folder of runs"),
    (lambda root: root.symlink_to("nowhere"), "{root} is a link to nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), CASES)
def test_what_is_left_out_is_said_in_one_sentence(tmp_path, capsys, make, words):
    root = tmp_path / "runs"
    make(root)
    sentence = words.format(root=root, parent=root.parent)
    assert left_out(root) == [sentence]
    assert main(["runs", "list", "--runs", str(root)]) == 0
    said = capsys.readouterr()
    assert sentence in said.out.splitlines()
    assert "start one with" not in said.out


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir(), write_run])
def test_of_a_runs_folder_nothing_is_said(tmp_path, capsys, make):
    root = tmp_path / "runs"
    make(root)
    (tmp_path / "elsewhere").mkdir()
    assert left_out(root) == []
    require_runs_folder(root)
    if RunStore(root).run_ids():
        # a link that stays in the folder is followed; hidden, empty and foreign folders are not runs of anybody
        (root / "again").symlink_to(root / "one")
        (root / "round").symlink_to(root / "round")
        (root / ".jobs").mkdir()
        (root / "Pictures").mkdir()
        assert left_out(root) == []
        assert RunStore(root).run_ids() == ["again", "one"]


@pytest.mark.parametrize("make", [single, lambda root: root.write_text("x")])
def test_no_run_is_written_into_what_is_no_runs_folder(tmp_path, capsys, make):
    root = tmp_path / "runs"
    make(root)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(StoreError, match=r"is not a writable folder|is the folder of one run"):
        require_runs_folder(root / "deeper")
    for command in (["train", "--preset", "quick"], ["analyze", "none.npz"], ["jobs", "start", "train"]):
        assert main([*command, "--runs", str(root)]) == 1
        said = capsys.readouterr().err
        assert str(root) in said
        assert "exists already" not in said
    assert sorted(os.listdir(tmp_path)) == before
