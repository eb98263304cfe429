"""The runner when records are damaged, the disk is full, or the table is not there any more."""

import os
import sqlite3
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

from mlcnc.launch import LaunchError
from mlcnc.launch.queue import Queue
from tests.processes.stand_in import (
    StandInJobs,
    begun,
    change,
    clear,
    group_members,
    kill_workers,
    stand_in,
    wait_for_state,
    wait_until,
    workers,
    written,
)


def test_a_damaged_record_of_a_running_job_is_mended_by_its_end_and_leaves_the_others_alone(jobs):
    running = begun(jobs, "rest:2")
    good = jobs.submit(stand_in("rest:0"))
    change(jobs, running.job_id, request="{")
    assert [job.job_id for job in jobs.all()] == [good.job_id]
    assert "job 0001 is damaged" in jobs.problems()[0]
    wait_for_state(jobs, good.job_id, "finished")
    assert not group_members(running.pid)


def test_removing_a_damaged_record_ends_its_process(jobs):
    job = begun(jobs, "stubborn")
    kill_workers(jobs)
    change(jobs, job.job_id, request="{")
    with pytest.raises(LaunchError, match="is damaged"):
        jobs.stop(job.job_id)
    jobs.remove("0001-damaged")
    wait_until(lambda: not group_members(job.pid))
    assert jobs.problems() == []


def test_a_table_that_is_gone_ends_neither_a_job_nor_what_is_queued_next(jobs):
    job = begun(jobs, "polite")
    folder = jobs.runs_root / ".jobs"
    folder.rename(jobs.runs_root / "elsewhere")
    assert jobs.all() == []
    wait_until(lambda: not workers(jobs.runs_root))
    assert group_members(job.pid)
    waiting = jobs.submit(stand_in("rest:0"))
    wait_until(lambda: jobs.get(waiting.job_id).headline == "waits for cpu, which another job holds")
    group_members(job.pid)[0].kill()
    wait_for_state(jobs, waiting.job_id, "finished")


def test_a_worker_outlives_a_table_that_it_cannot_write_for_a_while(jobs):
    job = begun(jobs, "polite")
    held = sqlite3.connect(Queue(jobs.runs_root).file, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    os.kill(job.pid, 9)
    # who looks sees the truth meanwhile
    wait_until(lambda: jobs.get(job.job_id).state == "lost")
    assert jobs.get(job.job_id).exit_code == -9
    assert written(jobs, job.job_id).state == "running"
    held.execute("ROLLBACK")
    held.close()
    wait_until(lambda: written(jobs, job.job_id).state == "lost")
    assert written(jobs, job.job_id).exit_code == -9


def test_a_full_disk_neither_ends_the_worker_nor_a_job(tmp_path, locks):
    with small_disk(tmp_path / "disk", "70m") as disk:
        jobs = StandInJobs(disk / "runs")
        job = begun(jobs, "polite")
        (worker,) = workers(jobs.runs_root)
        waiting = jobs.submit(stand_in("rest:0"))
        fill(disk / "filling")
        with pytest.raises(Exception, match="MiB free"):
            jobs.submit(stand_in("rest:0"))
        jobs.stop(job.job_id)
        wait_until(lambda: not group_members(job.pid), 20)
        time.sleep(1)  # long enough to fail at writing how it ended
        assert worker.is_running()
        assert jobs.get(waiting.job_id).state == "queued"
        (disk / "filling").unlink()
        wait_until(lambda: written(jobs, job.job_id).state == "stopped", 20)
        wait_for_state(jobs, waiting.job_id, "finished")


def fill(path):
    with path.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(2**16))


@contextmanager
def small_disk(path, size):
    """Give a disk of a few megabytes, or skip where none can be mounted."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield path
    finally:
        clear(path)
        wait_until(
            lambda: not subprocess.run(["umount", path], check=False, capture_output=True).returncode, 10
        )
