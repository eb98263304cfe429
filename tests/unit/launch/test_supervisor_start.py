"""A supervisor that cannot work says so to whoever waits for it."""

import signal
import subprocess
import sys

import pytest

from mlcnc.errors import LaunchError
from mlcnc.launch import JobRequest, Jobs
from mlcnc.launch.processes import mark_of
from tests.app.job_files import write_job
from tests.processes.stand_in import wait_until


class Broken(Jobs):
    """Jobs whose supervisor runs a program that is given."""

    program = "raise SystemExit('mlcnc: it does not work')"

    def _supervisor_argv(self):
        return [sys.executable, "-I", "-S", "-c", self.program]

    def ended(self):
        return self._starts._last[0].returncode is not None


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("MLCNC_LOCKS", str(tmp_path / "locks"))
    write_job(tmp_path)
    return Broken(tmp_path)


def test_one_that_fails_at_once_is_told_and_not_started_every_second(jobs, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("mlcnc.launch.supervisor_start.time.monotonic", lambda: clock[0])
    assert jobs.ensure_supervisor()
    wait_until(jobs.ended)
    first = jobs._starts._last
    for _ in range(3):
        with pytest.raises(
            LaunchError, match=r"ended at once: mlcnc: it does not work; it is tried again in 10 s"
        ):
            jobs.ensure_supervisor()
    assert jobs._starts._last is first
    clock[0] += 11
    assert jobs.ensure_supervisor()
    wait_until(jobs.ended)


@pytest.mark.parametrize("program", ["", "import os; os.kill(os.getpid(), 9)"])
def test_one_that_left_or_was_killed_is_followed_at_once(jobs, program):
    jobs.program = program
    assert jobs.ensure_supervisor()
    wait_until(jobs.ended)
    assert jobs.ensure_supervisor()
    wait_until(jobs.ended)


def test_a_job_whose_supervisor_does_not_start_is_queued_once_and_says_so(jobs):
    assert jobs.ensure_supervisor()
    wait_until(jobs.ended)
    job = jobs.submit(JobRequest(kind="gallery", device="cpu"))
    assert job.state == "queued"
    assert job.headline.startswith("queued but not started, as the supervisor of")
    assert job.headline.endswith("the next job or a look at the page Train starts it")
    assert jobs.get(job.job_id).headline == "", "it is not so for ever"


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_stop_that_needs_no_supervisor_does_not_tell_of_a_broken_one(jobs, monkeypatch, state):
    assert jobs.ensure_supervisor()
    wait_until(jobs.ended)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        monkeypatch.setattr("tests.app.job_files.own_mark", lambda: mark_of(process.pid))
        job_id = write_job(jobs.runs_root, state)
        jobs.stop(job_id)
        if state == "running":
            assert process.wait(timeout=20) == -signal.SIGTERM
        else:
            assert jobs.get(job_id).state == "stopped"
    finally:
        process.kill()
        process.communicate()
