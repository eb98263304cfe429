"""Jobs that cannot start yet: they say why, and keep no other job waiting."""

import json
import os
import sys
import time

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch import JobRequest
from mlcnc.launch.job_folder import read_status
from mlcnc.launch.locks import device_lock_path, try_lock
from mlcnc.launch.supervisor import Supervisor
from tests.processes.stand_in import pretend_gpus


@pytest.fixture
def started(jobs, monkeypatch):
    """Return a supervisor that notes which jobs it would start, in place of starting them."""
    jobs.runs_root.mkdir()
    supervisor = Supervisor(jobs.runs_root)
    supervisor.begun = []
    monkeypatch.setattr(supervisor, "_start", lambda entry, *more: supervisor.begun.append(entry.job_id))
    yield supervisor
    supervisor._devices.close()


def queue(jobs, **more):
    return jobs.submit(JobRequest(**{"kind": "gallery", "device": "cpu", **more}))


def test_a_folder_of_locks_that_cannot_be_used_is_said_at_once(jobs, tmp_path):
    (tmp_path / "locks").chmod(0o775)
    with pytest.raises(LaunchError, match="must be a folder of your own that no one else may write"):
        queue(jobs)
    assert jobs.all() == []


def test_a_folder_of_locks_that_went_bad_is_told_by_every_waiting_job(jobs, started, tmp_path, capfd):
    pretend_gpus(0)
    waiting = [queue(jobs), queue(jobs, device="auto")]
    (tmp_path / "locks").chmod(0o775)
    for _ in range(5):
        started._tick()
    for job in waiting:
        headline = jobs.get(job.job_id).headline
        assert headline.startswith(f"waits: the folder of device locks {tmp_path}/locks must be")
        assert jobs.get(job.job_id).state == "queued"
    assert capfd.readouterr().err == "", "nothing floods the log"
    (tmp_path / "locks").chmod(0o700)
    started._not_before.clear()
    started._tick()
    assert started.begun == [waiting[0].job_id]


def test_a_job_that_cannot_start_keeps_no_other_waiting(jobs, started):
    pretend_gpus(2)
    first, second = queue(jobs, device="cuda:1"), queue(jobs)
    pretend_gpus(0)
    started._tick()
    assert (
        jobs.get(first.job_id).headline
        == "waits: device cuda:1 is not on this machine, or hidden from the supervisor"
    )
    assert started.begun == [second.job_id]


def test_a_job_for_any_device_waits_until_they_are_known(jobs, started, monkeypatch):
    answer = {"cuda": [["One", 8 * 2**30, "aaaa-1111"]], "mps": False, "why": ""}
    program = [sys.executable, "-I", "-S", "-c", f"print({json.dumps(answer)!r})"]
    monkeypatch.setattr("mlcnc.launch.device_search.probe_argv", lambda: program)
    job, other = queue(jobs, device="auto"), queue(jobs)
    started._tick()
    assert jobs.get(job.job_id).headline == "waits until torch has said which devices this machine has"
    assert started.begun == [other.job_id], "asking holds up nobody"
    deadline = time.monotonic() + 60
    while job.job_id not in started.begun and time.monotonic() < deadline:
        started._tick()
        time.sleep(0.02)
    assert job.job_id in started.begun
    assert device_lock_path("cuda-aaaa-1111").exists()


def test_a_device_that_another_job_holds_is_named_once(jobs, started, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("mlcnc.launch.supervisor.time.monotonic", lambda: clock[0])
    held = try_lock(device_lock_path("cpu"))
    first, second = queue(jobs), queue(jobs)
    started._tick()
    assert jobs.get(first.job_id).headline == "", "held for a moment only"
    clock[0] += 2
    started._tick()
    assert jobs.get(first.job_id).headline == "waits for cpu, which another job holds"
    assert jobs.get(second.job_id).headline == ""
    written = os.stat(first.folder / "state.json")
    started._tick()
    started._tick()
    assert os.stat(first.folder / "state.json").st_ino == written.st_ino
    os.close(held)
    started._tick()
    assert started.begun == [first.job_id]
    assert read_status(second.folder).headline == ""


def test_a_full_disk_is_what_a_job_waits_for(jobs, monkeypatch):
    job = queue(jobs)
    supervisor = Supervisor(jobs.runs_root)
    monkeypatch.setattr("mlcnc.store.new_run.free_bytes", lambda root: 3 * 2**20)
    supervisor._tick()
    assert jobs.get(job.job_id).headline.startswith("waits for disk space: the disk of ")
    assert "has 3 MiB free, 50 are needed" in jobs.get(job.job_id).headline
    assert jobs.get(job.job_id).state == "queued"
