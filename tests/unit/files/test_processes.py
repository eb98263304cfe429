import os
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from mlcnc.files import processes as module
from mlcnc.files.processes import ProcessMeter, boot_seconds, machine_id, process_name
from tests.processes.stand_in import wait_until


@pytest.fixture
def sleeper():
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_pid_start_and_boot(sleeper):
    mark = process_name(sleeper.pid)
    assert mark.is_alive
    assert mark == process_name(sleeper.pid)
    assert process_name(os.getpid()).pid == os.getpid()
    assert process_name(os.getpid()).start <= mark.start
    assert 0 <= mark.age_seconds() < 60
    for changes in (
        {"start": mark.start + 1},
        {"boot": "another"},
    ):
        other = replace(mark, **changes)
        assert not other.is_alive
        assert not other.signal_group(signal.SIGKILL)
    assert sleeper.poll() is None


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_groups_that_are_no_job_are_never_signalled(pid):
    # killpg of 0 is our own group, of 1 that of the first process, -1 everyone
    assert not replace(process_name(os.getpid()), pid=pid).signal_group(signal.SIGTERM)


def test_a_zombie_is_dead_but_its_group_can_be_reached(sleeper):
    mark = process_name(sleeper.pid)
    assert mark.signal_group(signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not mark.is_alive
    assert mark.signal_group(signal.SIGKILL)
    sleeper.wait()
    assert process_name(sleeper.pid) is None
    assert not mark.signal_group(signal.SIGKILL)


def test_the_clock_does_not_move_what_is_counted_from_the_start_of_the_machine(monkeypatch, sleeper):
    mark = process_name(sleeper.pid)
    before = boot_seconds()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert mark.is_alive
    assert boot_seconds() >= before
    assert 0 <= mark.age_seconds() < 60


def test_how_a_process_ended_is_known_until_somebody_waits_for_it(sleeper, monkeypatch):
    name = process_name(sleeper.pid)
    assert name.exit_code is None
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert name.exit_code == -signal.SIGKILL
    monkeypatch.setattr("os.getuid", lambda: os.geteuid() + 1)
    assert name.exit_code is None, "of the process of another user the system says 0, whatever it was"
    monkeypatch.undo()
    sleeper.wait()
    assert name.exit_code is None


def test_a_machine_is_known_by_its_own_id_and_a_container_by_its_name(monkeypatch):
    here = machine_id.__wrapped__()
    assert machine_id() == here
    assert len(here) == 32
    monkeypatch.setattr("os.readlink", lambda path: "pid:[4026531836]")
    monkeypatch.setattr(module, "host_name", lambda: "one")
    itself = machine_id.__wrapped__()
    monkeypatch.setattr(module, "host_name", lambda: "renamed")
    assert machine_id.__wrapped__() == itself
    monkeypatch.setattr("os.readlink", lambda path: "pid:[1]")
    assert machine_id.__wrapped__() != itself


def test_a_process_and_its_children_are_measured():
    program = "import os, time; os.fork(); x = bytearray(2**24); end = time.monotonic() + 600\nwhile time.monotonic() < end: pass"
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", program], start_new_session=True)
    try:
        wait_until(lambda: len(psutil.Process(process.pid).children()) == 1)
        meter = ProcessMeter(process.pid)
        assert meter.measure()[0] == 0.0
        wait_until(lambda: meter.measure()[1] > 2 * 2**24)
        wait_until(lambda: meter.measure()[0] > 5)
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    wait_until(lambda: meter.measure()[1] == 0)
    assert ProcessMeter(process.pid).measure() == (0.0, 0)
