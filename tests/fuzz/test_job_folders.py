"""Damaged job folders: jobs, logs and telemetry are read in a process that is watched."""

from __future__ import annotations

import json
import os

import pytest

from mlcnc.launch import Jobs
from tests.fuzz.job_cases import DEAD, DONE, JobPlayground
from tests.fuzz.test_run_folders import assert_nothing_found, read_cases


def test_damaged_jobs_break_nothing_and_hide_no_other_job():
    report = read_cases(0, 200, 240, "--jobs")
    assert_nothing_found(report)
    assert len(report["said"]) > 40


@pytest.mark.slow
def test_many_damaged_jobs():
    report = read_cases(1_000, 6_000, 3600, "--jobs")
    print(f"{report['cases']} damaged job folders in {report['seconds']} s, slowest {report['slowest']}")
    assert_nothing_found(report)


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path):
    root = JobPlayground(tmp_path).root
    lock = root / ".jobs" / "supervisor.lock"
    lock.unlink()
    os.mkfifo(lock)
    assert {job.job_id: job.state for job in Jobs(root).all()}[DONE] == "finished"


@pytest.mark.parametrize("code", ["1e999", "null", '"1"', "[]", "9" * 400])
def test_an_exit_status_that_is_none_hides_no_job(tmp_path, code):
    root = JobPlayground(tmp_path).root
    (root / ".jobs" / DEAD / "exit.json").write_text(f'{{"pid": 4000000, "exit_code": {code}}}')
    assert {job.job_id for job in Jobs(root).all()} >= {DONE, DEAD}


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu_percent": float("nan")},
        {"gpu_percent": "<script>"},
        {"gpu_total_bytes": {"x": None}},
        {"age_seconds": "5"},
        {"rss_bytes": float("inf")},
        {"rss_bytes": 10**400},
        {"cpu_percent": True},
        {"at": None},
    ],
)
def test_a_sample_that_no_chart_can_draw_is_left_out(tmp_path, changes):
    root = JobPlayground(tmp_path).root
    path = root / ".jobs" / DEAD / "telemetry.jsonl"
    first = json.loads(path.read_text().splitlines()[0])
    path.write_text("\n".join(json.dumps(tree) for tree in (first, first | changes, first)) + "\n")
    assert len(Jobs(root).telemetry(DEAD)) == 2
