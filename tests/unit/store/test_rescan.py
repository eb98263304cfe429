"""A store that is scanned again and again: what it keeps, what it sees anew, and notes that survive."""

import json
import os

import pytest

from mlcnc.errors import StoreError
from mlcnc.store import Run, RunProblem, RunStore, RunWriter


@pytest.fixture
def root(tmp_path):
    for name in ("b", "a", "c"):
        with RunWriter.create(tmp_path / "runs", name, class_names=["x", "y"], class_counts=[9, 2]) as run:
            run.log_epoch(0, {"test/map_total": 1.0})
    return tmp_path / "runs"


def test_a_second_scan_yields_the_same_objects_until_run_json_changes(root):
    store = RunStore(root)
    first, second = list(store.scan()), list(store.scan())
    assert [run.run_id for run in first] == ["a", "b", "c"]
    assert all(one is two for one, two in zip(first, second, strict=True))
    path = root / "b" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "renamed"}))
    third = list(store.scan())
    assert third[1] is not first[1]
    assert third[1].name == "renamed"
    assert third[0] is first[0]


def test_a_scan_sees_runs_that_break_come_and_go(root):
    store = RunStore(root)
    list(store.scan())
    (root / "b" / "run.json").write_text("{")
    (root / "c" / "status.json").write_text("[")
    os.rename(root / "a", root / "d")
    found = list(store.scan())
    assert [type(item) for item in found] == [RunProblem, RunProblem, Run]
    assert [item.run_id for item in found] == ["b", "c", "d"]
    assert "run.json of run b is damaged" in found[0].text
    assert "status.json of run c is damaged" in found[1].text


def test_a_status_is_read_again_when_it_changes(root):
    run = RunStore(root).open("a")
    assert run.status.state == "finished"
    path = root / "a" / "status.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {"state": "failed"}))
    assert run.status.state == "failed"
    path.unlink()
    assert run.status.state == "lost"


def test_links_out_of_the_root_are_no_runs_and_links_inside_are(root, tmp_path):
    outside = tmp_path / "outside"
    os.rename(root / "c", outside)
    os.symlink(outside, root / "leads-out")
    os.symlink(root / "a", root / "leads-in")
    (root / "file").write_text("")
    assert RunStore(root).run_ids() == ["a", "b", "leads-in"]
    assert RunStore(root / "nowhere").run_ids() == []


def test_damaged_notes_are_kept_aside_when_new_ones_are_written(root):
    run = RunStore(root).open("a")
    (run.folder / "notes.json").write_text('{"name": "half')
    assert run.notes() == {}
    run.write_notes({"name": "whole"})
    assert run.name == "whole"
    assert (run.folder / "notes.damaged.json").read_text() == '{"name": "half'
    run.write_notes({"name": "again"})
    assert (run.folder / "notes.damaged.json").read_text() == '{"name": "half'


def test_changing_what_notes_returned_changes_nothing(root):
    run = RunStore(root).open("a")
    run.write_notes({"name": "one"})
    run.notes()["name"] = "two"
    assert run.name == "one"


def test_notes_that_cannot_be_written_raise_one_sentence(root):
    run = RunStore(root).open("a")
    (run.folder / "notes.json").mkdir()
    (run.folder / "notes.json" / "full").write_text("")
    (run.folder / "notes.damaged.json").write_text("")  # a file where the folder would have to go
    with pytest.raises(StoreError, match="of run a could not be written"):
        run.write_notes({"name": "x"})
