"""A damaged table of jobs: jobs and logs are read in a process that is watched."""

from __future__ import annotations

import os

import pytest

from mlcnc.launch import Jobs
from tests.fuzz.job_cases import DONE, JobPlayground
from tests.fuzz.test_run_folders import assert_nothing_found, read_cases


def test_a_damaged_table_of_jobs_breaks_nothing():
    report = read_cases(0, 200, 240, "--jobs")
    assert_nothing_found(report)
    assert len(report["said"]) > 30


@pytest.mark.slow
def test_many_damaged_tables_of_jobs():
    report = read_cases(1_000, 6_000, 3600, "--jobs")
    print(f"{report['cases']} damaged tables of jobs in {report['seconds']} s, slowest {report['slowest']}")
    assert_nothing_found(report)


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path):
    root = JobPlayground(tmp_path).root
    lock = root / ".jobs" / "worker-cpu.lock"
    lock.unlink()
    os.mkfifo(lock)
    assert {job.job_id: job.state for job in Jobs(root).all()}[DONE] == "finished"
