import pytest

from mlcnc.launch import machine
from mlcnc.launch.job import JobEntry
from mlcnc.launch.machine import is_this_machine, machine_id
from mlcnc.launch.processes import own_mark
from mlcnc.launch.request import JobRequest


@pytest.fixture(autouse=True)
def forget():
    machine_id.cache_clear()
    yield
    machine_id.cache_clear()


def entry(**more):
    return JobEntry(job_id="0001-gallery", number=1, created_at="", request=JobRequest(kind="gallery"), **more)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """Let this be a machine with an id of its own, and no container."""
    (tmp_path / "machine-id").write_text("abc\n")
    monkeypatch.setattr(machine, "_FILES", (tmp_path / "machine-id",))
    monkeypatch.setattr(machine, "_is_container", lambda: False)


def test_containers_of_one_machine_are_told_apart_by_their_names(bare, monkeypatch):
    monkeypatch.setattr(machine, "_is_container", lambda: True)
    mark = own_mark()
    monkeypatch.setattr(machine, "host_name", lambda: "another")
    machine_id.cache_clear()
    assert not mark.is_here


def test_a_machine_that_was_renamed_keeps_its_jobs(bare, monkeypatch):
    mark, queued = own_mark(), entry(host=machine.host_name(), machine=machine_id())
    monkeypatch.setattr(machine, "host_name", lambda: "renamed")
    machine_id.cache_clear()
    assert queued.is_ours
    assert mark.is_alive


def test_a_folder_copied_from_a_machine_of_the_same_name_starts_nothing():
    assert not entry(host=machine.host_name(), machine="f" * 32).is_ours
    assert not own_mark().model_copy(update={"machine": "f" * 32}).is_here


def test_records_from_before_machines_had_ids_go_by_the_name():
    assert entry(host=machine.host_name()).is_ours
    assert not entry(host="elsewhere").is_ours
    assert is_this_machine("", machine.host_name())


def test_the_id_comes_from_the_system_then_the_network_card_then_the_name(monkeypatch, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(machine, "_FILES", (first, second))
    monkeypatch.setattr(machine.uuid, "getnode", lambda: 0x001122334455)
    monkeypatch.setattr(machine, "host_name", lambda: "name")
    assert machine._source() == "001122334455"
    for made_up in (1 << 40, 1 << 41):
        monkeypatch.setattr(machine.uuid, "getnode", lambda made_up=made_up: 0x001122334455 | made_up)
        assert machine._source() == "name"
    first.write_text("uninitialized\n")
    second.write_bytes(b"\xff")
    assert machine._source() == "name"
    second.write_text("abc\n")
    assert machine._source() == "abc"
    assert len(machine_id()) == 32
    assert "abc" not in machine_id()
