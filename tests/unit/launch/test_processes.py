import os
import signal
import subprocess
import sys

import pytest

from mlcnc.launch.processes import boot_seconds, mark_of, own_mark


@pytest.fixture
def sleeper():
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"], start_new_session=True
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
    for changes in ({"start": mark.start + 1}, {"boot_id": "another"}, {"host": "elsewhere"}):
        other = mark.model_copy(update=changes)
        assert not other.is_alive
        assert not other.signal_group(signal.SIGKILL)
    assert sleeper.poll() is None


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
