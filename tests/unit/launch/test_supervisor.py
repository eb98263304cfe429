"""The supervisor's own steps, without any job's process: what goes wrong with one job is that job's alone."""

import json
import os
import signal
import sys
import threading

import pytest

from mlcnc.errors import StoreError
from mlcnc.launch import JobRequest
from mlcnc.launch import supervisor as module
from mlcnc.launch.active_job import ActiveJob
from mlcnc.launch.job import JobStatus
from mlcnc.launch.job_folder import JobFolder, read_status, write_status
from mlcnc.launch.locks import device_lock_path, is_locked
from mlcnc.launch.processes import own_mark
from mlcnc.launch.state_keeper import StateKeeper
from mlcnc.launch.supervisor import Supervisor
from tests.processes.stand_in import pretend_gpus, wait_until


def queue(jobs, **more):
    return jobs.submit(JobRequest(**{"kind": "gallery", "device": "cpu", **more}))


def test_ends_of_jobs_are_seen_where_the_parent_ignored_them(tmp_path, monkeypatch):
    monkeypatch.setattr(Supervisor, "run", lambda self: True)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert module.main(["--runs", str(tmp_path)]) == 0
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_one_odd_job_keeps_no_other_from_being_looked_after(jobs, monkeypatch, capfd):
    odd, other, waiting = (queue(jobs) for _ in range(3))
    supervisor = Supervisor(jobs.runs_root)
    started = []
    monkeypatch.setattr(supervisor, "_start", lambda entry, *more: started.append(entry.job_id))
    for job in (odd, other):
        status = JobStatus(state="running", process=own_mark(), device=job.job_id)
        write_status(job.folder, status)
        entry = supervisor._reader.record(job.job_id).entry
        supervisor._active[job.job_id] = ActiveJob(job.folder, entry, status, own_mark(), None)
    looked = []

    def reason_to_stop(active, root):
        looked.append(active.entry.job_id)
        if active.entry.job_id == odd.job_id:
            raise RuntimeError("odd")

    monkeypatch.setattr(ActiveJob, "reason_to_stop", reason_to_stop)
    for _ in range(3):
        supervisor._tick()
    assert looked == [odd.job_id, other.job_id] * 3
    assert started == [waiting.job_id]
    assert capfd.readouterr().err.count("RuntimeError: odd") == 1, "nothing floods the log"


def test_one_job_that_cannot_be_started_keeps_no_other_waiting(jobs, monkeypatch, capfd):
    pretend_gpus(1)
    odd, other = queue(jobs, device="cuda:0"), queue(jobs)
    supervisor = Supervisor(jobs.runs_root)
    started = []

    def start(entry, *more):
        if entry.job_id == odd.job_id:
            raise RuntimeError("odd")
        started.append(entry.job_id)

    monkeypatch.setattr(supervisor, "_start", start)
    supervisor._tick()
    assert started == [other.job_id]
    assert jobs.get(odd.job_id).headline == "waits: RuntimeError: odd"
    assert "RuntimeError: odd" in capfd.readouterr().err


@pytest.mark.parametrize("error", [ValueError("embedded null byte"), RuntimeError("of any kind")])
def test_a_start_that_fails_in_any_way_ends_the_job(jobs, monkeypatch, error):
    job = queue(jobs)

    def spawn(*arguments):
        assert read_status(job.folder).state == "starting"
        raise error

    monkeypatch.setattr(module, "spawn", spawn)
    supervisor = Supervisor(jobs.runs_root)
    supervisor._tick()
    ended = jobs.get(job.job_id)
    assert (ended.state, ended.headline) == ("failed", f"could not be started: {error}")
    assert supervisor._active == {}


def test_a_gpu_and_its_lock_come_from_one_reading(jobs, tmp_path, monkeypatch):
    """Another process may replace what is known of the devices at any moment."""
    pretend_gpus(1)
    path = tmp_path / "locks" / "devices.json"
    tree = json.loads(path.read_text())
    tree["facts"]["cuda"][0][2] = "aaaa-1111"
    path.write_text(json.dumps(tree))
    job = queue(jobs, device="cuda:0")
    devices = sys.modules["mlcnc.launch.devices"]
    known, answers = devices.known_facts, []

    def known_once():
        answers.append(known())
        path.write_text(json.dumps({**tree, "key": ["another", "process"]}))
        return answers[-1]

    supervisor = Supervisor(jobs.runs_root)
    supervisor._scan()
    held = []
    monkeypatch.setattr(devices, "known_facts", known_once)
    monkeypatch.setattr(
        supervisor,
        "_start",
        lambda *more: held.append([is_locked(device_lock_path(f"cuda-{name}")) for name in ("aaaa-1111", "0")]),
    )
    supervisor._start_what_can()
    assert job.request.device == "cuda:0"
    assert held == [[True, False]]


def test_a_supervisor_leaves_when_its_folder_was_made_anew(jobs, monkeypatch):
    queue(jobs)
    supervisor = Supervisor(jobs.runs_root)
    monkeypatch.setattr(supervisor, "_tick", lambda: None)
    supervisor._active["0000-odd"] = None  # something to do, so that it does not leave by itself
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    lock = jobs.runs_root / ".jobs" / "supervisor.lock"
    wait_until(lambda: is_locked(lock))
    lock.unlink()
    lock.touch()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def kept(jobs, monkeypatch):
    """Return a job, and a keeper that could not write that it is queued once more."""
    job = queue(jobs)
    keeper = StateKeeper(JobFolder(jobs.runs_root), lambda sentence: None)
    with monkeypatch.context() as full:

        def refuse(folder, status):
            raise StoreError("no space left")

        full.setattr("mlcnc.launch.state_keeper.write_status", refuse)
        keeper.write(job.folder, JobStatus(state="queued", attempt=2, headline="again"))
    assert keeper
    return job, keeper


def test_a_kept_state_is_written_later_while_the_queue_is_held(kept, jobs):
    job, keeper = kept
    write_status(job.folder, JobStatus(state="starting", attempt=1))
    before = JobFolder(jobs.runs_root).version()
    keeper.retry()
    assert read_status(job.folder).headline == "again"
    assert JobFolder(jobs.runs_root).version() == before + 1
    assert not keeper


@pytest.mark.parametrize(
    "moved_on", [JobStatus(state="stopped", attempt=1), JobStatus(state="starting", attempt=3)]
)
def test_a_kept_state_never_undoes_a_later_one(kept, moved_on):
    job, keeper = kept
    write_status(job.folder, moved_on)
    keeper.retry()
    assert read_status(job.folder) == moved_on
    assert not keeper


def test_a_kept_state_waits_while_another_holds_the_queue(kept, jobs, monkeypatch):
    job, keeper = kept
    monkeypatch.setattr("mlcnc.launch.locks.PATIENCE_SECONDS", 0.01)
    with JobFolder(jobs.runs_root).changing():
        keeper.retry()
    assert keeper
    assert not os.path.exists(job.folder / "state.json")
