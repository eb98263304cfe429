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


COMMANDS = [
    ["runs", "show", "{id}"], ["runs", "verify", "{id}"], ["runs", "delete", "--yes", "{id}"],
    ["report", "{id}", "--out", "{tmp}/r.html"], ["layout", "{id}"], ["evaluate", "{id}"],
    ["train", "--resume", "{id}"], ["jobs", "start", "layout", "{id}"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_run_that_is_a_link_is_said_to_be_one_by_every_command(tmp_path, capsys, command):
    linked(tmp_path / "runs")
    parts = [part.format(id="link4", tmp=tmp_path) for part in command]
    assert main([*parts, "--runs", str(tmp_path / "runs")]) == 1
    said = capsys.readouterr().err
    assert "is a link out of that folder, and links are not followed" in said
    assert f"--runs {tmp_path / 'elsewhere'}\n" in said
    assert RunStore(tmp_path / "elsewhere").open("one")


def test_a_runs_folder_without_runs_is_explained_wherever_one_is_asked_for(tmp_path, capsys):
    deeper(tmp_path / "runs")
    for command in (["runs", "show", "one"], ["evaluate", "one"]):
        assert main([*command, "--runs", str(tmp_path / "runs")]) == 1
        assert f"runs lie deeper, in exp1; name it as the runs folder: --runs {tmp_path}/runs/exp1" in (
            capsys.readouterr().err
        )


def test_a_linked_folder_of_runs_can_be_named_and_a_link_to_anything_else_is_no_run(tmp_path):
    write_run(tmp_path / "elsewhere")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "photographs").symlink_to("/usr")
    assert left_out(tmp_path / "runs") == []
    (tmp_path / "runs" / "team").symlink_to(tmp_path / "elsewhere")
    assert left_out(tmp_path / "runs")[-1].endswith(f"--runs {tmp_path}/runs/team")
    assert RunStore(tmp_path / "runs" / "team").run_ids() == ["one"]


def test_the_path_of_a_run_is_no_id(tmp_path, capsys):
    write_run(tmp_path / "runs")
    assert main(["runs", "show", f"{tmp_path}/runs/one", "--runs", str(tmp_path / "runs")]) == 1
    assert "name its folder alone, and the folder above by --runs" in capsys.readouterr().err
