import json
import os
import signal
import subprocess
import sys

import pytest

from mlcnc.launch.active_job import ActiveJob
from mlcnc.launch.job import JobStatus
from mlcnc.launch.job_folder import ask_to_cancel, seconds_since_cancel
from mlcnc.launch.processes import ProcessMark, boot_id, boot_seconds, job_leader, mark_of, own_mark


@pytest.fixture
def sleeper():
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_pid_start_boot_and_machine(sleeper):
    mark = mark_of(sleeper.pid)
    assert mark.is_alive
    assert mark == mark_of(sleeper.pid)
    assert own_mark().pid == os.getpid()
    assert own_mark().start <= mark.start
    assert 0 <= mark.age_seconds() < 60
    for changes in (
        {"start": mark.start + 1},
        {"boot_id": "another"},
        {"machine": "elsewhere"},
        {"pid_namespace": 1},
    ):
        other = mark.model_copy(update=changes)
        assert not other.is_alive
        assert not other.signal_group(signal.SIGKILL)
    assert sleeper.poll() is None


def test_older_marks_are_still_understood(sleeper):
    tree = mark_of(sleeper.pid).model_dump(exclude={"machine", "pid_namespace"})
    assert ProcessMark.model_validate(tree).is_alive


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_groups_that_are_no_job_are_never_signalled(pid):
    # killpg of 0 is our own group, of 1 that of the first process, -1 everyone
    assert not own_mark().model_copy(update={"pid": pid}).signal_group(signal.SIGTERM)


def test_a_zombie_is_dead_but_its_group_can_be_reached(sleeper):
    mark = mark_of(sleeper.pid)
    assert mark.signal_group(signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not mark.is_alive
    assert mark.signal_group(signal.SIGKILL)
    sleeper.wait()
    assert mark_of(sleeper.pid) is None
    assert not mark.signal_group(signal.SIGKILL)


def test_the_clock_does_not_move_what_is_counted_from_the_start_of_the_machine(monkeypatch, sleeper):
    mark = mark_of(sleeper.pid)
    before = boot_seconds()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert mark.is_alive
    assert boot_seconds() >= before
    assert 0 <= mark.age_seconds() < 60


@pytest.mark.parametrize(("told", "waited", "grace"), [(True, 4.0, 2.0), (False, 4.0, 3.0), (False, 0.0, 6.0)])
def test_the_time_of_grace_begins_with_the_request(tmp_path, monkeypatch, told, waited, grace):
    clock, sent = [1000.0], []
    for module in ("active_job", "job_folder"):
        monkeypatch.setattr(f"mlcnc.launch.{module}.boot_seconds", lambda: clock[0])
    monkeypatch.setattr("os.killpg", lambda pid, number: sent.append(number.name))
    ask_to_cancel(tmp_path, told=told)
    clock[0] += waited
    job = ActiveJob(tmp_path, None, JobStatus(state="running"), own_mark(), None)
    job.begin_stop("asked")
    assert sent == ([] if told else ["SIGTERM"])
    for step in (grace - 0.01, 0.02):
        assert "SIGKILL" not in sent
        clock[0] += step
        job.press_stop()
    assert sent[-1] == "SIGKILL"


def test_a_child_whose_end_another_took_has_an_end_nobody_saw(sleeper):
    job = ActiveJob(None, None, JobStatus(state="running"), mark_of(sleeper.pid), sleeper)
    assert job.exit_code() is None
    sleeper.kill()
    os.waitpid(sleeper.pid, 0)
    assert job.exit_code() is None
    assert job.child is None
    assert not job.process.is_alive


def test_the_processes_of_a_job_are_found_by_either_name_of_its_folder(tmp_path):
    folder = tmp_path / "runs" / ".jobs" / "0001-train"
    folder.mkdir(parents=True)
    (tmp_path / "other").symlink_to(tmp_path / "runs")
    by_link = tmp_path / "other" / ".jobs" / "0001-train"
    program = [sys.executable, "-I", "-S", "-c", "input()"]
    for given in (folder, by_link):
        process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "MLCNC_JOB_FOLDER": str(given)},
        )
        try:
            assert job_leader(folder) == job_leader(by_link) == mark_of(process.pid)
            assert job_leader(folder.with_name("0002-train")) is None
        finally:
            process.communicate(b"\n")


@pytest.mark.parametrize("asked", ["9" * 400, '"later"', "null", "1e999", "NaN"])
def test_a_request_to_stop_of_any_age_is_one(tmp_path, asked):
    (tmp_path / "cancel").write_text(f'{{"boot_id": {json.dumps(boot_id())}, "asked": {asked}}}')
    assert seconds_since_cancel(tmp_path) == 0.0
